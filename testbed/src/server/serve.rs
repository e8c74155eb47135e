//! The exchanges of one connection, from its first byte to its last.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::{Router, response::Response};
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::Service,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
    service::TowerToHyperService,
};
use tokio::{net::TcpStream, sync::watch};

use super::{
    Connection, Limits,
    begin::{Protocol, begin},
    raw::{Answering, Unanswered},
    stream::Stream,
};
use crate::tls::Certificates;

/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so, in wire time.
const PING_EVERY: Duration = Duration::from_secs(60);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// What answers requests: any function of the request and the [`Connection`] that it came on. Each connection has a clone.
///
/// The connection is an argument, and not an extension of the request, because a map by type costs three allocations for
/// each request. [`introducing`] is for routers, which look for it there.
pub trait Serve: Clone + Send + Sync + 'static {
    /// The answer to come.
    type Answer: Future<Output = Result<Response, Infallible>> + Send;

    /// Begins to answer.
    fn answer(&self, request: Request<Incoming>, connection: Connection) -> Self::Answer;
}

impl<F, A> Serve for F
where
    F: Fn(Request<Incoming>, Connection) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response, Infallible>> + Send,
{
    type Answer = A;

    fn answer(&self, request: Request<Incoming>, connection: Connection) -> A {
        self(request, connection)
    }
}

/// An axum router, whose handlers find the [`Connection`] among a request's extensions.
pub fn introducing(router: Router) -> impl Serve {
    let service = TowerToHyperService::new(router);
    move |mut request: Request<Incoming>, connection: Connection| {
        request.extensions_mut().insert(connection);
        service.call(request)
    }
}

/// What all connections of a listener share.
pub(super) struct Listener<S> {
    pub(super) service: S,
    pub(super) address: SocketAddr,
    pub(super) certificates: Option<Certificates>,
    pub(super) limits: Limits,
}

/// Serves one connection to its end. When `stopping` changes, the exchanges under way are the last.
pub(super) async fn serve<S: Serve>(
    stream: TcpStream,
    connection: Connection,
    listener: Arc<Listener<S>>,
    mut stopping: watch::Receiver<()>,
) {
    let peer = connection.peer;
    // Boxed, because it is large and soon over.
    let begun = Box::pin(begin(stream, &connection, &listener));
    let begun = tokio::select! {
        biased;
        begun = tokio::time::timeout(listener.limits.begin_within, begun) => begun,
        // Nothing was asked yet.
        _ = stopping.changed() => return,
    };
    let (protocol, stream) = match begun {
        Ok(Ok(Some(begun))) => begun,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => return tracing::debug!(%error, %peer, "connection did not begin"),
        Err(_) => return tracing::debug!(%peer, "connection did not begin in time"),
    };
    let ended = match protocol {
        Protocol::Http1 => finish(pin!(http1(stream, connection, &listener)), stopping).await,
        // Boxed, so that those of the other kind, of which there are thousands, need no room for it.
        Protocol::Http2 => finish(Box::pin(http2(stream, connection, &listener)).as_mut(), stopping).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "connection ended");
    }
}

/// Hyper's defaults stand where nothing is said: `writev` where the stream has it, so that a head and its body leave in one
/// system call and uncopied; no half-closed connections, so that the exchange of a client that went away ends; no waiting
/// for further requests of a pipeline before an answer is sent.
fn http1<S: Serve>(
    stream: Stream,
    connection: Connection,
    listener: &Listener<S>,
) -> http1::Connection<TokioIo<Stream>, Exchanges<S>> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(listener.limits.head_within)
        .max_header_size(listener.limits.max_head_bytes as usize)
        // The date of an answer is policy time, which is not ours to tell.
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), Exchanges { service: listener.service.clone(), connection })
}

fn http2<S: Serve>(
    stream: Stream,
    connection: Connection,
    listener: &Listener<S>,
) -> http2::Connection<TokioIo<Stream>, Exchanges<S>, TokioExecutor> {
    let connection = connection.into_shared();
    http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .max_header_list_size(listener.limits.max_head_bytes)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), Exchanges { service: listener.service.clone(), connection })
}

async fn finish<C>(mut connection: Pin<&mut C>, mut stopping: watch::Receiver<()>) -> Result<(), C::Error>
where
    C: GracefulConnection,
{
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        _ = stopping.changed() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// The service of one connection.
struct Exchanges<S> {
    service: S,
    connection: Connection,
}

impl<S: Serve> Service<Request<Incoming>> for Exchanges<S> {
    type Response = Response;
    type Error = Unanswered;
    type Future = Answering<S::Answer>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let connection = self.connection.clone();
        Answering::new(self.service.answer(request, connection.clone()), connection)
    }
}
