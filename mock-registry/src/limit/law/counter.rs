//! The sliding counter: windows of the clock, of which the one before counts by the share of it that still lies in a window
//! that ends now. Two numbers for each key, and the answer of a sliding log to within a share of the window before.

use serde::{Deserialize, Serialize};

use super::{Allowance, Law};

/// What was used in this window of the clock, and in the one before.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counter {
    /// The number of this window since 1970.
    period: i64,
    current: u64,
    previous: u64,
}

impl Counter {
    /// Goes on to the window of `now`, and returns how much of it has passed.
    fn roll(&mut self, allowance: Allowance, now: i64) -> i64 {
        let period = now.div_euclid(allowance.window_us);
        if period != self.period {
            let previous = if period == self.period + 1 { self.current } else { 0 };
            *self = Self { period, current: 0, previous };
        }
        now.rem_euclid(allowance.window_us)
    }

    /// Units that are free when `elapsed` of the window has passed, in units of a window's length.
    fn free(&self, allowance: Allowance, elapsed: i64) -> i128 {
        let window = i128::from(allowance.window_us);
        let of_before = i128::from(self.previous) * (window - i128::from(elapsed));
        (i128::from(allowance.units) - i128::from(self.current)) * window - of_before
    }
}

/// When `free` units are left beside what is left of `before`, in a window as long as `window`; the end of the window if at
/// no time before.
fn elapsed_until(before: u64, free: u64, window: i64) -> i64 {
    if before == 0 {
        return 0;
    }
    let share = i128::from(free) * i128::from(window) / i128::from(before);
    window - i64::try_from(share).unwrap_or(i64::MAX).min(window)
}

impl Law for Counter {
    fn left(&mut self, allowance: Allowance, now: i64) -> u64 {
        let elapsed = self.roll(allowance, now);
        let free = self.free(allowance, elapsed) / i128::from(allowance.window_us);
        u64::try_from(free).unwrap_or_default()
    }

    fn charge(&mut self, allowance: Allowance, cost: u64, now: i64) {
        self.roll(allowance, now);
        self.current = self.current.saturating_add(cost);
    }

    fn give_back(&mut self, allowance: Allowance, cost: u64, now: i64) {
        self.roll(allowance, now);
        self.current = self.current.saturating_sub(cost);
    }

    fn wait(&mut self, allowance: Allowance, cost: u64, now: i64) -> i64 {
        if self.left(allowance, now) >= cost {
            return 0;
        }
        let begin = now - now.rem_euclid(allowance.window_us);
        let window = allowance.window_us;
        let until = match allowance.units.checked_sub(self.current.saturating_add(cost)) {
            Some(free) => begin + elapsed_until(self.previous, free, window),
            None => begin + window + elapsed_until(self.current, allowance.units.saturating_sub(cost), window),
        };
        (until - now).max(1)
    }

    fn extend(&mut self, allowance: Allowance, now: i64) {
        let left = self.left(allowance, now);
        self.current = allowance.units.saturating_sub(left).max(self.current);
        self.previous = 0;
    }

    fn is_idle(&mut self, allowance: Allowance, now: i64) -> bool {
        self.roll(allowance, now);
        self.current == 0 && self.previous == 0
    }

    fn rescale(&mut self, from: Allowance, to: Allowance, now: i64) {
        let used = from.units.saturating_sub(self.left(from, now)).max(self.current);
        *self = Self { period: now.div_euclid(to.window_us), current: used, previous: 0 };
    }
}
