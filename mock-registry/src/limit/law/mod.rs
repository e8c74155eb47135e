//! How windows move, as pure laws: one file for each, all with the same five questions.
//!
//! Instants are microseconds of policy time, costs are units. A law keeps the state of one key, and is told what is allowed
//! with each question, so that an allowance can change while it is in use: what was used still counts.
//!
//! What the real registries do is mostly not public (facts/registry A6, H); which law a preset has is said in its file.

mod counter;
mod fixed;
mod log;
mod meter;

use std::time::Duration;

pub(crate) use counter::Counter;
pub(crate) use fixed::Fixed;
pub(crate) use log::Log;
pub(crate) use meter::Meter;
use serde::{Serialize, de::DeserializeOwned};

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// Units in each window, at least one.
    pub(crate) units: u64,
    /// The window in microseconds, at least a thousand.
    pub(crate) window_us: i64,
    /// How many units can be had at once: those of the window, unless the law is a meter with a burst of its own.
    pub(crate) capacity: u64,
    /// Whether windows are those of the clock, for the law that has a choice.
    pub(crate) is_aligned: bool,
}

impl Allowance {
    /// What a key has left that used nothing: so many units whatever the law, because each is made with the capacity that it has.
    pub(crate) fn all(self) -> u64 {
        self.capacity
    }
}

/// What one key has used, and how it comes back.
pub(crate) trait Law: Default + Serialize + DeserializeOwned {
    /// Units left at `now`.
    fn left(&mut self, allowance: Allowance, now: i64) -> u64;

    /// Uses `cost` units at `now`, whether they are left or not.
    fn charge(&mut self, allowance: Allowance, cost: u64, now: i64);

    /// Gives back `cost` units that were used a moment before.
    fn give_back(&mut self, allowance: Allowance, cost: u64, now: i64);

    /// How long after `now` `cost` units will be left, in microseconds, if nothing is used until then.
    fn wait(&mut self, allowance: Allowance, cost: u64, now: i64) -> i64;

    /// Lets everything that counts at `now` count anew from `now` on.
    fn extend(&mut self, allowance: Allowance, now: i64);

    /// Whether nothing counts any more at `now`, so that the key can be forgotten.
    fn is_idle(&mut self, allowance: Allowance, now: i64) -> bool {
        self.left(allowance, now) >= allowance.capacity.max(allowance.units)
    }

    /// Goes on under another allowance.
    fn rescale(&mut self, _from: Allowance, _to: Allowance, _now: i64) {}
}

