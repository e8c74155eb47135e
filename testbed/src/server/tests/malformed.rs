//! What no client should send.

use super::support::{Tls, ask_raw, start};
use crate::tls::CertificateFlaw;

async fn status_line(request: impl AsRef<[u8]>) -> String {
    let server = start().await;
    let answer = ask_raw(server.address(), request).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let header = format!("x: {}\r\n", "y".repeat(8000));
    let flood = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", header.repeat(9));
    assert_eq!(status_line(flood).await, "HTTP/1.1 431 Request Header Fields Too Large");
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(101));
    assert_eq!(status_line(many).await, "HTTP/1.1 431 Request Header Fields Too Large");
    let target = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000));
    let refused = status_line(target).await;
    // Which of the two depends on how much of it comes at once.
    assert!(refused.starts_with("HTTP/1.1 414 ") || refused.starts_with("HTTP/1.1 431 "), "{refused}");
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    for garbage in [
        "garbage\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n: no name\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n",
        "G\0T / HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        assert_eq!(status_line(garbage).await, "HTTP/1.1 400 Bad Request", "{garbage:?}");
    }
}

#[tokio::test]
async fn old_and_absolute_forms_are_served() {
    assert_eq!(status_line("GET /a HTTP/1.0\r\n\r\n").await, "HTTP/1.0 200 OK");
    let absolute = "GET http://registry.test/a HTTP/1.1\r\nhost: registry.test\r\nconnection: close\r\n\r\n";
    assert_eq!(status_line(absolute).await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn what_is_no_tls_ends_the_connection() {
    let tls = Tls::start(None::<CertificateFlaw>).await;
    // A handshake record that holds none: the answer is an alert at most.
    let answer = ask_raw(tls.server.address(), b"\x16\x03\x01\x00\x05hello").await.unwrap_or_default();
    assert!(!answer.contains("HTTP"), "{answer}");
    let answer = ask_raw(tls.server.address(), b"\0garbage\r\n\r\n").await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 400 "), "{answer}");
}

#[tokio::test]
async fn a_preface_and_then_garbage_ends_the_connection() {
    let server = start().await;
    let request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage that is no frame";
    let answer = ask_raw(server.address(), request).await.unwrap_or_default();
    assert!(!answer.contains("200"), "{answer}");
}
