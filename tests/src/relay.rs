//! Lets testcontainers talk to a container engine that is older than it.
//!
//! An engine answers `client version 1.53 is too new` to requests under a version of its API that it does not know. The
//! docker command then asks which one it does know; testcontainers does not, and offers no switch. The parts of the API
//! that tests need did not change, so this relay writes the engine's own version into each request.

use std::{
    io::{self, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
};

use regex::Regex;

/// Relays to the engine behind `socket`, in threads that end with the process. Returns what `DOCKER_HOST` must be.
///
/// # Errors
/// There is no loopback port to listen on.
pub fn start(socket: &Path, version: &str) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let host = format!("tcp://{}", listener.local_addr()?);
    let (socket, version) = (socket.to_path_buf(), String::from(version));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (socket, version) = (socket.clone(), version.clone());
            // An exchange that breaks off is told by the client.
            thread::spawn(move || relay(client, &socket, &version));
        }
    });
    Ok(host)
}

/// One exchange: the head with another version, and then whatever both sides say. `Connection: close` keeps a second
/// request from following, whose head would pass unseen.
fn relay(client: TcpStream, socket: &PathBuf, version: &str) -> io::Result<()> {
    let mut engine = UnixStream::connect(socket)?;
    let mut requests = BufReader::new(client.try_clone()?);
    engine.write_all(head(&mut requests, version)?.as_bytes())?;

    let mut to_engine = engine.try_clone()?;
    let upload = thread::spawn(move || {
        let copied = io::copy(&mut requests, &mut to_engine);
        drop(to_engine.shutdown(Shutdown::Write));
        copied
    });
    let mut to_client = client;
    let mut buffer = [0; 16 << 10];
    // Not `io::copy`: a log that is followed has to arrive line by line.
    loop {
        match engine.read(&mut buffer)? {
            0 => break,
            n_read => to_client.write_all(&buffer[..n_read])?,
        }
    }
    to_client.shutdown(Shutdown::Both)?;
    drop(upload.join());
    Ok(())
}

fn head(requests: &mut impl io::BufRead, version: &str) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if requests.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(rewrite(&head, version))
}

/// The head of a request under another version of the API.
fn rewrite(head: &str, version: &str) -> String {
    let its_version = Regex::new(r"^(\S+ )/v\d+\.\d+/").expect("the pattern is well-formed");
    let head = its_version.replace(head, format!("${{1}}/v{version}/"));
    format!("{}Connection: close\r\n\r\n", head.strip_suffix("\r\n").unwrap_or(&head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_sent_under_the_engines_version() {
        assert_eq!(
            rewrite("GET /v1.53/info?a=/v1.53/ HTTP/1.1\r\nHost: x\r\n\r\n", "1.41"),
            "GET /v1.41/info?a=/v1.53/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        );
    }
}
