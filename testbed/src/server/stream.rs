//! A connection's stream of bytes: plain or TLS, ended by request, and not waited for for ever.

use std::{
    future::Future as _,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, HttpBody as _};
use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};
use tokio_rustls::server::TlsStream;

use super::{Connection, End, ending::broken_off};

/// What the bytes go through.
pub(super) enum Io {
    /// Nothing.
    Plain(TcpStream),
    /// TLS. Boxed, because it is large.
    Tls(Box<TlsStream<TcpStream>>),
}

/// The bytes of one [`Connection`].
pub(super) struct Stream {
    io: Io,
    /// What was read of the beginning and is to be read again.
    ahead: Vec<u8>,
    connection: Connection,
    stall: Stall,
    /// What goes out in the place of what is written, once an answer has taken over. Boxed, because it is rare.
    taken_over: Option<Box<TakenOver>>,
}

/// An answer that hyper does not write.
struct TakenOver {
    body: Body,
    /// What is left of the piece that is being sent.
    piece: Bytes,
    is_over: bool,
    /// Whether the client has ended its side.
    is_left: bool,
}

/// Watches over a client that reads nothing.
struct Stall {
    limit: Duration,
    /// Runs while a write waits, and on after it: a client that reads in turns costs no timer each time.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether something was written since the timer was set.
    has_progress: bool,
}

impl Stream {
    /// `ahead` is read before anything else; `stalled_write` is how long a write may wait.
    pub(super) fn new(io: Io, ahead: Vec<u8>, connection: Connection, stalled_write: Duration) -> Self {
        let stall = Stall { limit: stalled_write, timer: None, has_progress: false };
        Self { io, ahead, connection, stall, taken_over: None }
    }

    fn end_if_asked(&self) -> io::Result<()> {
        let Some(end) = self.connection.flushed() else { return Ok(()) };
        if end == End::Reset {
            let stream = match &self.io {
                Io::Plain(stream) => stream,
                Io::Tls(stream) => stream.get_ref().0,
            };
            // With a linger of zero, closing sends RST and drops what is not sent yet.
            socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
        }
        Err(broken_off())
    }
}

/// Hands a call on to whichever stream there is.
macro_rules! forward {
    ($io:expr, $stream:ident => $call:expr) => {
        match $io {
            Io::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Io::Tls($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
        }
    };
}

impl Stream {
    /// Whether what hyper writes is thrown away.
    fn is_taken_over(&mut self) -> bool {
        if self.taken_over.is_none()
            && let Some(body) = self.connection.taken_over()
        {
            self.taken_over = Some(Box::new(TakenOver { body, piece: Bytes::new(), is_over: false, is_left: false }));
        }
        self.taken_over.is_some()
    }

    /// Sends what has taken over. When all of it is sent the connection ends, in good order.
    fn poll_taken_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(mut taken) = self.taken_over.take() else { return Poll::Ready(Ok(())) };
        let sent = self.poll_send(&mut taken, cx);
        self.taken_over = Some(taken);
        sent
    }

    fn poll_send(&mut self, taken: &mut TakenOver, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !taken.piece.is_empty() {
                let written = forward!(&mut self.io, stream => stream.poll_write(cx, &taken.piece));
                match ready!(self.stall.watch(cx, written))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    n_bytes => taken.piece.advance(n_bytes),
                }
            }
            if taken.is_over {
                ready!(self.poll_flush_io(cx))?;
                let shut = forward!(&mut self.io, stream => stream.poll_shutdown(cx));
                ready!(self.stall.watch(cx, shut))?;
                return Poll::Ready(Err(broken_off()));
            }
            match Pin::new(&mut taken.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => taken.piece = frame.into_data().unwrap_or_default(),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(broken_off())),
                Poll::Ready(None) => taken.is_over = true,
                Poll::Pending => {
                    ready!(self.poll_flush_io(cx))?;
                    self.end_if_asked()?;
                    if taken.is_left {
                        return Poll::Ready(Err(broken_off()));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Nobody reads on a connection that is about to end, but that the client has left is to be known.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            ready!(forward!(&mut self.io, stream => stream.poll_read(cx, &mut buf)))?;
            if buf.filled().is_empty() {
                if let Some(taken) = &mut self.taken_over {
                    taken.is_left = true;
                }
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_flush_io(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = forward!(&mut self.io, stream => stream.poll_flush(cx));
        self.stall.watch(cx, flushed)
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.taken_over.is_some() {
            return self.poll_discard(cx);
        }
        if self.ahead.is_empty() {
            return forward!(&mut self.io, stream => stream.poll_read(cx, buf));
        }
        let n_bytes = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..n_bytes]);
        self.ahead.drain(..n_bytes);
        if self.ahead.is_empty() {
            self.ahead = Vec::new();
            // Together with what has come since: hyper doubles its buffer for whoever sends a head in two parts, and keeps it
            // so for as long as the connection lasts. Without more, or with an error, what was ahead is all for now.
            let _ = forward!(&mut self.io, stream => stream.poll_read(cx, buf));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_taken_over() {
            return Poll::Ready(Ok(buf.len()));
        }
        self.connection.wrote();
        let written = forward!(&mut self.io, stream => stream.poll_write(cx, buf));
        self.stall.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_taken_over() {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        self.connection.wrote();
        let written = forward!(&mut self.io, stream => stream.poll_write_vectored(cx, bufs));
        self.stall.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper calls this once its own buffer is empty: only then may the connection end.
        if self.is_taken_over() {
            return self.poll_taken_over(cx);
        }
        ready!(self.poll_flush_io(cx))?;
        Poll::Ready(self.end_if_asked())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_taken_over() {
            return self.poll_taken_over(cx);
        }
        let shut = forward!(&mut self.io, stream => stream.poll_shutdown(cx));
        self.stall.watch(cx, shut)
    }
}

impl Stall {
    /// Turns a write that has waited too long into an error.
    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.has_progress = true;
            return written;
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| {
            self.has_progress = false;
            Box::pin(sleep(limit))
        });
        while timer.as_mut().poll(cx).is_ready() {
            if !self.has_progress {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")));
            }
            self.has_progress = false;
            timer.as_mut().reset(Instant::now() + limit);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::server::ANY_PORT;

    #[tokio::test]
    async fn what_was_ahead_comes_together_with_what_has_come_since() {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        client.write_all(b"bc").await.unwrap();
        server.readable().await.unwrap();
        let connection = Connection::new(1, peer, server.local_addr().unwrap(), false);
        let mut stream = Stream::new(Io::Plain(server), b"a".to_vec(), connection, Duration::from_secs(60));
        let mut read = [0; 8];
        let n_bytes = stream.read(&mut read).await.unwrap();
        assert_eq!(&read[..n_bytes], b"abc");
    }
}
