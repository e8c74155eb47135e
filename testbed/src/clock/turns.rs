//! Something that participants of a clock use one at a time.
//!
//! A lock of tokio's would do, if it were not for the clock: whoever waits for it must not keep the clock from moving, since
//! the one who has it may be asleep. But one who finds it free has not waited, and one to whom it is handed must be counted as
//! running from that moment on, not from when its task is scheduled: otherwise the clock moves in between.

use std::{
    collections::VecDeque,
    fmt, mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{Clock, Participant};

/// See the module. Clones share what is in it.
pub struct Turns<T: Default>(Arc<Mutex<State<T>>>);

struct State<T: Default> {
    /// There, unless it is somebody's turn.
    value: Option<T>,
    waiting: VecDeque<oneshot::Sender<(Turn<T>, Participant)>>,
}

/// The turn of one participant. Dropping it hands over to the one who has waited longest.
pub struct Turn<T: Default> {
    turns: Turns<T>,
    clock: Clock,
    value: T,
    is_over: bool,
}

impl<T: Default> Turns<T> {
    /// Waits for a turn. Whoever is cancelled while it waits is passed over.
    pub async fn take(&self, participant: &Participant) -> Turn<T> {
        loop {
            let turn = {
                let mut state = self.state();
                match state.value.take() {
                    Some(value) => return self.turn(participant.clock(), value),
                    None => {
                        let (sender, turn) = oneshot::channel();
                        state.waiting.push_back(sender);
                        turn
                    }
                }
            };
            // The second is the place on the clock that came with the turn: not needed any more once this one is back.
            if let Ok((turn, _place)) = participant.wait_for(turn).await {
                return turn;
            }
        }
    }

    fn turn(&self, clock: &Clock, value: T) -> Turn<T> {
        Turn { turns: self.clone(), clock: clock.clone(), value, is_over: false }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // No critical section can be left half done, so a panic elsewhere does not spoil the state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Drop for Turn<T> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut value = mem::take(&mut self.value);
        loop {
            let next = {
                let mut state = self.turns.state();
                match state.waiting.pop_front() {
                    Some(next) => next,
                    None => {
                        state.value = Some(value);
                        return;
                    }
                }
            };
            let turn = self.turns.turn(&self.clock, value);
            match next.send((turn, self.clock.enter())) {
                Ok(()) => return,
                // That one does not wait any more.
                Err((mut turn, _place)) => {
                    value = mem::take(&mut turn.value);
                    turn.is_over = true;
                }
            }
        }
    }
}

impl<T: Default> Default for Turns<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { value: Some(T::default()), waiting: VecDeque::new() })))
    }
}

impl<T: Default> Clone for Turns<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> fmt::Debug for Turns<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turns({} waiting)", self.state().waiting.len())
    }
}

impl<T: Default + fmt::Debug> fmt::Debug for Turn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn({:?})", self.value)
    }
}

impl<T: Default> Deref for Turn<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Default> DerefMut for Turn<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Someone who sleeps on `clock` for an hour, and is asleep by now.
    async fn sleeper(clock: &Clock) -> tokio::task::JoinHandle<()> {
        let (participant, before) = (clock.enter(), clock.status().waiting);
        let task = tokio::spawn(async move { participant.sleep(HOUR).await });
        while clock.status().waiting == before {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn who_finds_it_free_does_not_move_the_clock() {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let (turns, me) = (Turns::<u32>::default(), clock.enter());
        let other = sleeper(&clock).await;
        *turns.take(&me).await += 1;
        assert_eq!(clock.now(), Clock::DEFAULT_START);
        assert_eq!(*turns.take(&me).await, 1);
        drop(me);
        other.await.unwrap();
    }

    #[tokio::test]
    async fn the_clock_stands_until_the_next_one_is_back() {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let (turns, me) = (Turns::<u32>::default(), clock.enter());
        let turn = turns.take(&me).await;
        let next = tokio::spawn({
            let (turns, participant) = (turns.clone(), clock.enter());
            async move {
                let _turn = turns.take(&participant).await;
                participant.clock().now()
            }
        });
        while turns.state().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        // Everyone but the next one is asleep from here on, and its task has not run yet.
        drop(turn);
        me.sleep(HOUR).await;
        assert_eq!(next.await.unwrap(), Clock::DEFAULT_START);
    }

    #[tokio::test]
    async fn the_clock_moves_while_the_one_whose_turn_it_is_sleeps() {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let turns = Turns::<u32>::default();
        let work = |participant: Participant| {
            let turns = turns.clone();
            async move {
                let mut turn = turns.take(&participant).await;
                *turn += 1;
                participant.sleep(HOUR).await;
            }
        };
        tokio::join!(work(clock.enter()), work(clock.enter()), work(clock.enter()));
        assert_eq!(clock.now(), super::super::after(Clock::DEFAULT_START, 3 * HOUR));
        assert_eq!(*turns.take(&clock.enter()).await, 3);
    }

    #[tokio::test]
    async fn who_waits_no_more_is_passed_over() {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let (turns, me) = (Turns::<u32>::default(), clock.enter());
        let turn = turns.take(&me).await;
        let gone = tokio::spawn({
            let (turns, participant) = (turns.clone(), clock.enter());
            async move { drop(turns.take(&participant).await) }
        });
        while turns.state().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        drop(turn);
        assert_eq!(*turns.take(&me).await, 0);
    }
}
