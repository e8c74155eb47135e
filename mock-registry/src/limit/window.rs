//! The sliding log: a window of pulls that moves with the clock, as a pure law.
//!
//! A pull made at `t` counts until `t + window`, that instant excluded. So no span as long as the window ever holds more
//! pulls than the limit, and remaining pulls come back one by one, as users of Docker Hub see it. A refused pull leaves no
//! trace.
//!
//! The limit may change at any time, and pulls that were made still count: under a longer window also those that did not
//! count any more under the one before, as long as they are remembered.
//!
//! Source: facts/registry A6: "six hour rolling window"; the algorithm behind it is not public, the sliding log is our
//! default.

use std::{collections::VecDeque, time::Duration};

use oci::PullLimit;
use testbed::clock::Timestamp;

/// How long a pull is remembered that does not count any more: a longer window may be put in force.
const MEMORY: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// How many instants are remembered beyond those that count.
const MAX_REMEMBERED: usize = 65_536;

/// The pulls of one key, oldest first: those that count under any window that may come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Instants at which pulls were made, and how many there were up to and with each: on a virtual clock many share one.
    log: VecDeque<(Timestamp, u64)>,
    /// How many pulls were made before the log begins.
    n_forgotten: u64,
}

impl Window {
    /// Pulls left at `now`, without using any. Costs a binary search.
    pub(crate) fn remaining(&self, limit: PullLimit, now: Timestamp) -> u32 {
        let n_counting = self.n_pulls() - self.n_pulls_before(self.first_counting(limit.window(), now));
        limit.pulls().get().saturating_sub(u32::try_from(n_counting).unwrap_or(u32::MAX))
    }

    /// Uses one pull at `now` and returns how many are left, or `None` if none was left.
    pub(crate) fn take(&mut self, limit: PullLimit, now: Timestamp) -> Option<u32> {
        let remaining = self.remaining(limit, now).checked_sub(1)?;
        self.forget(limit.window(), now);
        let n_pulls = self.n_pulls() + 1;
        match self.log.back_mut() {
            Some((at, n)) if *at == now => *n = n_pulls,
            _ => self.log.push_back((now, n_pulls)),
        }
        Some(remaining)
    }

    /// Whether no pull counts any more at `now`, were `window` in force.
    pub(crate) fn is_idle(&self, window: Duration, now: Timestamp) -> bool {
        self.log.back().is_none_or(|(at, _)| age(*at, now) >= window)
    }

    /// How many pulls were ever made.
    fn n_pulls(&self) -> u64 {
        self.log.back().map_or(self.n_forgotten, |(_, n)| *n)
    }

    /// How many pulls were made before entry `index` of the log.
    fn n_pulls_before(&self, index: usize) -> u64 {
        let before = index.checked_sub(1).and_then(|index| self.log.get(index));
        before.map_or(self.n_forgotten, |(_, n)| *n)
    }

    /// The first entry of the log that counts. Every clock of ours is monotonic, so all that follow count too.
    fn first_counting(&self, window: Duration, now: Timestamp) -> usize {
        // One subtraction, and then comparisons only; one of them where no pull is too old yet.
        let horizon = now.checked_sub(window).unwrap_or(Timestamp::MIN);
        match self.log.front() {
            Some((oldest, _)) if *oldest <= horizon => self.log.partition_point(|(at, _)| *at <= horizon),
            _ => 0,
        }
    }

    fn forget(&mut self, window: Duration, now: Timestamp) {
        while let Some((at, n)) = self.log.front() {
            let age = age(*at, now);
            if age < window || (age < MEMORY && self.log.len() <= MAX_REMEMBERED) {
                break;
            }
            self.n_forgotten = *n;
            self.log.pop_front();
        }
    }
}

