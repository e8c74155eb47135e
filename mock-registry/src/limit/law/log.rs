//! The sliding log: each request counts for as long as the window is, its first instant included and its last excluded. So no
//! span as long as the window ever holds more than is allowed, and what was used comes back one by one, as users of Docker
//! Hub see it.
//!
//! Source: facts/registry A6: "six hour rolling window".

use serde::{Deserialize, Serialize};

use super::{Allowance, Law};

const US_PER_MS: i64 = 1000;

/// The requests that count, oldest first. Made small, because there may be millions of them: eight bytes for each
/// millisecond in which there were any.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Log {
    /// What instants are told from, in milliseconds.
    base_ms: i64,
    /// Milliseconds after the base, and how many units were used then.
    entries: Vec<(u32, u32)>,
    /// How many entries at the begin do not count any more; they are taken out together.
    n_dead: u32,
    n_units: u64,
}

impl Log {
    /// Forgets what does not count any more at `now`, and what cannot matter: of more than is allowed, the oldest.
    fn forget(&mut self, allowance: Allowance, now: i64) {
        let horizon_ms = (now.saturating_sub(allowance.window_us)).div_euclid(US_PER_MS);
        while let Some((after_ms, units)) = self.entries.get(self.n_dead as usize).copied() {
            if self.base_ms + i64::from(after_ms) > horizon_ms {
                break;
            }
            self.n_units -= u64::from(units);
            self.n_dead += 1;
        }
        if self.n_dead as usize == self.entries.len() {
            self.entries.clear();
            self.n_dead = 0;
        } else if self.n_dead as usize > self.entries.len() / 2 {
            self.entries.drain(..self.n_dead as usize);
            self.n_dead = 0;
        }
    }

    fn push(&mut self, units: u32, now: i64) {
        let now_ms = now.div_euclid(US_PER_MS);
        if self.entries.is_empty() {
            self.base_ms = now_ms;
        }
        let after_ms = u32::try_from(now_ms - self.base_ms).unwrap_or_else(|_| self.move_base(now_ms));
        match self.entries.last_mut() {
            Some((at, n)) if *at == after_ms && n.checked_add(units).is_some() => *n += units,
            _ => {
                if self.entries.is_empty() {
                    // One is what most keys ever have.
                    self.entries.reserve_exact(1);
                }
                self.entries.push((after_ms, units));
            }
        }
        self.n_units += u64::from(units);
    }

    /// Tells instants from the oldest that counts: a window is shorter than the instants that can be told.
    fn move_base(&mut self, now_ms: i64) -> u32 {
        self.entries.drain(..self.n_dead as usize);
        self.n_dead = 0;
        let by = self.entries.first().map_or(0, |(after_ms, _)| *after_ms);
        self.base_ms += i64::from(by);
        self.entries.iter_mut().for_each(|(after_ms, _)| *after_ms -= by);
        u32::try_from(now_ms - self.base_ms).unwrap_or(u32::MAX)
    }
}

impl Law for Log {
    fn left(&mut self, allowance: Allowance, now: i64) -> u64 {
        self.forget(allowance, now);
        allowance.units.saturating_sub(self.n_units)
    }

    fn charge(&mut self, allowance: Allowance, mut cost: u64, now: i64) {
        self.forget(allowance, now);
        while cost > 0 {
            let part = u32::try_from(cost).unwrap_or(u32::MAX);
            self.push(part, now);
            cost -= u64::from(part);
        }
        // Refused requests may count too: of more than is allowed, the oldest decide nothing.
        while let Some((_, units)) = self.entries.get(self.n_dead as usize)
            && self.n_units - u64::from(*units) >= allowance.units
        {
            self.n_units -= u64::from(*units);
            self.n_dead += 1;
        }
    }

    fn give_back(&mut self, _allowance: Allowance, mut cost: u64, _now: i64) {
        while let Some((_, units)) = self.entries[self.n_dead as usize..].last_mut()
            && cost > 0
        {
            let part = u64::from(*units).min(cost);
            // A part of what fits into 32 bits.
            *units -= u32::try_from(part).unwrap_or(*units);
            self.n_units -= part;
            cost -= part;
            if *units == 0 {
                self.entries.pop();
            }
        }
    }

    fn wait(&mut self, allowance: Allowance, cost: u64, now: i64) -> i64 {
        let left = self.left(allowance, now);
        let mut missing = cost.min(allowance.units).saturating_sub(left);
        if missing == 0 {
            return 0;
        }
        // More may have been charged than is allowed.
        missing += self.n_units.saturating_sub(allowance.units);
        let mut until_ms = 0;
        for (after_ms, units) in &self.entries[self.n_dead as usize..] {
            until_ms = self.base_ms + i64::from(*after_ms);
            missing = missing.saturating_sub(u64::from(*units));
            if missing == 0 {
                break;
            }
        }
        // Instants are whole milliseconds here, so it may be a part of one later.
        let until = (until_ms * US_PER_MS).saturating_add(allowance.window_us);
        (until - now).max(1)
    }

    fn extend(&mut self, allowance: Allowance, now: i64) {
        self.forget(allowance, now);
        let n_units = self.n_units;
        *self = Self::default();
        self.charge(allowance, n_units, now);
    }

    fn is_idle(&mut self, allowance: Allowance, now: i64) -> bool {
        self.forget(allowance, now);
        self.n_units == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(units: u64, seconds: i64) -> Allowance {
        Allowance { units, window_us: seconds * 1_000_000, capacity: units, is_aligned: false }
    }

    #[test]
    fn pulls_come_back_one_by_one() {
        let two = allowance(2, 10);
        let mut log = Log::default();
        let mut take = |at_ms: i64| {
            let left = log.left(two, at_ms * 1000);
            if left > 0 {
                log.charge(two, 1, at_ms * 1000);
            }
            left.checked_sub(1)
        };
        assert_eq!(
            [0, 4_000, 9_999, 10_000, 13_999, 14_000].map(&mut take),
            [Some(1), Some(0), None, Some(0), None, Some(0)]
        );
    }

    #[test]
    fn what_is_refused_and_counts_takes_no_more_room_than_the_allowance() {
        let ten = allowance(10, 3600);
        let mut log = Log::default();
        for n in 0..10_000 {
            log.charge(ten, 1, n * 1_000_000);
        }
        assert!(log.entries.len() <= 21, "{} entries", log.entries.len());
        assert_eq!(log.wait(ten, 1, 9_999_000_000), 3_591_000_000);
    }

    #[test]
    fn a_key_that_lives_longer_than_can_be_told_from_one_instant_goes_on() {
        let day = allowance(3, 24 * 3600);
        let mut log = Log::default();
        for day_number in 0..200 {
            let now = day_number * 24 * 3600 * 500_000;
            assert!(log.left(day, now) > 0, "half day {day_number}");
            log.charge(day, 1, now);
        }
        assert_eq!(log.n_units, 2);
    }
}
