//! Answers to those who are not served, written without HTTP's machinery.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The most of a request that is read before it is refused.
const MAX_READ_BYTES: usize = 16 * 1024;

/// Refuses a connection above the limit, without waiting for anything. One that speaks TLS is closed without a word, because
/// a handshake would be work for those of whom there are too many.
pub(super) fn refuse_many(stream: &TcpStream, is_tls: bool) {
    if is_tls {
        return;
    }
    // What was sent already and is not read would make the system reset the connection, and the answer be lost.
    let _ = stream.try_read(&mut [0; 1024]);
    let _ = stream.try_write(
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 21\r\nconnection: close\r\n\r\n\
          too many connections\n",
    );
}

/// Refuses a client that speaks plain HTTP to a listener that speaks TLS, in the words of Go's servers.
pub(super) async fn refuse_plain(stream: &mut TcpStream) -> io::Result<()> {
    let mut read = vec![0; MAX_READ_BYTES];
    let _ = stream.read(&mut read).await?;
    stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n").await?;
    stream.shutdown().await
}