fn age(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;
    use testbed::{Clock, clock::after};

    use super::*;

    fn limit(pulls: u32, seconds: u64) -> PullLimit {
        PullLimit::new(NonZeroU32::new(pulls).unwrap(), Duration::from_secs(seconds)).unwrap()
    }

    fn at(millis: u64) -> Timestamp {
        after(Clock::DEFAULT_START, Duration::from_millis(millis))
    }

    #[test]
    fn pulls_come_back_one_by_one() {
        let limit = limit(2, 10);
        let mut window = Window::default();
        assert_eq!(window.take(limit, at(0)), Some(1));
        assert_eq!(window.take(limit, at(4_000)), Some(0));
        assert_eq!(window.take(limit, at(9_999)), None);
        assert_eq!(window.remaining(limit, at(10_000)), 1);
        assert_eq!(window.take(limit, at(10_000)), Some(0));
        assert_eq!(window.take(limit, at(13_999)), None);
        assert_eq!(window.take(limit, at(14_000)), Some(0));
    }

    #[test]
    fn looking_uses_nothing() {
        let limit = limit(1, 10);
        let mut window = Window::default();
        for _ in 0..5 {
            assert_eq!(window.remaining(limit, at(0)), 1);
        }
        assert_eq!(window.take(limit, at(0)), Some(0));
        assert_eq!(window.remaining(limit, at(0)), 0);
    }

    #[test]
    fn a_lowered_limit_leaves_nothing_rather_than_less() {
        let mut window = Window::default();
        for _ in 0..3 {
            window.take(limit(3, 10), at(0));
        }
        assert_eq!(window.remaining(limit(2, 10), at(1)), 0);
        assert_eq!(window.take(limit(2, 10), at(1)), None);
    }

    #[test]
    fn what_counts_is_never_forgotten_and_the_rest_is_bounded() {
        let many = u32::try_from(MAX_REMEMBERED).unwrap() + 10;
        let mut window = Window::default();
        for n in 0..many {
            assert!(window.take(limit(many, 3600), at(u64::from(n))).is_some());
        }
        let end = at(u64::from(many));
        assert_eq!(window.remaining(limit(many, 3600), end), 0);
        assert_eq!(window.log.len(), many as usize);
        window.take(limit(many, 1), end);
        assert_eq!(window.log.len(), MAX_REMEMBERED + 1);
        let month_later = after(end, MEMORY);
        window.take(limit(many, 1), month_later);
        assert_eq!(window.log.len(), 1);
    }

    proptest! {
        #[test]
        fn no_span_of_the_window_holds_more_than_the_limit(
            pulls in 1_u32..6,
            seconds in 1_u64..4,
            steps in prop::collection::vec(0_u64..1_500, 0..200),
        ) {
            let limit = limit(pulls, seconds);
            let mut window = Window::default();
            let mut now = 0;
            let mut granted = Vec::new();
            for step in steps {
                now += step;
                if window.take(limit, at(now)).is_some() {
                    granted.push(now);
                }
            }
            for (n, start) in granted.iter().enumerate() {
                let in_span = granted[n..].iter().take_while(|at| **at < start + seconds * 1_000).count();
                prop_assert!(in_span <= pulls as usize, "{} pulls from {}", in_span, start);
            }
        }

        #[test]
        fn whatever_limit_is_in_force_the_pulls_that_were_made_count(
            steps in prop::collection::vec((0_u64..1_500, 1_u32..6, 1_u64..9, any::<bool>()), 0..200),
        ) {
            let mut window = Window::default();
            let mut now = 0;
            let mut granted: Vec<u64> = Vec::new();
            for (step, pulls, seconds, wanted) in steps {
                now += step;
                let limit = limit(pulls, seconds);
                let counting = granted.iter().filter(|made| **made + seconds * 1_000 > now).count();
                let left = (pulls as usize).saturating_sub(counting);
                prop_assert_eq!(window.remaining(limit, at(now)) as usize, left);
                prop_assert_eq!(window.is_idle(limit.window(), at(now)), counting == 0);
                if wanted {
                    let taken = window.take(limit, at(now)).map(|left| left as usize);
                    prop_assert_eq!(taken, left.checked_sub(1));
                    granted.extend(taken.map(|_| now));
                }
            }
        }

        #[test]
        fn a_pull_is_refused_only_when_the_window_is_full(
            pulls in 1_u32..6,
            steps in prop::collection::vec(0_u64..1_500, 0..200),
        ) {
            let limit = limit(pulls, 2);
            let mut window = Window::default();
            let mut now = 0;
            let mut granted: Vec<u64> = Vec::new();
            for step in steps {
                now += step;
                let counting = granted.iter().filter(|at| **at + 2_000 > now).count();
                let is_granted = window.take(limit, at(now)).is_some();
                prop_assert_eq!(is_granted, counting < pulls as usize);
                if is_granted {
                    granted.push(now);
                }
            }
        }
    }
}
