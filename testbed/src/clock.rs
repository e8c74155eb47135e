//! Policy time: token expiry, pull windows, `Retry-After`, back-off, `Date`.
//!
//! Wire time (latency, deadlines, measured durations) is real and does not come from here.
//!
//! A *virtual* clock starts at a fixed instant and moves by [`Clock::advance`], and by itself when every
//! [`Participant`] is asleep on it: then it jumps to the earliest deadline, so that a wait of six hours costs nothing.
//! A *system* clock is the machine's plus an offset that only `advance` moves; it is for worlds in which a client takes
//! part that has its own clock. It can be frozen: then it stands, and only `advance` moves it, until it is thawed and goes on
//! from where it stands. Why not `tokio::time::pause`: it moves while a peer outside the runtime still works.

mod date;
mod status;
mod turns;

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use jiff::SignedDuration;
pub use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

pub use self::{
    date::{DateHeader, http_date},
    status::{ClockError, ClockMode, ClockState, ClockStatus},
    turns::{Turn, Turns},
};

/// A handle to a world's clock. Clones share the clock.
#[derive(Clone)]
pub struct Clock(Arc<Shared>);

struct Shared {
    // A std mutex: every critical section is a few map operations and none of them awaits.
    state: Mutex<State>,
    observer: Mutex<Option<Observer>>,
    /// Counts the moves, for sleepers on a system clock.
    moves: watch::Sender<u64>,
}

type Observer = Arc<dyn Fn(ClockMove) + Send + Sync>;

struct State {
    time: Time,
    /// Participants that are neither asleep nor waiting for others.
    n_running: usize,
    sleepers: BTreeMap<(Timestamp, u64), Sleeper>,
    n_slept: u64,
    /// How many sleep on a system clock.
    n_asleep: usize,
}

enum Time {
    Virtual {
        start: Timestamp,
        now: Timestamp,
        /// Whether it moves when everyone sleeps.
        moves_alone: bool,
    },
    /// The machine's time and so much; less than nothing after it was frozen.
    System { offset: SignedDuration },
    /// A system clock that stands.
    Frozen(Timestamp),
}

struct Sleeper {
    wake: oneshot::Sender<()>,
    is_participant: bool,
}

/// One move of a clock, as the journal tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockMove {
    /// How far forward, in milliseconds; 0 if it moved back, or not at all.
    pub by_ms: u64,
    /// Where the clock stands after the move.
    pub to: Timestamp,
    /// What moved it.
    pub cause: MoveCause,
}

/// What moves a clock, or stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MoveCause {
    /// A step or a control call asked for it.
    Advance,
    /// Every participant was asleep.
    EveryoneAsleep,
    /// It was set to an instant.
    Set,
    /// It stands from here on.
    Freeze,
    /// It goes on from here.
    Thaw,
    /// It is back where it started: at its start, or at the machine's time.
    Reset,
    /// It is where it was when a snapshot was taken.
    Restore,
}

impl Clock {
    /// The instant at which virtual clocks start unless told otherwise: 2026-01-01T00:00:00Z.
    pub const DEFAULT_START: Timestamp = Timestamp::constant(1_767_225_600, 0);

