//! A small service, and clients that are not polite.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    response::{AppendHeaders, IntoResponse},
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Request;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    net::Names,
    server::{ANY_PORT, AsStated, Connection, End, Limits, Listen, RawAnswer, Serve, ServerHandle, introducing},
    tls::{Authority, CertificateFlaw, Certificates, client_config},
};

/// Nothing that is asked here takes so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// The name that leads to the listeners of these tests.
pub(super) const NAME: &str = "registry.test";

/// `/` says who asked how, `/cut` and `/reset` break off after `half`, `/large` is more than sockets hold, `/raw`, `/short`
/// and `/silence` are what hyper does not write.
pub(super) fn service() -> impl Serve {
    let who = |Extension(connection): Extension<Connection>, request: Request<Body>| async move {
        format!("{} {:?} {}", connection.scheme(), request.version(), request.uri())
    };
    let broken = |end: End| {
        move |Extension(connection): Extension<Connection>| async move {
            let half = stream::once(async { Ok::<_, io::Error>(Bytes::from_static(b"half")) });
            Body::from_stream(half.chain(connection.end(end)))
        }
    };
    let large = || async { vec![0; 64 << 20] };
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "slow"
    };
    let app = Router::new()
        .route("/cut", get(broken(End::Close)))
        .route("/reset", get(broken(End::Reset)))
        .route("/large", get(large))
        .route("/raw", get(|| async { raw(b"HTTP/1.0 429 Slow\nretry-after: 1\n\nslow\n") }))
        .route("/silence", get(|| async { raw(b"") }))
        .route("/short", get(|| async { (AppendHeaders([("content-length", "2")]), Extension(AsStated), "four") }))
        .route("/slow", get(slow))
        .route("/echo", post(|body: Bytes| async { body }))
        .fallback(who);
    introducing(app)
}

fn raw(bytes: &'static [u8]) -> impl IntoResponse {
    Extension(RawAnswer(Bytes::from_static(bytes)))
}

pub(super) async fn start() -> ServerHandle {
    ServerHandle::start(service(), ANY_PORT).await.unwrap()
}

pub(super) async fn start_limited(limits: Limits) -> ServerHandle {
    ServerHandle::start(service(), Listen::at(ANY_PORT).limits(limits)).await.unwrap()
}

/// A listener that speaks TLS, and who signs for it.
pub(super) struct Tls {
    pub(super) server: ServerHandle,
    pub(super) authority: Authority,
}

impl Tls {
    pub(super) async fn start(flaw: Option<CertificateFlaw>) -> Self {
        let (authority, names) = (Authority::generate().unwrap(), Names::default());
        let certificates = Certificates::new(&authority, &names, flaw).unwrap();
        let server = ServerHandle::start(service(), Listen::at(ANY_PORT).tls(certificates)).await.unwrap();
        names.add(NAME, server.address());
        Self { server, authority }
    }

    /// Connects as a client does that trusts the authority and wants `name`; `protocol` is what it offers.
    pub(super) async fn connect(&self, name: &str, protocol: &str) -> io::Result<TlsStream<TcpStream>> {
        let mut config = client_config(&[self.authority.certificate().clone()]).unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.server.address()).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// Sends `request` as it is and reads until the other side ends.
pub(super) async fn ask_raw(at: SocketAddr, request: impl AsRef<[u8]>) -> io::Result<String> {
    ask_on(TcpStream::connect(at).await?, request).await
}

/// The same on a stream that is there.
pub(super) async fn ask_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: impl AsRef<[u8]>,
) -> io::Result<String> {
    stream.write_all(request.as_ref()).await?;
    read_to_end(stream).await
}

/// Reads until the other side ends.
pub(super) async fn read_to_end(mut stream: impl AsyncRead + Unpin) -> io::Result<String> {
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection does not end")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A GET after which the connection ends.
pub(super) fn get_once(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n")
}

/// An HTTP/2 client on `stream`.
pub(super) async fn http2(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> SendRequest<String> {
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A GET over HTTP/2.
pub(super) fn get2(path: &str) -> Request<String> {
    Request::get(format!("http://{NAME}{path}")).body(String::new()).unwrap()
}
