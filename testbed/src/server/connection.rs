//! The connection that a request came on.

use std::{
    fmt,
    net::SocketAddr,
    ops::Deref,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use axum::body::Body;
use tokio::sync::Notify;

use super::{End, Ending};

/// The connection that a request came on. A clone is a pointer.
#[derive(Clone)]
pub struct Connection {
    facts: Arc<Facts>,
    /// Whether other exchanges are on it at the same time: HTTP/2.
    is_shared: bool,
}

/// What is known of a connection.
pub struct Facts {
    /// Its number within the server, from 1.
    pub id: u64,
    /// The client's end.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Whether it speaks TLS.
    pub is_tls: bool,
    /// 0, or an [`End`].
    ending: AtomicU8,
    /// Whether something was written that is not handed to the network yet.
    is_behind: AtomicBool,
    /// Whether `taken_over` is worth a look.
    is_taken_over: AtomicBool,
    /// What is to go out in the place of all that is written from now on; until the stream takes it.
    taken_over: Mutex<Option<Body>>,
    /// Told of each flush.
    flushes: Notify,
}

impl Connection {
    pub(super) fn new(id: u64, peer: SocketAddr, local: SocketAddr, is_tls: bool) -> Self {
        let facts = Facts {
            id,
            peer,
            local,
            is_tls,
            ending: AtomicU8::new(0),
            is_behind: AtomicBool::new(false),
            is_taken_over: AtomicBool::new(false),
            taken_over: Mutex::new(None),
            flushes: Notify::new(),
        };
        Self { facts: Arc::new(facts), is_shared: false }
    }

    /// A connection for exchanges that come on none, between two unspecified addresses.
    pub fn unconnected() -> Self {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Self::new(0, nowhere, nowhere, false)
    }

    /// The same, as exchanges see it that share it.
    pub(super) fn into_shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    /// `https` or `http`: how URLs begin that lead back here.
    pub fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// Whether it speaks HTTP/2: then other exchanges may be on it at the same time.
    pub fn is_http2(&self) -> bool {
        self.is_shared
    }

    /// The end of a body that breaks off. What the body gave so far is handed to the network first.
    ///
    /// Over HTTP/1 the connection ends. Over HTTP/2 it goes on, and the exchange ends with `RST_STREAM`, whichever way was
    /// asked for.
    pub fn end(&self, end: End) -> Ending {
        Ending::new(self.clone(), end)
    }

    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Has the connection end after the next flush.
    pub(super) fn end_after_flush(&self, end: End) {
        self.facts.ending.store(end as u8, Ordering::Release);
    }

    /// Returns when everything was handed to the network the next time.
    pub(super) async fn next_flush(self) {
        self.facts.flushes.notified().await;
    }

    /// Something was written.
    pub(super) fn wrote(&self) {
        self.facts.is_behind.store(true, Ordering::Relaxed);
    }

    /// Returns when nothing is left that was written and not handed to the network.
    pub(super) async fn all_flushed(&self) {
        if self.facts.is_behind.load(Ordering::Relaxed) {
            self.clone().next_flush().await;
        }
    }

    /// Has `body` go out in the place of all that is written from now on, and then the connection end.
    pub(super) fn take_over(&self, body: Body) {
        *self.facts.taken_over.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        self.facts.is_taken_over.store(true, Ordering::Release);
    }

    /// What is to go out in the place of what is written, the first time that it is asked.
    pub(super) fn taken_over(&self) -> Option<Body> {
        if !self.facts.is_taken_over.load(Ordering::Acquire) {
            return None;
        }
        self.facts.taken_over.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Everything was handed to the network: returns how the connection is to be ended, if it is.
    pub(super) fn flushed(&self) -> Option<End> {
        self.facts.is_behind.store(false, Ordering::Relaxed);
        self.facts.flushes.notify_waiters();
        match self.facts.ending.load(Ordering::Acquire) {
            0 => None,
            how if how == End::Reset as u8 => Some(End::Reset),
            _ => Some(End::Close),
        }
    }
}

impl Deref for Connection {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} from {})", self.id, self.peer)
    }
}
