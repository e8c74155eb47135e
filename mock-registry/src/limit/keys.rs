//! All keys of one limit, each with the state of its law. Made small, because there may be millions.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::law::{Allowance, Counter, Fixed, Law, Log, Meter};
use crate::Algorithm;

/// Keys that nothing counts of any more are first swept out when there are this many.
const FIRST_SWEEP_AT: usize = 65_536;
/// The most keys that one limit keeps. When more count at once, every second one is forgotten.
const MAX_KEYS: usize = 4 << 20;

/// The keys of a limit, under the law that it has.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Keys {
    Fixed(Kept<Fixed>),
    Log(Kept<Log>),
    Counter(Kept<Counter>),
    Meter(Kept<Meter>),
}

/// The keys of a limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "L: Law")]
pub(super) struct Kept<L> {
    #[serde(with = "as_pairs")]
    of_key: FxHashMap<u128, L>,
    /// The next sweep: twice what the last one left, so that sweeping costs each new key a constant share.
    sweep_at: usize,
}

/// Does the same with the keys of each law.
macro_rules! with_kept {
    ($keys:expr, $kept:ident => $do:expr) => {
        match $keys {
            Keys::Fixed($kept) => $do,
            Keys::Log($kept) => $do,
            Keys::Counter($kept) => $do,
            Keys::Meter($kept) => $do,
        }
    };
}

impl Keys {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Fixed | Algorithm::Aligned => Self::Fixed(Kept::default()),
            Algorithm::SlidingLog => Self::Log(Kept::default()),
            Algorithm::SlidingCounter => Self::Counter(Kept::default()),
            Algorithm::TokenBucket | Algorithm::Gcra => Self::Meter(Kept::default()),
        }
    }

    /// Units left, without a trace of the question.
    pub(super) fn left(&mut self, key: u128, allowance: Allowance, now: i64) -> u64 {
        with_kept!(self, kept => match kept.of_key.get_mut(&key) {
            Some(law) => law.left(allowance, now),
            None => allowance.all(),
        })
    }

    /// Uses `cost` units if they are left, and returns how many are left then; `None` if they were not.
    pub(super) fn take(&mut self, key: u128, allowance: Allowance, cost: u64, now: i64) -> Option<u64> {
        with_kept!(self, kept => {
            let law = kept.entry(key, allowance, now);
            let left = law.left(allowance, now).checked_sub(cost)?;
            law.charge(allowance, cost, now);
            Some(left)
        })
    }

    /// Uses `cost` units, whether they are left or not.
    pub(super) fn charge(&mut self, key: u128, allowance: Allowance, cost: u64, now: i64) {
        with_kept!(self, kept => kept.entry(key, allowance, now).charge(allowance, cost, now));
    }

    /// Gives back what was taken a moment before.
    pub(super) fn give_back(&mut self, key: u128, allowance: Allowance, cost: u64, now: i64) {
        with_kept!(self, kept => if let Some(law) = kept.of_key.get_mut(&key) { law.give_back(allowance, cost, now) });
    }

    /// How long until `cost` units are left, in microseconds.
    pub(super) fn wait(&mut self, key: u128, allowance: Allowance, cost: u64, now: i64) -> i64 {
        with_kept!(self, kept => kept.of_key.get_mut(&key).map_or(0, |law| law.wait(allowance, cost, now)))
    }

    pub(super) fn extend(&mut self, key: u128, allowance: Allowance, now: i64) {
        with_kept!(self, kept => kept.entry(key, allowance, now).extend(allowance, now));
    }

    pub(super) fn forget(&mut self, key: u128) {
        with_kept!(self, kept => drop(kept.of_key.remove(&key)));
    }

    pub(super) fn rescale(&mut self, from: Allowance, to: Allowance, now: i64) {
        with_kept!(self, kept => kept.of_key.values_mut().for_each(|law| law.rescale(from, to, now)));
    }

    /// Whether these move by the same law.
    pub(super) fn is_same_law(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// How many keys are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        with_kept!(self, kept => kept.of_key.len())
    }
}

impl<L: Law> Default for Kept<L> {
    fn default() -> Self {
        Self { of_key: FxHashMap::default(), sweep_at: FIRST_SWEEP_AT }
    }
}

impl<L: Law> Kept<L> {
    fn entry(&mut self, key: u128, allowance: Allowance, now: i64) -> &mut L {
        if self.of_key.len() >= self.sweep_at && !self.of_key.contains_key(&key) {
            self.sweep(allowance, now);
        }
        self.of_key.entry(key).or_default()
    }

    fn sweep(&mut self, allowance: Allowance, now: i64) {
        self.of_key.retain(|_, law| !law.is_idle(allowance, now));
        if self.of_key.len() >= MAX_KEYS {
            let mut is_kept = false;
            self.of_key.retain(|_, _| {
                is_kept = !is_kept;
                is_kept
            });
        }
        self.sweep_at = FIRST_SWEEP_AT.max(2 * self.of_key.len()).min(MAX_KEYS);
    }
}

/// A map as pairs in the order of their keys: JSON has only texts for keys, and one state is to give one text.
mod as_pairs {
    use std::collections::BTreeMap;

    use rustc_hash::FxHashMap;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer, L: Serialize>(
        map: &FxHashMap<u128, L>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let sorted: BTreeMap<_, _> = map.iter().map(|(key, law)| (format!("{key:032x}"), law)).collect();
        sorted.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, L: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<FxHashMap<u128, L>, D::Error> {
        let read = BTreeMap::<String, L>::deserialize(deserializer)?;
        let key = |text: &str| u128::from_str_radix(text, 16).map_err(|_| de::Error::custom("a key has 32 hex digits"));
        read.into_iter().map(|(text, law)| Ok((key(&text)?, law))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_spares_what_counts() {
        let allowance = Allowance { units: 5, window_us: 60_000_000, capacity: 5, is_aligned: false };
        let mut keys = Keys::new(Algorithm::SlidingLog);
        for key in 0..FIRST_SWEEP_AT as u128 {
            keys.charge(key, allowance, 1, if key == 7 { 50_000_000 } else { 0 });
        }
        assert_eq!(keys.len(), FIRST_SWEEP_AT);
        keys.charge(u128::MAX, allowance, 1, 61_000_000);
        assert_eq!(keys.len(), 2);
        assert_eq!(keys.left(7, allowance, 61_000_000), 4);
    }
}
