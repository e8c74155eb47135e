//! When a delegate beats, and what the platform makes of that: connected, disconnected, forgotten.
//!
//! Source: facts/harness C (forgotten after 6 h, its group after 7 days). The platform counts a delegate as connected while
//! its last heartbeat is younger than five minutes; a delegate beats once a minute.

use std::time::Duration;

use testbed::{Timestamp, clock::after};

/// How often a delegate beats.
const BEAT: Duration = Duration::from_secs(60);
/// How old the last heartbeat of a connected delegate is at the most.
pub(crate) const CONNECTED_FOR: Duration = Duration::from_secs(5 * 60);
/// How old the last heartbeat of a delegate is when it is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(6 * 3600);
/// The same for the last heartbeat of a group.
pub(crate) const GROUP_FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// When a delegate began and ceased to beat. Pure: every question names the instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// From when on it beats or not, oldest first. The first is the beginning.
    turns: Vec<(Timestamp, bool)>,
}

/// What is known of a delegate at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pulse {
    /// Its last heartbeat.
    pub(crate) last_beat: Timestamp,
    /// Whether it is there, which the platform learns later.
    pub(crate) beats: bool,
    /// Whether the platform counts it as connected.
    pub(crate) is_connected: bool,
    /// Whether the platform has forgotten it.
    pub(crate) is_forgotten: bool,
    /// When any of this becomes different without a beat, if ever.
    pub(crate) until: Option<Timestamp>,
}

impl Life {
    /// A delegate that is registered at `start`. One that does not beat then has been silent for just too long to count as
    /// connected.
    pub(crate) fn new(start: Timestamp, beats: bool) -> Self {
        Self { turns: vec![(start, beats)] }
    }

    /// It beats from `at` on, or no longer.
    pub(crate) fn turn(&mut self, at: Timestamp, beats: bool) {
        let place = self.turns.partition_point(|(before, _)| *before <= at);
        self.turns.insert(place.max(1), (at, beats));
    }

    /// From `at` on it is this, whatever was to come.
    pub(crate) fn turn_for_good(&mut self, at: Timestamp, beats: bool) {
        self.turns.retain(|(before, _)| *before <= at);
        if self.turns.is_empty() {
            self.turns.push((at, beats));
        } else {
            self.turn(at, beats);
        }
    }

    /// When it was registered.
    pub(crate) fn start(&self) -> Timestamp {
        self.turns.first().map_or(Timestamp::MIN, |(at, _)| *at)
    }

    /// What is known of it at `now`.
    pub(crate) fn pulse(&self, now: Timestamp) -> Pulse {
        // A clock can be set back to before the beginning.
        let here = self.turns.partition_point(|(at, _)| *at <= now).max(1) - 1;
        let beats = self.turns.get(here).is_some_and(|(_, beats)| *beats);
        let last_beat = self.last_beat(here, now);
        let ends = after(last_beat, CONNECTED_FOR);
        let forgotten = after(last_beat, FORGOTTEN_AFTER);
        let next_turn = self.turns.get(here + 1).map(|(at, _)| *at);
        let expiry = [ends, forgotten].into_iter().find(|at| *at > now).filter(|_| !beats);
        Pulse {
            last_beat,
            beats,
            is_connected: now < ends,
            is_forgotten: now >= forgotten,
            until: [next_turn, expiry].into_iter().flatten().min(),
        }
    }

    /// The last heartbeat at `now`, which is in the turn with the number `here`.
    fn last_beat(&self, here: usize, now: Timestamp) -> Timestamp {
        let before = self.turns.get(..=here).unwrap_or_default();
        let Some(n) = before.iter().rposition(|(_, beats)| *beats) else {
            let start = self.turns.first().map_or(now, |(at, _)| *at);
            return start.checked_sub(CONNECTED_FOR).unwrap_or(Timestamp::MIN);
        };
        let from = self.turns[n].0;
        // What ended it, if it has ended: the first turn behind it.
        let to = before.get(n + 1).map_or(now, |(at, _)| *at).max(from);
        let beaten = Duration::try_from(to.duration_since(from)).unwrap_or_default();
        after(from, BEAT * u32::try_from(beaten.as_secs() / BEAT.as_secs()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use testbed::Clock;

    use super::*;

    fn at(minutes: u64) -> Timestamp {
        after(Clock::DEFAULT_START, Duration::from_secs(60 * minutes))
    }

    /// Silent from minute 10, back from minute 30.
    fn life() -> Life {
        let mut life = Life::new(at(0), true);
        life.turn(at(30), true);
        life.turn(at(10), false);
        life
    }

    #[test]
    fn a_silent_delegate_is_connected_for_five_minutes_more_and_then_forgotten() {
        let check = |life: &Life, minutes: u64, expect: (bool, bool, bool)| {
            let pulse = life.pulse(at(minutes));
            assert_eq!((pulse.beats, pulse.is_connected, pulse.is_forgotten), expect, "minute {minutes}");
        };
        let life = life();
        check(&life, 0, (true, true, false));
        check(&life, 9, (true, true, false));
        check(&life, 10, (false, true, false));
        check(&life, 14, (false, true, false));
        check(&life, 15, (false, false, false));
        check(&life, 30, (true, true, false));
        let never = Life::new(at(0), false);
        check(&never, 0, (false, false, false));
        check(&never, 354, (false, false, false));
        check(&never, 355, (false, false, true));
        assert_eq!(life.pulse(at(12)).last_beat, at(10));
        assert_eq!(life.pulse(at(12)).until, Some(at(15)));
        assert_eq!(life.pulse(at(16)).until, Some(at(30)));
    }

    #[test]
    fn what_happens_now_is_stronger_than_the_plan() {
        let mut life = life();
        life.turn_for_good(at(5), false);
        assert!(!life.pulse(at(60)).is_connected);
        assert_eq!(life.pulse(at(60)).last_beat, at(5));
    }

    proptest! {
        #[test]
        fn a_pulse_holds_until_it_says_and_nothing_beats_in_the_future(
            starts_beating: bool,
            turns in proptest::collection::vec((0u64..2000, any::<bool>()), 0..6),
            now in 0u64..3000,
            later in 0u64..3000,
        ) {
            let mut life = Life::new(at(0), starts_beating);
            turns.iter().for_each(|(minutes, beats)| life.turn(at(*minutes), *beats));
            let pulse = life.pulse(at(now));
            prop_assert!(pulse.last_beat <= at(now));
            prop_assert!(!pulse.beats || pulse.is_connected);
            prop_assert!(!(pulse.is_connected && pulse.is_forgotten));
            let then = life.pulse(at(later));
            if later >= now && pulse.until.is_none_or(|until| at(later) < until) {
                let told = |pulse: Pulse| (pulse.beats, pulse.is_connected, pulse.is_forgotten);
                prop_assert_eq!(told(pulse), told(then));
            }
        }
    }
}