    /// A virtual clock that starts at `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self::with(Time::Virtual { start, now: start, moves_alone: true })
    }

    /// The machine's clock, with an offset that [`Clock::advance`] moves.
    pub fn system() -> Self {
        Self::with(Time::System { offset: SignedDuration::ZERO })
    }

    fn with(time: Time) -> Self {
        let state = State { time, n_running: 0, sleepers: BTreeMap::new(), n_slept: 0, n_asleep: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), observer: Mutex::new(None), moves: watch::Sender::new(0) }))
    }

    /// The present instant of policy time.
    pub fn now(&self) -> Timestamp {
        self.state().time.now()
    }

    /// Whether this clock is virtual.
    pub fn is_virtual(&self) -> bool {
        matches!(self.state().time, Time::Virtual { .. })
    }

    /// Moves the clock forward and wakes everyone whose deadline has passed.
    pub fn advance(&self, by: Duration) {
        let moved = self.state().move_by(by, MoveCause::Advance);
        self.tell(moved);
    }

    /// Moves the clock forward to `to`.
    ///
    /// # Errors
    /// The clock is past it.
    pub fn set(&self, to: Timestamp) -> Result<(), ClockError> {
        let moved = {
            let mut state = self.state();
            let now = state.time.now();
            let by = Duration::try_from(to.duration_since(now)).map_err(|_| ClockError::Backwards { now, to })?;
            state.move_by(by, MoveCause::Set)
        };
        self.tell(moved);
        Ok(())
    }

    /// Lets a system clock stand, or go on from where it stands. What it does already is no error, and no move.
    ///
    /// # Errors
    /// The clock is virtual: it stands anyway.
    pub fn freeze(&self, stands: bool) -> Result<(), ClockError> {
        let moved = {
            let mut state = self.state();
            let now = state.time.now();
            match (&state.time, stands) {
                (Time::Virtual { .. }, _) => return Err(ClockError::Stands),
                (Time::System { .. }, true) => state.go_on_with(Time::Frozen(now), MoveCause::Freeze),
                (Time::Frozen(_), false) => state.go_on_with(Time::system_at(now), MoveCause::Thaw),
                (Time::System { .. }, false) | (Time::Frozen(_), true) => return Ok(()),
            }
        };
        self.tell(moved);
        Ok(())
    }

    /// Whether a virtual clock moves by itself when every participant is asleep. Switched on, it may move at once.
    ///
    /// # Errors
    /// The clock is the machine's: that never moves by itself.
    pub fn set_auto_advance(&self, moves: bool) -> Result<(), ClockError> {
        match &mut self.state().time {
            Time::Virtual { moves_alone, .. } => *moves_alone = moves,
            Time::System { .. } | Time::Frozen(_) => return Err(ClockError::NeverAlone),
        }
        self.move_if_everyone_sleeps();
        Ok(())
    }

    /// How it stands.
    pub fn status(&self) -> ClockStatus {
        let state = self.state();
        let now = state.time.now();
        let (mode, auto_advance, offset) = match &state.time {
            Time::Virtual { start, moves_alone, .. } => (ClockMode::Virtual, *moves_alone, now.duration_since(*start)),
            Time::System { offset } => (ClockMode::System, false, *offset),
            Time::Frozen(_) => (ClockMode::Frozen, false, now.duration_since(machine_time())),
        };
        ClockStatus { now, mode, offset, auto_advance, waiting: state.sleepers.len() + state.n_asleep }
    }

    /// Back to where it started: a virtual clock to its start, any other to the machine's time, which it follows again. The
    /// only moves back are this and [`restore`](Clock::restore); those who sleep go on sleeping.
    pub fn reset(&self) {
        let moved = {
            let mut state = self.state();
            let time = match &state.time {
                Time::Virtual { start, .. } => Time::Virtual { start: *start, now: *start, moves_alone: true },
                Time::System { .. } | Time::Frozen(_) => Time::System { offset: SignedDuration::ZERO },
            };
            state.go_on_with(time, MoveCause::Reset)
        };
        self.tell(moved);
    }

    /// Back, or forward, to `kept`: it goes on from the instant that it showed then.
    ///
    /// # Errors
    /// That was a virtual clock and this is the machine's, or the other way round.
    pub fn restore(&self, kept: ClockState) -> Result<(), ClockError> {
        let moved = {
            let mut state = self.state();
            let time = kept.onto(&state.time)?;
            state.go_on_with(time, MoveCause::Restore)
        };
        self.tell(moved);
        self.move_if_everyone_sleeps();
        Ok(())
    }

    /// Sleeps in the background: woken by moves of the clock, and never the cause of one.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_as(duration, false).await;
    }

    /// Joins as a participant, awake: a virtual clock moves by itself only while every participant sleeps.
    pub fn enter(&self) -> Participant {
        self.state().n_running += 1;
        Participant { clock: self.clone() }
    }

    /// Calls `observer` after each move. One observer: the world's journal.
    pub(crate) fn observe(&self, observer: Observer) {
        *self.0.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(observer);
    }

    async fn sleep_as(&self, duration: Duration, is_participant: bool) {
        if duration.is_zero() {
            return;
        }
        if self.is_virtual() {
            self.sleep_virtually(duration, is_participant).await;
        } else {
            self.sleep_really(duration).await;
        }
    }

    async fn sleep_virtually(&self, duration: Duration, is_participant: bool) {
        let (wake, woken) = oneshot::channel();
        let key = {
            let mut state = self.state();
            let deadline = after(state.time.now(), duration);
            state.n_slept += 1;
            let key = (deadline, state.n_slept);
            state.sleepers.insert(key, Sleeper { wake, is_participant });
            if is_participant {
                state.n_running -= 1;
            }
            key
        };
        let _bed = Bed { clock: self, key, is_participant };
        self.move_if_everyone_sleeps();
        // The sender is dropped only with the clock, which `self` keeps alive, or by waking.
        let _ = woken.await;
    }

    async fn sleep_really(&self, duration: Duration) {
        struct Up<'a>(&'a Clock);
        impl Drop for Up<'_> {
            fn drop(&mut self) {
                self.0.state().n_asleep -= 1;
            }
        }

        let mut moves = self.0.moves.subscribe();
        let deadline = after(self.now(), duration);
        self.state().n_asleep += 1;
        let _up = Up(self);
        loop {
            let (now, is_frozen) = {
                let state = self.state();
                (state.time.now(), matches!(state.time, Time::Frozen(_)))
            };
            let remaining = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
            if remaining.is_zero() {
                return;
            }
            // Either the time has passed, or a move has changed what is left of it: look again in both cases.
            tokio::select! {
                () = tokio::time::sleep(remaining), if !is_frozen => {}
                changed = moves.changed() => if changed.is_err() { return },
            }
        }
    }

    fn move_if_everyone_sleeps(&self) {
        let moved = {
            let mut state = self.state();
            if state.n_running > 0 {
                return;
            }
            let Time::Virtual { now, moves_alone: true, .. } = state.time else { return };
            let next = state.sleepers.iter().find(|(_, sleeper)| sleeper.is_participant);
            let Some((&(deadline, _), _)) = next else { return };
            let by = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
            state.move_by(by, MoveCause::EveryoneAsleep)
        };
        self.tell(moved);
    }

    /// Tells the observer, and only then wakes the sleepers: a move stands before everything that it lets happen.
    fn tell(&self, Moved { step, woken }: Moved) {
        let observer = self.0.observer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(observer) = observer {
            observer(step);
        }
        for wake in woken {
            // A sleeper that was dropped at this moment has nobody to wake.
            let _ = wake.send(());
        }
        self.0.moves.send_modify(|n| *n += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No critical section can be left half done, so a panic elsewhere does not spoil the state.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

impl Time {
    /// A clock of the machine that shows `now` at this moment.
    fn system_at(now: Timestamp) -> Self {
        Self::System { offset: now.duration_since(machine_time()) }
    }

    fn now(&self) -> Timestamp {
        match self {
            Self::Virtual { now, .. } | Self::Frozen(now) => *now,
            Self::System { offset } => {
                let end = if offset.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
                machine_time().checked_add(*offset).unwrap_or(end)
            }
        }
    }

    fn move_by(&mut self, by: Duration) {
        match self {
            Self::Virtual { now, .. } | Self::Frozen(now) => *now = after(*now, by),
            Self::System { offset } => {
                *offset = offset.saturating_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX));
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where policy time is the machine's")]
fn machine_time() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl State {
    /// Moves by `by`, and takes out who is due.
    fn move_by(&mut self, by: Duration, cause: MoveCause) -> Moved {
        self.time.move_by(by);
        let now = self.time.now();
        self.arrive(now, by, cause)
    }

    /// Puts `time` in the place of the time so far, and takes out who is due.
    fn go_on_with(&mut self, time: Time, cause: MoveCause) -> Moved {
        let before = self.time.now();
        self.time = time;
        let now = self.time.now();
        let by = match cause {
            MoveCause::Freeze | MoveCause::Thaw => Duration::ZERO,
            _ => Duration::try_from(now.duration_since(before)).unwrap_or_default(),
        };
        self.arrive(now, by, cause)
    }

    /// Takes out who is due at `to`. A due participant counts as running from here on, not from when its task is scheduled:
    /// otherwise a second move could slip in between.
    fn arrive(&mut self, to: Timestamp, by: Duration, cause: MoveCause) -> Moved {
        let mut woken = Vec::new();
        while let Some(entry) = self.sleepers.first_entry() {
            if entry.key().0 > to {
                break;
            }
            let sleeper = entry.remove();
            if sleeper.is_participant {
                self.n_running += 1;
            }
            woken.push(sleeper.wake);
        }
        let step = ClockMove { by_ms: u64::try_from(by.as_millis()).unwrap_or(u64::MAX), to, cause };
        Moved { step, woken }
    }
}

/// A move, and the sleepers that it wakes.
struct Moved {
    step: ClockMove,
    woken: Vec<oneshot::Sender<()>>,
}

/// Takes a cancelled sleeper out of its bed.
struct Bed<'a> {
    clock: &'a Clock,
    key: (Timestamp, u64),
    is_participant: bool,
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        if state.sleepers.remove(&self.key).is_some() && self.is_participant {
            state.n_running += 1;
        }
    }
}

/// Someone whose work the clock waits for. Dropping it leaves the clock.
///
/// One participant is one line of work: give each concurrent task its own.
#[derive(Debug)]
pub struct Participant {
    clock: Clock,
}

impl Participant {
    /// The clock that this takes part in.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sleeps for `duration` of policy time.
    pub async fn sleep(&self, duration: Duration) {
        self.clock.sleep_as(duration, true).await;
    }

    /// Waits for `work` that other participants do; meanwhile this one does not keep the clock from moving.
    pub async fn wait_for<F: Future>(&self, work: F) -> F::Output {
        struct Back<'a>(&'a Clock);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.state().n_running += 1;
            }
        }

        self.clock.state().n_running -= 1;
        let _back = Back(&self.clock);
        self.clock.move_if_everyone_sleeps();
        work.await
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.clock.state().n_running -= 1;
        self.clock.move_if_everyone_sleeps();
    }
}

