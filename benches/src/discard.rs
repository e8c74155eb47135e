//! An HTTP client that has the kernel throw bodies away, so that what is measured is the server.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use rustix::net::{RecvFlags, recv};

use crate::keep_alive::read_head;

/// The most that is thrown away at once, and that a head has.
const PIECE_BYTES: usize = 1 << 20;

/// One connection, and one request that is sent on it again and again.
#[derive(Debug)]
pub struct Discard {
    stream: TcpStream,
    request: String,
    buffer: Vec<u8>,
}

impl Discard {
    /// A connection to `at`, for GETs of `path`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn open(at: SocketAddr, path: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {at}\r\n\r\n");
        Ok(Self { stream, request, buffer: vec![0; PIECE_BYTES] })
    }

    /// One exchange; returns how long the body was.
    ///
    /// # Errors
    /// The connection ends, or the answer is another one than 200 with its length told.
    pub fn get(&mut self) -> io::Result<u64> {
        self.stream.write_all(self.request.as_bytes())?;
        let mut n_read = 0;
        let head_bytes = loop {
            n_read += some(self.stream.read(&mut self.buffer[n_read..])?)?;
            if let Some(at) = self.buffer[..n_read].windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let length = read_head(&self.buffer[..head_bytes])?;
        let mut n_left = length.saturating_sub(n_read - head_bytes);
        while n_left > 0 {
            let n_wanted = n_left.min(PIECE_BYTES);
            // Of TCP it is taken, and not copied.
            let (n_bytes, _) = recv(&self.stream, &mut self.buffer[..n_wanted], RecvFlags::TRUNC)?;
            n_left -= some(n_bytes)?;
        }
        Ok(length as u64)
    }
}

fn some(n_bytes: usize) -> io::Result<usize> {
    if n_bytes == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(n_bytes) }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    #[test]
    fn a_body_is_counted_whether_it_comes_with_its_head_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Discard::open(listener.local_addr().unwrap(), "/").unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for n_bytes in [0, 5, 3_000_000] {
                let n_read = stream.read(&mut [0; 256]).unwrap();
                assert!(n_read > 0, "there is a request");
                let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {n_bytes}\r\n\r\n").into_bytes();
                answer.resize(answer.len() + n_bytes, 0);
                stream.write_all(&answer).unwrap();
            }
        });
        assert_eq!([0; 3].map(|_| client.get().unwrap()), [0, 5, 3_000_000]);
        server.join().unwrap();
    }
}
