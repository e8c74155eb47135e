//! Answers that break off.

use std::io::ErrorKind;

use http_body_util::BodyExt as _;
use tokio::net::TcpStream;

use super::support::{Tls, ask_on, ask_raw, get_once, get2, http2, start};
use crate::server::{ANY_PORT, ServerHandle};

#[tokio::test]
async fn a_closed_connection_delivers_what_was_written() {
    let server = start().await;
    let answer = ask_raw(server.address(), get_once("/cut")).await.unwrap();
    assert!(answer.contains("half"), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_reset_connection_tells_the_client() {
    let server = start().await;
    let error = ask_raw(server.address(), get_once("/reset")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn over_tls_a_cut_is_no_proper_end() {
    let tls = Tls::start(None).await;
    let stream = tls.connect("localhost", "http/1.1").await.unwrap();
    let error = ask_on(stream, get_once("/cut")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "no close_notify is sent: {error}");
    let stream = tls.connect("localhost", "http/1.1").await.unwrap();
    let error = ask_on(stream, get_once("/reset")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn over_http2_only_the_exchange_ends() {
    let server = start().await;
    let mut client = http2(TcpStream::connect(server.address()).await.unwrap()).await;
    for path in ["/cut", "/reset"] {
        let mut body = client.send_request(get2(path)).await.unwrap().into_body();
        let mut seen = Vec::new();
        let error = loop {
            match body.frame().await.expect("the stream is reset before it ends") {
                Ok(frame) => seen.extend_from_slice(frame.data_ref().unwrap()),
                Err(error) => break error,
            }
        };
        assert_eq!(seen, b"half", "{path}");
        let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(reason.contains("stream error received"), "{path}: {error}: {reason}");
    }
    let answer = client.send_request(get2("/")).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert!(answer.starts_with(b"http HTTP/2.0"), "the connection goes on: {answer:?}");
}

#[tokio::test]
async fn raw_bytes_go_out_as_they_are_and_end_the_connection() {
    let server = start().await;
    let keep = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let answer = ask_raw(server.address(), keep("/raw")).await.unwrap();
    assert_eq!(answer, "HTTP/1.0 429 Slow\nretry-after: 1\n\nslow\n");
    assert_eq!(ask_raw(server.address(), keep("/silence")).await.unwrap(), "");
    let answer = ask_raw(server.address(), keep("/short")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("content-length: 2\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nfour"), "{answer}");
}

#[tokio::test]
async fn raw_bytes_come_behind_earlier_answers_of_a_pipeline() {
    let server = start().await;
    let both = format!("GET /large HTTP/1.1\r\nhost: x\r\n\r\n{}", get_once("/raw"));
    let answer = ask_raw(server.address(), both).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.len() > 64 << 20, "{}", answer.len());
    assert!(answer.ends_with("\0HTTP/1.0 429 Slow\nretry-after: 1\n\nslow\n"));
}

#[tokio::test]
async fn raw_bytes_go_out_over_tls_and_end_it_properly() {
    let tls = Tls::start(None).await;
    let stream = tls.connect("localhost", "http/1.1").await.unwrap();
    let answer = ask_on(stream, get_once("/raw")).await.unwrap();
    assert_eq!(answer, "HTTP/1.0 429 Slow\nretry-after: 1\n\nslow\n");
}

#[tokio::test]
async fn over_http2_a_raw_answer_is_a_reset_of_its_exchange() {
    let server = start().await;
    let mut client = http2(TcpStream::connect(server.address()).await.unwrap()).await;
    for path in ["/raw", "/silence"] {
        let error = client.send_request(get2(path)).await.unwrap_err();
        let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(reason.contains("stream error received"), "{path}: {error}: {reason}");
    }
    let answer = client.send_request(get2("/")).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert!(answer.starts_with(b"http HTTP/2.0"), "the connection goes on: {answer:?}");
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let server = start().await;
    let error = ServerHandle::start(super::support::service(), server.address()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {}", server.address()));
    assert_ne!(server.address(), ANY_PORT);
}
