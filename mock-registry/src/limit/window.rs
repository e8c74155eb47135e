//! The sliding log: a window of pulls that moves with the clock, as a pure law.
//!
//! A pull made at `t` counts until `t + window`, that instant excluded. So no span as long as the window ever holds more
//! pulls than the limit, and remaining pulls come back one by one, as users of Docker Hub see it. A refused pull leaves no
//! trace.
//!
//! Source: facts/registry A6: "six hour rolling window"; the algorithm behind it is not public, the sliding log is our
//! default.

use std::{collections::VecDeque, time::Duration};

use oci::PullLimit;
use testbed::clock::Timestamp;

/// The pulls of one key that may still count, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Instants and how many pulls were made at each: on a virtual clock many share one.
    log: VecDeque<(Timestamp, u32)>,
    n_pulls: u32,
}

impl Window {
    /// Pulls left at `now`, without using any.
    pub(crate) fn remaining(&mut self, limit: PullLimit, now: Timestamp) -> u32 {
        self.forget(limit.window(), now);
        limit.pulls().get().saturating_sub(self.n_pulls)
    }

    /// Uses one pull at `now` and returns how many are left, or `None` if none was left.
    pub(crate) fn take(&mut self, limit: PullLimit, now: Timestamp) -> Option<u32> {
        let remaining = self.remaining(limit, now).checked_sub(1)?;
        match self.log.back_mut() {
            Some((at, n)) if *at == now => *n += 1,
            _ => self.log.push_back((now, 1)),
        }
        self.n_pulls += 1;
        Some(remaining)
    }

    /// Whether no pull counts any more at `now`.
    pub(crate) fn is_idle(&mut self, window: Duration, now: Timestamp) -> bool {
        self.forget(window, now);
        self.log.is_empty()
    }

    fn forget(&mut self, window: Duration, now: Timestamp) {
        while let Some((at, n)) = self.log.front() {
            // Every clock of ours is monotonic, so the front is the oldest.
            let age = Duration::try_from(now.duration_since(*at)).unwrap_or_default();
            if age < window {
                break;
            }
            self.n_pulls -= n;
            self.log.pop_front();
        }
    }
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
