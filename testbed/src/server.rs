//! Listeners: one accept loop for every actor.
//!
//! Port 0 by default, so that worlds never meet; stopping is graceful and bounded. Each request carries a
//! [`Connection`] in its extensions: who is at the other end, and the means to end the connection without an answer,
//! which rules need.

use std::{
    fmt,
    io::{self, IoSlice},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::Router;
use http::Request;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tower::ServiceExt as _;

/// How long a stopping server waits for exchanges under way, in wire time.
const GRACE: Duration = Duration::from_secs(2);
/// How long a client may take to send a request's headers, in wire time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A loopback address with a port of the system's choice.
pub const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A listener could not be opened.
#[derive(Debug, Error)]
#[error("cannot listen on {at}")]
pub struct BindError {
    /// The address.
    pub at: SocketAddr,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// A running listener. Dropping it ends it at once; [`ServerHandle::stop`] lets exchanges under way finish.
#[derive(Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    accepting: JoinHandle<()>,
}

impl ServerHandle {
    /// Opens a listener at `at` and serves `app` on it.
    ///
    /// # Errors
    /// The address cannot be listened on: it is taken, or not this machine's.
    pub async fn start(app: Router, at: SocketAddr) -> Result<Self, BindError> {
        let fail = |source| BindError { at, source };
        let listener = TcpListener::bind(at).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let (stop, stopped) = oneshot::channel();
        let accepting = tokio::spawn(accept(listener, app, stopped));
        Ok(Self { address, stop: Some(stop), accepting })
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, and waits until exchanges under way are done, though not for long.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        // An accept loop that panicked has stopped too.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, app: Router, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let mut tasks = tokio::task::JoinSet::new();
    let mut n_connections = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => break,
            // Reaps connections that ended.
            Some(_) = tasks.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others must close before the next accept can work.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        n_connections += 1;
        let Ok(local) = stream.local_addr() else { continue };
        // Small answers must not wait for the client's acknowledgement of the previous one.
        let _ = stream.set_nodelay(true);
        let connection = Connection { id: n_connections, peer, local, ending: Arc::default() };
        let io = EndableStream { stream, ending: connection.ending.clone() };
        let app = app.clone().map_request(move |mut request: Request<_>| {
            request.extensions_mut().insert(connection.clone());
            request
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        let serving = builder.serve_connection(TokioIo::new(io), TowerToHyperService::new(app)).into_owned();
        let serving = graceful.watch(serving);
        tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(%error, %peer, "connection ended");
            }
        });
    }
    drop(listener);
    // A client that still holds its connection after the grace period loses it with `tasks`.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

/// The connection that a request came on.
#[derive(Clone)]
pub struct Connection {
    /// Its number within the server, from 1.
    pub id: u64,
    /// The client's end.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// 0, or an [`End`].
    ending: Arc<AtomicU8>,
}

/// How a connection is ended from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Closed in good order (FIN).
    Close = 1,
    /// Reset (RST): the client sees `connection reset by peer`.
    Reset = 2,
}

impl Connection {
    /// Ends the connection as soon as what was written so far has been handed to the network. The body that calls this
    /// must stay pending from then on.
    pub fn end_after_flush(&self, end: End) {
        self.ending.store(end as u8, Ordering::Release);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} from {})", self.id, self.peer)
    }
}

/// A stream that can be ended by request.
struct EndableStream {
    stream: TcpStream,
    /// 0, or an [`End`].
    ending: Arc<AtomicU8>,
}

impl EndableStream {
    fn end_if_asked(&self) -> io::Result<()> {
        match self.ending.load(Ordering::Acquire) {
            0 => return Ok(()),
            how if how == End::Reset as u8 => {
                // With a linger of zero, closing sends RST and drops what is not sent yet.
                socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
            }
            _ => {}
        }
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "ended by a rule"))
    }
}

impl AsyncRead for EndableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for EndableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper calls this once its own buffer is empty: only then may the connection end.
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        Poll::Ready(self.end_if_asked())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::{Extension, body::Body, routing::get};
    use bytes::Bytes;
    use futures_util::{StreamExt as _, stream};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(at: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    fn ending_app(end: End) -> Router {
        let handler = move |Extension(connection): Extension<Connection>| async move {
            let body = stream::once(async { Ok::<_, io::Error>(Bytes::from_static(b"half")) });
            let rest = stream::once(async move {
                connection.end_after_flush(end);
                std::future::pending().await
            });
            Body::from_stream(body.chain(rest))
        };
        Router::new().route("/", get(handler))
    }

    #[tokio::test]
    async fn a_closed_connection_delivers_what_was_written() {
        let server = ServerHandle::start(ending_app(End::Close), ANY_PORT).await.unwrap();
        let answer = ask(server.address(), "/").await.unwrap();
        assert!(answer.windows(4).any(|window| window == b"half"), "{answer:?}");
        assert!(!answer.ends_with(b"0\r\n\r\n"));
        server.stop().await;
    }

    #[tokio::test]
    async fn a_reset_connection_tells_the_client() {
        let server = ServerHandle::start(ending_app(End::Reset), ANY_PORT).await.unwrap();
        let error = ask(server.address(), "/").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_it() {
        let server = ServerHandle::start(Router::new(), ANY_PORT).await.unwrap();
        let error = ServerHandle::start(Router::new(), server.address()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on {}", server.address()));
    }
}
