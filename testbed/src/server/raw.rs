//! Answers that HTTP's machinery would not write: bytes as they are, and heads that do not fit their bodies.
//!
//! hyper goes on as if it had written an answer of its own. The [stream](super::stream) throws that away and writes this in
//! its place, and then the connection is over. Over HTTP/2 there is no such thing as raw bytes on a connection: the exchange
//! ends with `RST_STREAM`.

use std::{
    convert::Infallible,
    error, fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, header, response::Parts};

use super::Connection;

/// Left on a response: over HTTP/1 these bytes go out in its place, status line and all, and the connection is closed. None
/// at all closes it without an answer. Over HTTP/2 the exchange ends with `RST_STREAM`.
#[derive(Clone, Debug)]
pub struct RawAnswer(pub Bytes);

/// Left on a response: over HTTP/1 its head goes out as it stands, and behind it the body as it comes, whatever the head says
/// of its length and coding. Then the connection is closed. Over HTTP/2, where the length is not needed to find the end,
/// the answer is an ordinary one.
#[derive(Clone, Copy, Debug)]
pub struct AsStated;

/// What an exchange ends with that gets no answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unanswered;

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the exchange was to get no answer")
    }
}

impl error::Error for Unanswered {}

type TakingOver = Pin<Box<dyn Future<Output = Result<Response, Unanswered>> + Send>>;

/// An answer to come, which may take over the connection.
pub(super) struct Answering<A> {
    /// Boxed for as long as it is under way: hyper keeps the room for it while the connection is idle, and it is 2 KiB.
    answer: Pin<Box<A>>,
    connection: Connection,
    taking_over: Option<TakingOver>,
}

impl<A> Answering<A> {
    pub(super) fn new(answer: A, connection: Connection) -> Self {
        Self { answer: Box::pin(answer), connection, taking_over: None }
    }
}

impl<A: Future<Output = Result<Response, Infallible>>> Future for Answering<A> {
    type Output = Result<Response, Unanswered>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.taking_over.is_none() {
            let Ok(response) = ready!(self.answer.as_mut().poll(cx));
            let extensions = response.extensions();
            if extensions.is_empty()
                || extensions.get::<RawAnswer>().is_none() && extensions.get::<AsStated>().is_none()
            {
                return Poll::Ready(Ok(response));
            }
            self.taking_over = Some(Box::pin(take_over(response, self.connection.clone())));
        }
        match &mut self.taking_over {
            Some(taking_over) => taking_over.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

/// Has the connection write `response` as it wants to be written. What is returned is for hyper, and nobody else sees it.
async fn take_over(response: Response, connection: Connection) -> Result<Response, Unanswered> {
    let (mut parts, body) = response.into_parts();
    let raw = parts.extensions.remove::<RawAnswer>();
    if connection.is_shared() {
        return if raw.is_some() { Err(Unanswered) } else { Ok(Response::from_parts(parts, body)) };
    }
    // Of earlier answers on the connection nothing may be thrown away.
    connection.all_flushed().await;
    connection.take_over(match raw {
        Some(RawAnswer(bytes)) => Body::from(bytes),
        None => {
            let head = stream::iter([Ok(compose_head(parts))]);
            Body::from_stream(head.chain(body.into_data_stream()))
        }
    });
    Ok(Response::new(Body::empty()))
}

fn compose_head(mut parts: Parts) -> Bytes {
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let mut head = BytesMut::new();
    head.put_slice(b"HTTP/1.1 ");
    head.put_slice(parts.status.as_str().as_bytes());
    head.put_slice(b" ");
    head.put_slice(parts.status.canonical_reason().unwrap_or("").as_bytes());
    head.put_slice(b"\r\n");
    for (name, value) in &parts.headers {
        head.put_slice(name.as_str().as_bytes());
        head.put_slice(b": ");
        head.put_slice(value.as_bytes());
        head.put_slice(b"\r\n");
    }
    head.put_slice(b"\r\n");
    head.freeze()
}
