//! The fixed window: it begins with the first request of its key, or with the clock's minute or hour, and at its end
//! everything is back at once.

use serde::{Deserialize, Serialize};

use super::{Allowance, Law};

/// One window and what was used in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fixed {
    begin: i64,
    used: u64,
}

impl Fixed {
    /// Begins a window if the last one is over.
    fn roll(&mut self, allowance: Allowance, now: i64) {
        let is_over = now.saturating_sub(self.begin) >= allowance.window_us;
        if is_over || self.used == 0 {
            *self = Self { begin: begin_of_window(allowance, now), used: 0 };
        }
    }
}

fn begin_of_window(allowance: Allowance, now: i64) -> i64 {
    if allowance.is_aligned { now - now.rem_euclid(allowance.window_us) } else { now }
}

impl Law for Fixed {
    fn left(&mut self, allowance: Allowance, now: i64) -> u64 {
        self.roll(allowance, now);
        allowance.units.saturating_sub(self.used)
    }

    fn charge(&mut self, allowance: Allowance, cost: u64, now: i64) {
        self.roll(allowance, now);
        self.used = self.used.saturating_add(cost);
    }

    fn give_back(&mut self, allowance: Allowance, cost: u64, now: i64) {
        self.roll(allowance, now);
        self.used = self.used.saturating_sub(cost);
    }

    fn wait(&mut self, allowance: Allowance, cost: u64, now: i64) -> i64 {
        if self.left(allowance, now) >= cost { 0 } else { self.begin.saturating_add(allowance.window_us) - now }
    }

    fn extend(&mut self, allowance: Allowance, now: i64) {
        self.roll(allowance, now);
        self.begin = now;
    }
}
