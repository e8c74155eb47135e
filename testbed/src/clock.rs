//! Policy time: token expiry, pull windows, `Retry-After`, back-off, `Date`.
//!
//! Wire time (latency, deadlines, measured durations) is real and does not come from here.
//!
//! A *virtual* clock starts at a fixed instant and moves by [`Clock::advance`], and by itself when every
//! [`Participant`] is asleep on it: then it jumps to the earliest deadline, so that a wait of six hours costs nothing.
//! A *system* clock is the machine's plus an offset that only `advance` moves; it is for worlds in which a client takes
//! part that has its own clock. Why not `tokio::time::pause`: it moves while a peer outside the runtime still works.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use http::HeaderValue;
pub use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{oneshot, watch};

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
}

enum Time {
    Virtual(Timestamp),
    System { offset: Duration },
}

struct Sleeper {
    wake: oneshot::Sender<()>,
    is_participant: bool,
}

/// One move of a clock, as the journal tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClockMove {
    /// How far, in milliseconds.
    pub by_ms: u64,
    /// Where the clock stands after the move.
    pub to: Timestamp,
    /// What moved it.
    pub cause: MoveCause,
}

/// What moves a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MoveCause {
    /// A step or a control call asked for it.
    Advance,
    /// Every participant was asleep.
    EveryoneAsleep,
}

impl Clock {
    /// The instant at which virtual clocks start unless told otherwise: 2026-01-01T00:00:00Z.
    pub const DEFAULT_START: Timestamp = Timestamp::constant(1_767_225_600, 0);

    /// A virtual clock that starts at `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self::with(Time::Virtual(start))
    }

    /// The machine's clock, with an offset that [`Clock::advance`] moves.
    pub fn system() -> Self {
        Self::with(Time::System { offset: Duration::ZERO })
    }

    fn with(time: Time) -> Self {
        let state = State { time, n_running: 0, sleepers: BTreeMap::new(), n_slept: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), observer: Mutex::new(None), moves: watch::Sender::new(0) }))
    }

    /// The present instant of policy time.
    pub fn now(&self) -> Timestamp {
        self.state().time.now()
    }

    /// Whether this clock is virtual.
    pub fn is_virtual(&self) -> bool {
        matches!(self.state().time, Time::Virtual(_))
    }

    /// Moves the clock forward and wakes everyone whose deadline has passed.
    pub fn advance(&self, by: Duration) {
        let moved = {
            let mut state = self.state();
            let to = after(state.time.now(), by);
            state.move_to(to, by, MoveCause::Advance)
        };
        self.tell(moved);
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
        let deadline = after(self.now(), duration);
        let mut moves = self.0.moves.subscribe();
        while let Ok(remaining) = Duration::try_from(deadline.duration_since(self.now())) {
            if remaining.is_zero() {
                return;
            }
            // Either the time has passed, or an advance has moved the deadline nearer: look again in both cases.
            tokio::select! {
                () = tokio::time::sleep(remaining) => {}
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
            let Time::Virtual(now) = state.time else { return };
            let next = state.sleepers.iter().find(|(_, sleeper)| sleeper.is_participant);
            let Some((&(deadline, _), _)) = next else { return };
            let by = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
            state.move_to(deadline, by, MoveCause::EveryoneAsleep)
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
    fn now(&self) -> Timestamp {
        match self {
            Self::Virtual(now) => *now,
            #[expect(clippy::disallowed_methods, reason = "the one place where policy time is the machine's")]
            Self::System { offset } => {
                let now = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH);
                after(now, *offset)
            }
        }
    }
}

impl State {
    /// Moves to `to`, and takes out who is due. A due participant counts as running from here on, not from when its task
    /// is scheduled: otherwise a second move could slip in between.
    fn move_to(&mut self, to: Timestamp, by: Duration, cause: MoveCause) -> Moved {
        match &mut self.time {
            Time::Virtual(now) => *now = to,
            Time::System { offset } => *offset = offset.saturating_add(by),
        }
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

/// The present instant as HTTP writes it, written anew only when its second is another one. For servers, which date every
/// answer.
#[derive(Debug, Default)]
pub struct DateHeader(Mutex<Option<(i64, HeaderValue)>>);

impl DateHeader {
    /// The `Date` of an answer that is given at `now`.
    pub fn at(&self, now: Timestamp) -> HeaderValue {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*written {
            Some((second, value)) if *second == now.as_second() => value.clone(),
            _ => {
                // A date is visible ASCII.
                let value = HeaderValue::try_from(http_date(now)).unwrap_or(HeaderValue::from_static(""));
                *written = Some((now.as_second(), value.clone()));
                value
            }
        }
    }
}

/// An instant as HTTP writes it: `Thu, 01 Jan 2026 00:00:00 GMT`.
pub fn http_date(at: Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&at)
        .unwrap_or_else(|_| String::from("Thu, 01 Jan 1970 00:00:00 GMT"))
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
    fn http_dates_are_rfc_9110() {
        assert_eq!(http_date(Clock::DEFAULT_START), "Thu, 01 Jan 2026 00:00:00 GMT");
    }
}
