//! The listener and its accept loop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use socket2::SockRef;
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{
    Connection, Listen, Serve,
    refuse::refuse_many,
    serve::{Listener, serve},
};

/// How long a stopping server waits for exchanges under way, in wire time.
const GRACE: Duration = Duration::from_secs(2);

/// How much of what is sent on a connection may wait for the client to read it, in bytes; Linux takes twice that. Left to
/// itself Linux lets it grow to several times as much, and what is sent has left the processor's cache before it is read.
const SEND_BUFFER_BYTES: usize = 512 << 10;

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
    stop: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl ServerHandle {
    /// Opens a listener and serves `service` on it.
    ///
    /// # Errors
    /// The address cannot be listened on: it is taken, or not this machine's.
    pub async fn start(service: impl Serve, listen: impl Into<Listen>) -> Result<Self, BindError> {
        let Listen { at, certificates, limits } = listen.into();
        let fail = |source| BindError { at, source };
        let socket = TcpListener::bind(at).await.map_err(fail)?;
        // Each connection has it from here. Without it a connection is only slower.
        let _ = SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER_BYTES);
        let address = socket.local_addr().map_err(fail)?;
        let (stop, stopping) = watch::channel(());
        let listener = Listener { service, address, certificates, limits };
        let accepting = tokio::spawn(accept(socket, listener, stopping));
        Ok(Self { address, stop, accepting })
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, and waits until exchanges under way are done, though not for long.
    pub async fn stop(mut self) {
        self.stop.send_replace(());
        // An accept loop that panicked has stopped too.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(socket: TcpListener, listener: Listener<impl Serve>, mut stopping: watch::Receiver<()>) {
    let max_connections = listener.limits.max_connections;
    let listener = Arc::new(listener);
    let mut tasks = JoinSet::new();
    let mut n_connections = 0;
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = stopping.changed() => break,
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
        if tasks.len() >= max_connections {
            tracing::warn!(%peer, max_connections, "too many connections");
            refuse_many(&stream, listener.certificates.is_some());
            continue;
        }
        n_connections += 1;
        let Some(connection) = introduce(&stream, n_connections, peer, &listener) else { continue };
        tasks.spawn(serve(stream, connection, listener.clone(), stopping.clone()));
    }
    drop(socket);
    // A client that still holds its connection after the grace period loses it with `tasks`.
    let _ = tokio::time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
}

fn introduce<S>(stream: &TcpStream, id: u64, peer: SocketAddr, listener: &Listener<S>) -> Option<Connection> {
    let local = stream.local_addr().ok()?;
    // Small answers must not wait for the client's acknowledgement of the previous one.
    let _ = stream.set_nodelay(true);
    Some(Connection::new(id, peer, local, listener.certificates.is_some()))
}
