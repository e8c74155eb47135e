//! A push that does next to nothing beside sending.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use oci::Digest;

/// Pushes `n_pieces` times `piece` in one request, as a blob of `repository` that has this digest.
///
/// # Errors
/// Nobody listens there, or the answer is another one than 201.
pub fn push_blob(at: SocketAddr, repository: &str, digest: &Digest, piece: &[u8], n_pieces: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(at)?;
    let n_bytes = piece.len() * n_pieces;
    let target = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
    write!(stream, "POST {target} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\ncontent-length: {n_bytes}\r\n\r\n")?;
    for _ in 0..n_pieces {
        stream.write_all(piece)?;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 201 ") {
        return Ok(());
    }
    Err(io::Error::other(format!("not a 201: {}", answer.lines().next().unwrap_or_default())))
}
