//! What a listener bears, and how it refuses what it does not.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::support::{ask_raw, get_once, get2, http2, read_to_end, start_limited};
use crate::server::Limits;

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = start_limited(Limits { max_connections: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(server.address()).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // The first one has been accepted when it is answered.
    first.read_u8().await.unwrap();
    let answer = read_to_end(TcpStream::connect(server.address()).await.unwrap()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ntoo many connections\n"), "{answer}");
    drop(first);
    // A place is free as soon as the server has seen the end of the first one.
    while !ask_raw(server.address(), get_once("/")).await.unwrap_or_default().starts_with("HTTP/1.1 200") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_says_nothing_is_left() {
    let server = start_limited(Limits { begin_within: SHORT, ..Limits::default() }).await;
    let silent = TcpStream::connect(server.address()).await.unwrap();
    assert_eq!(read_to_end(silent).await.unwrap(), "");
    let mut half_a_preface = TcpStream::connect(server.address()).await.unwrap();
    half_a_preface.write_all(b"PRI * HT").await.unwrap();
    assert_eq!(read_to_end(half_a_preface).await.unwrap_or_default(), "");
}

#[tokio::test]
async fn a_slow_head_and_an_idle_connection_end() {
    let server = start_limited(Limits { head_within: SHORT, ..Limits::default() }).await;
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    assert_eq!(read_to_end(slow).await.unwrap_or_default(), "");
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let answer = read_to_end(idle).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn the_time_for_a_head_is_not_that_of_the_answer() {
    let server = start_limited(Limits { head_within: SHORT, ..Limits::default() }).await;
    let answer = ask_raw(server.address(), get_once("/slow")).await.unwrap();
    assert!(answer.ends_with("slow"), "{answer}");
}

#[tokio::test]
async fn who_reads_nothing_is_left() {
    let server = start_limited(Limits { stalled_write: SHORT, ..Limits::default() }).await;
    let mut stalled = TcpStream::connect(server.address()).await.unwrap();
    stalled.write_all(get_once("/large").as_bytes()).await.unwrap();
    // While this one is not read, the other side is done with it: it fills the sockets, waits and closes.
    tokio::time::sleep(SHORT * 6).await;
    let mut n_bytes = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(n @ 1..) = stalled.read(&mut buffer).await {
        n_bytes += n;
    }
    assert!(n_bytes < 64 << 20, "{n_bytes} bytes came");
}

#[tokio::test]
async fn who_reads_slowly_is_served() {
    let server = start_limited(Limits { stalled_write: SHORT * 4, ..Limits::default() }).await;
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    slow.write_all(get_once("/large").as_bytes()).await.unwrap();
    let mut n_bytes = 0;
    let mut buffer = vec![0; 8 << 20];
    while let n @ 1.. = slow.read(&mut buffer).await.unwrap() {
        n_bytes += n;
        if n_bytes < 16 << 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(n_bytes > 64 << 20);
}

#[tokio::test]
async fn a_head_that_is_too_large_over_http2_is_refused() {
    let server = start_limited(Limits::default()).await;
    let mut client = http2(TcpStream::connect(server.address()).await.unwrap()).await;
    let mut request = get2("/");
    for n in 0..10 {
        let name = http::HeaderName::try_from(format!("x-{n}")).unwrap();
        request.headers_mut().insert(name, "y".repeat(8000).parse().unwrap());
    }
    let refused = match client.send_request(request).await {
        Ok(response) => response.status() == http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        // A client that was told the limit in time sends none that is too large.
        Err(_) => true,
    };
    assert!(refused);
}
