//! How an exchange is broken off from our side.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::Stream;

use super::Connection;

/// How a connection is ended from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Closed in good order (FIN).
    Close = 1,
    /// Reset (RST): the client sees `connection reset by peer`.
    Reset = 2,
}

/// The last part of a body that breaks off: see [`Connection::end`].
pub struct Ending {
    connection: Connection,
    end: End,
    flush: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Ending {
    pub(super) fn new(connection: Connection, end: End) -> Self {
        Self { connection, end, flush: None }
    }
}

impl Stream for Ending {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.connection.is_shared() {
            // The error comes from the stream of bytes, when it has flushed them.
            self.connection.end_after_flush(self.end);
            return Poll::Pending;
        }
        if let Some(flush) = &mut self.flush {
            ready!(flush.as_mut().poll(cx));
            return Poll::Ready(Some(Err(broken_off())));
        }
        // An error throws away what its stream has not sent yet. So it waits for a flush, and an empty frame sees to it that
        // there is one to come.
        let mut flush: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(self.connection.clone().next_flush());
        if flush.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(broken_off())));
        }
        self.flush = Some(flush);
        Poll::Ready(Some(Ok(Bytes::new())))
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ending({:?} of {:?})", self.end, self.connection)
    }
}

/// What ends a connection or an exchange on which a rule says so.
pub(super) fn broken_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "broken off by a rule")
}