/// The instant `by` after `at`; the end of time if there is none.
pub fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn clock() -> Clock {
        Clock::starting_at(Clock::DEFAULT_START)
    }

    fn elapsed(clock: &Clock) -> Duration {
        Duration::try_from(clock.now().duration_since(Clock::DEFAULT_START)).unwrap()
    }

    #[tokio::test]
    async fn a_lone_sleeper_moves_the_clock_to_its_deadline() {
        let clock = clock();
        clock.enter().sleep(6 * HOUR).await;
        assert_eq!(elapsed(&clock), 6 * HOUR);
    }

    #[tokio::test]
    async fn the_clock_stands_while_a_participant_works() {
        let clock = clock();
        let worker = clock.enter();
        let sleeper = tokio::spawn({
            let participant = clock.enter();
            async move { participant.sleep(HOUR).await }
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(elapsed(&clock), Duration::ZERO);
        drop(worker);
        sleeper.await.unwrap();
        assert_eq!(elapsed(&clock), HOUR);
    }

    #[tokio::test]
    async fn sleepers_wake_in_the_order_of_their_deadlines() {
        let clock = clock();
        let parent = clock.enter();
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = [3, 1, 2]
            .map(|hours| {
                let (participant, order) = (clock.enter(), order.clone());
                tokio::spawn(async move {
                    participant.sleep(hours * HOUR).await;
                    order.lock().unwrap().push(hours);
                })
            })
            .into();
        parent
            .wait_for(async {
                for task in tasks {
                    task.await.unwrap();
                }
            })
            .await;
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
        assert_eq!(elapsed(&clock), 3 * HOUR);
    }

    #[tokio::test]
    async fn a_cancelled_sleeper_leaves_no_trace() {
        let clock = clock();
        let participant = clock.enter();
        let other = clock.enter();
        tokio::select! {
            biased;
            () = participant.sleep(HOUR) => panic!("the other participant is awake"),
            () = tokio::task::yield_now() => {}
        }
        drop(other);
        assert_eq!(elapsed(&clock), Duration::ZERO);
        participant.sleep(2 * HOUR).await;
        assert_eq!(elapsed(&clock), 2 * HOUR);
    }

    #[tokio::test]
    async fn a_background_sleeper_is_woken_by_an_advance_and_moves_nothing() {
        let clock = clock();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(HOUR).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(elapsed(&clock), Duration::ZERO);
        clock.advance(HOUR);
        sleeper.await.unwrap();
    }

    #[tokio::test]
    async fn an_advance_ends_a_sleep_on_the_system_clock() {
        let clock = Clock::system();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.enter().sleep(HOUR).await }
        });
        tokio::task::yield_now().await;
        clock.advance(2 * HOUR);
        sleeper.await.unwrap();
    }

    #[test]
    fn a_frozen_clock_stands_and_goes_on_from_where_it_stands() {
        let clock = Clock::system();
        clock.freeze(true).unwrap();
        let frozen_at = clock.now();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(clock.now(), frozen_at);
        clock.advance(HOUR);
        assert_eq!((clock.now(), clock.status().mode), (after(frozen_at, HOUR), ClockMode::Frozen));
        clock.freeze(false).unwrap();
        let status = clock.status();
        assert!(status.now >= after(frozen_at, HOUR), "{status:?}");
        // It stood for a while, so it is behind an hour.
        assert!(status.mode == ClockMode::System && status.offset < SignedDuration::from_hours(1), "{status:?}");
        clock.reset();
        assert_eq!(clock.status().offset, SignedDuration::ZERO);
    }

    #[tokio::test]
    async fn who_sleeps_on_a_frozen_clock_wakes_by_a_move_only() {
        let clock = Clock::system();
        clock.freeze(true).unwrap();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_millis(1)).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!sleeper.is_finished());
        assert_eq!(clock.status().waiting, 1);
        clock.advance(Duration::from_millis(1));
        sleeper.await.unwrap();
        assert_eq!(clock.status().waiting, 0);
    }

    #[tokio::test]
    async fn a_virtual_clock_that_may_not_move_alone_waits_until_it_may() {
        let clock = clock();
        clock.set_auto_advance(false).unwrap();
        let sleeper = tokio::spawn({
            let participant = clock.enter();
            async move { participant.sleep(HOUR).await }
        });
        tokio::task::yield_now().await;
        assert_eq!((elapsed(&clock), clock.status().waiting), (Duration::ZERO, 1));
        clock.set_auto_advance(true).unwrap();
        sleeper.await.unwrap();
        assert_eq!(elapsed(&clock), HOUR);
    }

    #[test]
    fn a_clock_is_set_forward_only() {
        let clock = clock();
        clock.set(after(Clock::DEFAULT_START, HOUR)).unwrap();
        let now = clock.now();
        let error = clock.set(Clock::DEFAULT_START).unwrap_err();
        assert_eq!(error, ClockError::Backwards { now, to: Clock::DEFAULT_START });
        assert_eq!(clock.now(), now);
        assert_eq!(clock.freeze(true), Err(ClockError::Stands));
        assert_eq!(Clock::system().set_auto_advance(true), Err(ClockError::NeverAlone));
    }

    #[test]
    fn what_is_restored_goes_on_from_where_it_was() {
        let clock = clock();
        clock.advance(HOUR);
        let kept = ClockState::from(&clock.status());
        clock.advance(HOUR);
        clock.set_auto_advance(false).unwrap();
        clock.restore(kept).unwrap();
        assert_eq!((elapsed(&clock), clock.status().auto_advance), (HOUR, true));
        assert_eq!(Clock::system().restore(kept), Err(ClockError::OtherKind));

        let clock = Clock::system();
        clock.freeze(true).unwrap();
        let kept = ClockState::from(&clock.status());
        clock.freeze(false).unwrap();
        clock.advance(HOUR);
        clock.restore(kept).unwrap();
        assert_eq!((clock.now(), clock.status().mode), (kept.now, ClockMode::Frozen));
    }
}
