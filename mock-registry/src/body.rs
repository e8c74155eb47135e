//! The body on its way to the client: performs what a rule does to bodies, and tells the journal how it ended.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::Stream as _;
use http_body::{Frame, SizeHint};
use testbed::{
    journal::{BodyEnd, BodyEnded, Event, Journal},
    rule::{Action, Cut},
    server::{Connection, End, Ending},
};
use tokio::time::{Sleep, sleep};

use crate::store::{Content, Reading};

/// Left on a response whose body is worth an event of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamed;

/// What a rule does to a body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BodyFault {
    /// After how many bytes the connection ends, and how.
    cut: Option<(u64, End)>,
    /// Whether the length is not announced.
    pub(crate) is_chunked: bool,
    /// Which byte is changed.
    corrupt: Option<u64>,
    /// After how many bytes there is a pause, and for how long; without a length it never ends.
    stall: Option<(u64, Option<Duration>)>,
    /// How many bytes there may be in a second.
    bytes_per_second: Option<u64>,
}

impl BodyFault {
    /// What `actions` do to a body of that length; nothing if they are about something else.
    pub(crate) fn of(actions: &[Action], length_bytes: Option<u64>) -> Option<Self> {
        let length = length_bytes.unwrap_or_default();
        let mut fault = Self::default();
        let mut cut = |cut: &Cut, end| {
            fault.is_chunked = cut.chunked;
            // What ends at its end is whole, unless the client can only tell by the last chunk.
            let after = cut.after.in_body(length);
            fault.cut = Some((after, end)).filter(|_| cut.chunked || length_bytes.is_none_or(|length| after < length));
        };
        for action in actions {
            match action {
                Action::Cut(place) => cut(place, End::Close),
                Action::Reset(place) => cut(place, End::Reset),
                _ => {}
            }
        }
        for action in actions {
            match action {
                // A place at the end is the last byte: a rule that fires changes something.
                Action::Corrupt(corrupt) => {
                    fault.corrupt = Some(corrupt.at.in_body(length).min(length.saturating_sub(1)));
                }
                Action::Stall(stall) => fault.stall = Some((stall.after.in_body(length), stall.duration)),
                Action::Bandwidth(rate) => fault.bytes_per_second = Some(rate.bytes().max(1)),
                _ => {}
            }
        }
        actions.iter().any(Action::is_about_body).then_some(fault)
    }

    /// How many of `n_bytes` may go out at once, when so many have.
    fn allow(&self, n_bytes: usize, sent_bytes: u64) -> usize {
        let places = [self.cut.map(|(after, _)| after), self.stall.map(|(after, _)| after)];
        let until = places.into_iter().flatten().map(|place| place.saturating_sub(sent_bytes));
        let piece = self.bytes_per_second.map(|rate| (rate / PIECES_PER_SECOND).max(1));
        let most = until.chain(piece).min().and_then(|most| usize::try_from(most).ok());
        most.map_or(n_bytes, |most| most.min(n_bytes))
    }
}

/// Into how many pieces a second is cut when the bandwidth is limited.
const PIECES_PER_SECOND: u64 = 50;

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
    /// What came out of `inner` and may not go out yet.
    held_back: Bytes,
    /// Until when nothing goes out.
    pause: Option<Pin<Box<Sleep>>>,
    /// How it breaks off, once it does.
    ending: Option<Ending>,
    /// Where the end is to be told; taken when it is.
    told: Option<(Journal, Arc<str>, u64)>,
}

impl SentBody {
    /// `inner`, which has `length_bytes`, with `fault`, on `connection`.
    pub(crate) fn new(inner: Body, fault: BodyFault, connection: Connection, length_bytes: Option<u64>) -> Self {
        Self {
            inner,
            fault,
            connection,
            length_bytes,
            sent_bytes: 0,
            held_back: Bytes::new(),
            pause: None,
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

    /// The byte that a rule changes is changed, if it is among `data`, which comes next.
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

    /// Returns when the next bytes may go out.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((after, duration)) = self.fault.stall
            && self.sent_bytes >= after
        {
            // Without an end it is the client's to give up.
            let Some(duration) = duration else { return Poll::Pending };
            self.fault.stall = None;
            self.pause = Some(Box::pin(sleep(duration)));
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }
}

impl http_body::Body for SentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        ready!(self.wait(cx));
        if let Some((after, end)) = self.fault.cut
            && self.sent_bytes >= after
        {
            return self.cut(end, cx);
        }
        if self.held_back.is_empty() {
            let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                None => {
                    self.tell(BodyEnd::Complete);
                    return Poll::Ready(None);
                }
                Some(frame) => frame?,
            };
            let Ok(data) = frame.into_data() else { return Poll::Ready(None) };
            self.held_back = self.change(data);
        }
        let n_bytes = self.fault.allow(self.held_back.len(), self.sent_bytes);
        let data = self.held_back.split_to(n_bytes);
        self.sent_bytes += data.len() as u64;
        if let Some(rate) = self.fault.bytes_per_second {
            #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact to the byte past 2^53")]
            let seconds = data.len() as f64 / rate as f64;
            self.pause = Some(Box::pin(sleep(Duration::from_secs_f64(seconds))));
        }
        // Told before the last piece is handed over, so that it stands before whatever the client does next.
        if self.fault.cut.is_none() && self.length_bytes == Some(self.sent_bytes) {
            self.tell(BodyEnd::Complete);
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.fault.cut.is_none() && self.held_back.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.fault.is_chunked {
            return SizeHint::default();
        }
        match self.length_bytes {
            Some(length) => SizeHint::with_exact(length.saturating_sub(self.sent_bytes)),
            None => SizeHint::default(),
        }
    }
}

impl Drop for SentBody {
    fn drop(&mut self) {
        let is_empty = self.length_bytes == Some(0) && self.fault.cut.is_none();
        self.tell(if is_empty { BodyEnd::Complete } else { BodyEnd::Abandoned });
    }
}
