//! The body on its way to the client: performs what a rule does to bodies, and tells the journal how it ended.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::Stream as _;
use http_body::{Frame, SizeHint};
use testbed::{
    journal::{BodyEnd, BodyEnded, Event, Journal},
    rule::Action,
    server::{Connection, End, Ending},
};

use crate::store::{Content, Reading};

/// Left on a response whose body is worth an event of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamed;

/// What a rule does to a body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BodyFault {
    /// After how many bytes the connection ends, and how.
    pub(crate) cut: Option<(u64, End)>,
    /// Which byte is changed.
    pub(crate) corrupt: Option<u64>,
}

impl BodyFault {
    /// What `action` does to a body of that length; nothing if it is about something else.
    pub(crate) fn of(action: &Action, length_bytes: Option<u64>) -> Option<Self> {
        let length = length_bytes.unwrap_or_default();
        match action {
            Action::Answer(_) | Action::Delay(_) | Action::ExpireToken => None,
            Action::Cut(cut) => Some(Self { cut: Some((cut.after.in_body(length), End::Close)), corrupt: None }),
            Action::Reset(cut) => Some(Self { cut: Some((cut.after.in_body(length), End::Reset)), corrupt: None }),
            // A place at the end is the last byte: a rule that fires changes something.
            Action::Corrupt(corrupt) => {
                Some(Self { cut: None, corrupt: Some(corrupt.at.in_body(length).min(length.saturating_sub(1))) })
            }
        }
    }
}

/// A part of a blob, written in large pieces.
#[derive(Debug)]
pub(crate) struct ContentBody {
    content: Content,
    at: u64,
    end: u64,
    reading: Reading,
}

impl ContentBody {
    /// The bytes from `at` up to `end`, that one excluded.
    pub(crate) fn new(content: Content, at: u64, end: u64) -> Self {
        Self { content, at, end, reading: Reading::default() }
    }
}

impl http_body::Body for ContentBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { content, at, end, reading } = &mut *self;
        let piece = ready!(content.poll_piece(*at, *end, reading, cx))?;
        if piece.is_empty() {
            return Poll::Ready(None);
        }
        self.at += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end.saturating_sub(self.at))
    }
}

/// A body with the fault that a rule put into it.
#[derive(Debug)]
pub(crate) struct SentBody {
    inner: Body,
    fault: BodyFault,
    connection: Connection,
    length_bytes: Option<u64>,
    sent_bytes: u64,
    /// How it breaks off, once it does.
    ending: Option<Ending>,
    /// Where the end is to be told; taken when it is.
    told: Option<(Journal, Arc<str>, u64)>,
}

impl SentBody {
    /// `inner` with `fault`, on `connection`; `length_bytes` is what the head announced.
    pub(crate) fn new(inner: Body, fault: BodyFault, connection: Connection, length_bytes: Option<u64>) -> Self {
        // What ends at its end is whole.
        let cut = fault.cut.filter(|(after, _)| length_bytes.is_none_or(|length| *after < length));
        Self {
            inner,
            fault: BodyFault { cut, ..fault },
            connection,
            length_bytes,
            sent_bytes: 0,
            ending: None,
            told: None,
        }
    }

    /// The same, and its end is recorded as that of the exchange `number`.
    pub(crate) fn journaled(mut self, journal: &Journal, actor: &Arc<str>, number: u64) -> Self {
        self.told = Some((journal.clone(), Arc::clone(actor), number));
        self
    }

    /// Breaks off where a rule says so.
    fn cut(&mut self, end: End, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.tell(match end {
            End::Close => BodyEnd::Cut,
            End::Reset => BodyEnd::Reset,
        });
        let ending = self.ending.get_or_insert_with(|| self.connection.end(end));
        let part = ready!(Pin::new(ending).poll_next(cx));
        Poll::Ready(part.map(|part| part.map(Frame::data).map_err(axum::Error::new)))
    }

    /// Tells the journal how the body ended, the first time.
    fn tell(&mut self, end: BodyEnd) {
        if let Some((journal, actor, exchange)) = self.told.take() {
            let sent_bytes = self.sent_bytes;
            journal.record(Event::BodyEnded(BodyEnded { exchange, actor, sent_bytes, end }));
        }
    }

    fn change(&self, data: Bytes) -> Bytes {
        let in_data = self.fault.corrupt.and_then(|at| at.checked_sub(self.sent_bytes));
        match in_data.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < data.len()) {
            Some(at) => {
                let mut changed = BytesMut::from(&data[..]);
                changed[at] ^= 0xff;
                changed.freeze()
            }
            None => data,
        }
    }
}

impl http_body::Body for SentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some((after, end)) = self.fault.cut
            && self.sent_bytes >= after
        {
            return self.cut(end, cx);
        }
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            None => {
                self.tell(BodyEnd::Complete);
                return Poll::Ready(None);
            }
            Some(frame) => frame?,
        };
        let Ok(data) = frame.into_data() else { return Poll::Ready(None) };
        let mut data = self.change(data);
        if let Some((after, _)) = self.fault.cut {
            let room = usize::try_from(after - self.sent_bytes).unwrap_or(usize::MAX);
            data.truncate(room);
        }
        self.sent_bytes += data.len() as u64;
        // Told before the last piece is handed over, so that it stands before whatever the client does next.
        if self.fault.cut.is_none() && self.length_bytes == Some(self.sent_bytes) {
            self.tell(BodyEnd::Complete);
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.fault.cut.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for SentBody {
    fn drop(&mut self) {
        let is_empty = self.length_bytes == Some(0) && self.fault.cut.is_none();
        self.tell(if is_empty { BodyEnd::Complete } else { BodyEnd::Abandoned });
    }
}
