//! The first bytes of a connection: TLS or not, HTTP/1 or HTTP/2.

use std::io;

use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_rustls::LazyConfigAcceptor;

use super::{
    Connection,
    refuse::refuse_plain,
    serve::Listener,
    stream::{Io, Stream},
};
use crate::tls::Certificates;

/// What a client that knows that the server speaks HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The first byte of every TLS connection: a handshake record (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Finds out what the client speaks; none if it has been refused, or has gone.
pub(super) async fn begin<S>(
    stream: TcpStream,
    connection: &Connection,
    listener: &Listener<S>,
) -> io::Result<Option<(Protocol, Stream)>> {
    let Some(certificates) = &listener.certificates else {
        return begin_plain(stream, connection, listener).await.map(Some);
    };
    begin_tls(stream, connection, listener, certificates).await
}

/// Over plain TCP, only what the client begins with tells. What was read of it is read again by whoever serves it.
async fn begin_plain<S>(
    mut stream: TcpStream,
    connection: &Connection,
    listener: &Listener<S>,
) -> io::Result<(Protocol, Stream)> {
    let mut read = Vec::with_capacity(PREFACE.len());
    let protocol = loop {
        if !PREFACE.starts_with(&read) {
            break Protocol::Http1;
        }
        if read.len() == PREFACE.len() {
            break Protocol::Http2;
        }
        let mut rest = (&mut stream).take((PREFACE.len() - read.len()) as u64);
        if rest.read_buf(&mut read).await? == 0 {
            break Protocol::Http1;
        }
    };
    Ok((protocol, Stream::new(Io::Plain(stream), read, connection.clone(), listener.limits.stalled_write)))
}

/// Over TLS, the handshake tells (ALPN), and HTTP/1 is what those speak who do not say.
async fn begin_tls<S>(
    mut stream: TcpStream,
    connection: &Connection,
    listener: &Listener<S>,
    certificates: &Certificates,
) -> io::Result<Option<(Protocol, Stream)>> {
    let mut first = [0; 1];
    match stream.peek(&mut first).await? {
        0 => return Ok(None),
        _ if first[0] == HANDSHAKE => {}
        _ => return refuse_plain(&mut stream).await.map(|()| None),
    }
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    let name = hello.client_hello().server_name().map(str::to_owned);
    let config =
        certificates.config(name.as_deref(), listener.address, connection.local.ip()).map_err(io::Error::other)?;
    let stream = hello.into_stream(config).await?;
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let io = Io::Tls(Box::new(stream));
    Ok(Some((protocol, Stream::new(io, Vec::new(), connection.clone(), listener.limits.stalled_write))))
}
