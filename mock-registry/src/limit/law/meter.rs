//! The meter, which is the token bucket and the generic cell rate algorithm at once: a debt that is paid off at the rate that
//! is allowed. A bucket that holds `n` lets a debt of `n` be made; GCRA with a burst of `n` one of `n + 1`. What differs is
//! only how people write it.
//!
//! Source: facts/registry B2 (ECR: 20/s refill, 200 burst), B3 (nginx `limit_req` with `burst` and `nodelay`).

use serde::{Deserialize, Serialize};

use super::{Allowance, Law};

/// What is owed, and when that was so. One unit is a window's length of debt, and each microsecond pays off as much as there
/// are units in a window: so nothing is ever rounded.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Meter {
    /// High and low half of the debt: a number of 128 bits would make each key larger by half.
    debt: [u64; 2],
    at: i64,
}

impl Meter {
    fn debt(&self) -> u128 {
        u128::from(self.debt[0]) << 64 | u128::from(self.debt[1])
    }

    #[expect(clippy::cast_possible_truncation, reason = "the number is cut into its two halves")]
    fn set_debt(&mut self, debt: u128) {
        self.debt = [(debt >> 64) as u64, debt as u64];
    }

    fn pay(&mut self, allowance: Allowance, now: i64) {
        let elapsed = u128::try_from(now.saturating_sub(self.at)).unwrap_or_default();
        self.set_debt(self.debt().saturating_sub(elapsed * u128::from(allowance.units)));
        self.at = now.max(self.at);
    }
}

fn window(allowance: Allowance) -> u128 {
    u128::try_from(allowance.window_us).unwrap_or(1)
}

fn most(allowance: Allowance) -> u128 {
    u128::from(allowance.capacity) * window(allowance)
}

impl Law for Meter {
    fn left(&mut self, allowance: Allowance, now: i64) -> u64 {
        self.pay(allowance, now);
        let left = most(allowance).saturating_sub(self.debt()) / window(allowance);
        u64::try_from(left).unwrap_or(u64::MAX)
    }

    fn charge(&mut self, allowance: Allowance, cost: u64, now: i64) {
        self.pay(allowance, now);
        self.set_debt(self.debt().saturating_add(u128::from(cost) * window(allowance)));
    }

    fn give_back(&mut self, allowance: Allowance, cost: u64, now: i64) {
        self.pay(allowance, now);
        self.set_debt(self.debt().saturating_sub(u128::from(cost) * window(allowance)));
    }

    fn wait(&mut self, allowance: Allowance, cost: u64, now: i64) -> i64 {
        self.pay(allowance, now);
        let wanted = u128::from(cost.min(allowance.capacity)) * window(allowance);
        let too_much = (self.debt() + wanted).saturating_sub(most(allowance));
        i64::try_from(too_much.div_ceil(u128::from(allowance.units))).unwrap_or(i64::MAX)
    }

    fn extend(&mut self, allowance: Allowance, now: i64) {
        self.pay(allowance, now);
        self.set_debt(most(allowance).max(self.debt()));
    }

    fn is_idle(&mut self, allowance: Allowance, now: i64) -> bool {
        self.pay(allowance, now);
        self.debt() == 0
    }

    fn rescale(&mut self, from: Allowance, to: Allowance, now: i64) {
        self.pay(from, now);
        self.set_debt(self.debt() / window(from) * window(to));
    }
}