/// A wait that was found in microseconds.
pub(crate) fn to_duration(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowance(units: u64, window_ms: i64, burst: u64) -> Allowance {
        Allowance { units, window_us: window_ms * 1000, capacity: burst, is_aligned: false }
    }

    fn take(law: &mut impl Law, allowance: Allowance, now: i64) -> bool {
        let is_left = law.left(allowance, now) >= 1;
        if is_left {
            law.charge(allowance, 1, now);
        }
        is_left
    }

    /// The laws that every law keeps, whatever the requests are.
    fn check_law<L: Law>(allowance: Allowance, steps: &[i64]) -> Result<(), TestCaseError> {
        let mut law = L::default();
        let mut now = 1_767_225_600_000_000;
        for step in steps {
            now += step;
            let left = law.left(allowance, now);
            prop_assert_eq!(law.left(allowance, now), left, "looking uses nothing");
            let wait = law.wait(allowance, 1, now);
            prop_assert_eq!(left == 0, wait > 0, "one waits exactly where nothing is left: {} left, {} us", left, wait);
            if wait > 0 {
                let mut later: L = serde_json::from_str(&serde_json::to_string(&law).unwrap()).unwrap();
                prop_assert!(later.left(allowance, now + wait) >= 1, "nothing is left after the wait of {} us", wait);
                // The log counts milliseconds.
                let mut before: L = serde_json::from_str(&serde_json::to_string(&law).unwrap()).unwrap();
                prop_assert_eq!(before.left(allowance, now + wait - 1000), 0, "the wait of {} us is too long", wait);
            }
            if take(&mut law, allowance, now) {
                prop_assert_eq!(law.left(allowance, now), left - 1);
                law.give_back(allowance, 1, now);
                prop_assert_eq!(law.left(allowance, now), left);
                law.charge(allowance, 1, now);
            }
        }
        // After two windows without requests everything is back.
        let rest = now + 2 * allowance.window_us * i64::try_from(allowance.capacity.max(1)).unwrap();
        prop_assert!(law.is_idle(allowance, rest));
        Ok(())
    }

    /// The most that is granted in any span of a window.
    fn most_in_a_window<L: Law>(allowance: Allowance, steps: &[i64]) -> usize {
        let mut law = L::default();
        let mut now = 1_767_225_600_000_000;
        let mut granted: Vec<i64> = Vec::new();
        for step in steps {
            now += step;
            if take(&mut law, allowance, now) {
                granted.push(now);
            }
        }
        let in_span =
            |(n, begin): (usize, &i64)| granted[n..].iter().take_while(|at| **at < begin + allowance.window_us).count();
        granted.iter().enumerate().map(in_span).max().unwrap_or_default()
    }

    /// Steps between requests, in whole milliseconds.
    fn steps() -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec((0_i64..1_500).prop_map(|ms| ms * 1000), 0..120)
    }

    proptest! {
        #[test]
        fn every_law_says_how_long_to_wait(units in 1_u64..7, window_ms in 1_000_i64..4_000, steps in steps()) {
            let allowance = allowance(units, window_ms, units);
            check_law::<Fixed>(allowance, &steps)?;
            check_law::<Fixed>(Allowance { is_aligned: true, ..allowance }, &steps)?;
            check_law::<Log>(allowance, &steps)?;
            check_law::<Counter>(allowance, &steps)?;
            check_law::<Meter>(allowance, &steps)?;
        }

        #[test]
        fn no_window_holds_more_than_the_law_promises(
            units in 1_u64..7, burst in 1_u64..9, window_ms in 1_000_i64..4_000, steps in steps(),
        ) {
            let allowance = allowance(units, window_ms, burst);
            let (units, burst) = (usize::try_from(units).unwrap(), usize::try_from(burst).unwrap());
            prop_assert!(most_in_a_window::<Log>(allowance, &steps) <= units);
            // Two fixed windows may touch a span.
            prop_assert!(most_in_a_window::<Fixed>(allowance, &steps) <= 2 * units);
            prop_assert!(most_in_a_window::<Counter>(allowance, &steps) <= 2 * units);
            // What was saved up, and what comes back in the meantime.
            prop_assert!(most_in_a_window::<Meter>(allowance, &steps) <= burst + units);
        }

        #[test]
        fn whatever_is_allowed_what_was_used_counts(
            steps in prop::collection::vec((0_i64..1_500, 1_u64..6, any::<bool>()), 0..120),
        ) {
            let mut log = Log::default();
            let mut now = 0;
            let mut granted: Vec<i64> = Vec::new();
            for (step, units, is_wanted) in steps {
                now += step * 1000;
                let allowance = allowance(units, 5_000, units);
                let counting = granted.iter().filter(|at| **at + 5_000_000 > now).count() as u64;
                prop_assert_eq!(log.left(allowance, now), units.saturating_sub(counting));
                if is_wanted && take(&mut log, allowance, now) {
                    granted.push(now);
                }
            }
        }

        #[test]
        fn who_is_refused_and_extends_waits_a_whole_window(units in 1_u64..5, after_ms in 1_i64..3_999) {
            fn check<L: Law>(allowance: Allowance, after_us: i64) -> Result<(), TestCaseError> {
                let mut law = L::default();
                for _ in 0..allowance.units {
                    law.charge(allowance, 1, 0);
                }
                law.extend(allowance, after_us);
                prop_assert_eq!(law.left(allowance, after_us), 0);
                let wait = law.wait(allowance, allowance.units, after_us);
                prop_assert!(wait >= allowance.window_us, "{} us", wait);
                Ok(())
            }
            let allowance = allowance(units, 4_000, units);
            check::<Fixed>(allowance, after_ms * 1000)?;
            check::<Log>(allowance, after_ms * 1000)?;
            check::<Meter>(allowance, after_ms * 1000)?;
        }
    }
}
