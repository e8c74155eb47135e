//! An HTTP client that does next to nothing, so that what is measured is the server.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// One connection, on which requests are sent one after the other: the same again and again, or each its own.
#[derive(Debug)]
pub struct KeepAlive {
    stream: TcpStream,
    request: String,
    answer: Vec<u8>,
}

impl KeepAlive {
    /// A connection to `at`, for GETs of `path`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn open(at: SocketAddr, path: &str) -> io::Result<Self> {
        Self::open_for(at, format!("GET {path} HTTP/1.1\r\nhost: {at}\r\n\r\n")).await
    }

    /// A connection to `at`, for `request`, as it goes over the wire.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn open_for(at: SocketAddr, request: String) -> io::Result<Self> {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request, answer: Vec::with_capacity(64 * 1024) })
    }

    /// Another request from now on.
    pub fn set_request(&mut self, request: String) {
        self.request = request;
    }

    /// One exchange with the request that is set; returns the body.
    ///
    /// # Errors
    /// The connection ends, or the answer is another one than 200 with its length told.
    pub async fn exchange(&mut self) -> io::Result<&[u8]> {
        self.stream.write_all(self.request.as_bytes()).await?;
        self.answer.clear();
        let body_start = loop {
            self.read_some().await?;
            if let Some(at) = self.answer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let end = body_start + read_head(&self.answer[..body_start])?;
        while self.answer.len() < end {
            self.read_some().await?;
        }
        Ok(&self.answer[body_start..end])
    }

    /// Ends the connection at once, without the minute that the system would keep its port for.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    async fn read_some(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.answer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The length of the body that an answer's head tells.
pub(crate) fn read_head(head: &[u8]) -> io::Result<usize> {
    let head = std::str::from_utf8(head).map_err(io::Error::other)?;
    let mut lines = head.lines();
    match lines.next() {
        Some(status) if status.starts_with("HTTP/1.1 200 ") => {}
        status => return Err(io::Error::other(format!("not a 200: {}", status.unwrap_or_default()))),
    }
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.and_then(|(_, length)| length.trim().parse().ok()).ok_or_else(|| io::Error::other("no content-length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_the_length_of_its_body() {
        assert_eq!(read_head(b"HTTP/1.1 200 OK\r\nx: y\r\nContent-Length: 12\r\n\r\n").unwrap(), 12);
    }

    #[test]
    fn another_status_is_an_error() {
        let error = read_head(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n").unwrap_err();
        assert_eq!(error.to_string(), "not a 200: HTTP/1.1 429 Too Many Requests");
    }
}
