//! The journal itself: an append-only, bounded list of entries.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::event::Event;
use crate::clock::{Clock, Timestamp};

/// One event, with its place and time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When, in policy time.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:<4} {} {}", self.seq, self.at.strftime("%H:%M:%S%.3f"), self.event)
    }
}

/// A handle to a world's journal. Clones share it.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

struct Shared {
    clock: Clock,
    max_entries: usize,
    // A std mutex: an append or a copy of pointers, never an await.
    book: Mutex<Book>,
    /// Told of each entry while somebody waits for one.
    appended: watch::Sender<()>,
}

#[derive(Default)]
struct Book {
    entries: VecDeque<Arc<Entry>>,
    n_recorded: u64,
    /// How many were taken out by [`Journal::clear`].
    n_cleared: u64,
}

impl Journal {
    /// How many entries a journal keeps unless told otherwise; older ones are dropped, and [counted](Journal::n_dropped).
    pub const MAX_ENTRIES: usize = 1_000_000;

    /// An empty journal that stamps its entries with `clock`, and tells the moves of `clock` too.
    pub fn new(clock: &Clock) -> Self {
        Self::bounded(clock, Self::MAX_ENTRIES)
    }

    /// The same, which keeps the newest `max_entries`.
    pub fn bounded(clock: &Clock, max_entries: usize) -> Self {
        let shared = Arc::new(Shared {
            clock: clock.clone(),
            max_entries,
            book: Mutex::default(),
            appended: watch::Sender::new(()),
        });
        let journal = Arc::downgrade(&shared);
        clock.observe(Arc::new(move |step| {
            if let Some(shared) = journal.upgrade() {
                Self(shared).record(Event::ClockMoved(step));
            }
        }));
        Self(shared)
    }

    /// A journal that is never told anything. What one costs is measured against it; nobody learns anything from it.
    pub fn off(clock: &Clock) -> Self {
        Self::bounded(clock, 0)
    }

    /// Whether it keeps anything, so that an event is worth being composed.
    pub fn is_on(&self) -> bool {
        self.0.max_entries > 0
    }

    /// Appends `event` and returns its number.
    pub fn record(&self, event: Event) -> u64 {
        let mut book = self.book();
        // Read under the lock, so that times in the journal never run backwards.
        let at = self.0.clock.now();
        book.n_recorded += 1;
        let seq = book.n_recorded;
        book.entries.push_back(Arc::new(Entry { seq, at, event }));
        let forgotten = if book.entries.len() > self.0.max_entries { book.entries.pop_front() } else { None };
        drop(book);
        // Freed without the lock: an old entry is out of every cache.
        drop(forgotten);
        // Who begins to wait after this look finds the entry in the book.
        if self.0.appended.receiver_count() > 0 {
            self.0.appended.send_replace(());
        }
        seq
    }

    /// The number of the newest entry, 0 if there is none.
    pub fn last_seq(&self) -> u64 {
        self.book().n_recorded
    }

    /// The entries after number `seq`, oldest first.
    pub fn since(&self, seq: u64) -> Vec<Arc<Entry>> {
        let book = self.book();
        let n_dropped = book.n_recorded - book.entries.len() as u64;
        let skip = usize::try_from(seq.saturating_sub(n_dropped)).unwrap_or(usize::MAX);
        book.entries.iter().skip(skip).cloned().collect()
    }

    /// Waits until there is an entry after number `seq` that `admits` accepts, and returns it.
    pub async fn wait_for(&self, seq: u64, admits: impl Fn(&Entry) -> bool) -> Arc<Entry> {
        let mut appended = self.0.appended.subscribe();
        let mut seen = seq;
        loop {
            appended.borrow_and_update();
            for entry in self.since(seen) {
                if admits(&entry) {
                    return entry;
                }
                seen = entry.seq;
            }
            // The sender lives as long as this journal.
            if appended.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.since(0)
    }

    /// How many entries no longer fitted. Those that were [cleared](Journal::clear) away are not among them.
    pub fn n_dropped(&self) -> u64 {
        let book = self.book();
        book.n_recorded - book.n_cleared - book.entries.len() as u64
    }

    /// How many entries it keeps.
    pub fn max_entries(&self) -> usize {
        self.0.max_entries
    }

    /// Takes all entries out. Numbers go on, so that whoever follows the journal misses nothing that comes.
    pub fn clear(&self) {
        let cleared = {
            let mut book = self.book();
            book.n_cleared = book.n_recorded;
            std::mem::take(&mut book.entries)
        };
        // Freed without the lock.
        drop(cleared);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal({} entries)", self.last_seq())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moves_of_the_clock_are_journaled() {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let journal = Journal::new(&clock);
        clock.advance(Duration::from_secs(3600));
        let entries = journal.entries();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].to_string(), "#1    01:00:00.000 clock moved 1h, asked for");
        assert_eq!(journal.since(1).len(), 0);
    }

    #[test]
    fn a_full_journal_drops_its_oldest_entries_and_says_how_many() {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let journal = Journal::bounded(&clock, 2);
        for _ in 0..5 {
            clock.advance(Duration::from_secs(1));
        }
        let kept: Vec<_> = journal.entries().iter().map(|entry| entry.seq).collect();
        assert_eq!((kept, journal.n_dropped()), (vec![4, 5], 3));
        assert_eq!(journal.since(4).len(), 1);
    }

    #[test]
    fn a_cleared_journal_goes_on_with_its_numbers() {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let journal = Journal::bounded(&clock, 2);
        for _ in 0..5 {
            clock.advance(Duration::from_secs(1));
        }
        journal.clear();
        assert_eq!((journal.entries().len(), journal.n_dropped()), (0, 0));
        clock.advance(Duration::from_secs(1));
        assert_eq!(journal.since(5)[0].seq, 6);
    }

    #[tokio::test]
    async fn one_can_wait_for_an_entry() {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let journal = Journal::new(&clock);
        let waiting = tokio::spawn({
            let journal = journal.clone();
            async move { journal.wait_for(1, |entry| entry.seq >= 2).await.seq }
        });
        for _ in 0..3 {
            clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        assert_eq!(waiting.await.unwrap(), 2);
    }
}
