//! HTTP/1 and HTTP/2, plain and TLS.

use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::support::{NAME, Tls, ask_on, ask_raw, get_once, get2, http2, start};
use crate::tls::CertificateFlaw;

#[tokio::test]
async fn plain_http1() {
    let server = start().await;
    let answer = ask_raw(server.address(), get_once("/a")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhttp HTTP/1.1 /a"), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("\r\ndate:"), "{answer}");
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte() {
    let server = start().await;
    // It begins like the preface of HTTP/2 does.
    let request = format!("PROPFIND /a HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in request.bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("http HTTP/1.1 /a"), "{answer}");
}

#[tokio::test]
async fn http2_by_prior_knowledge() {
    let server = start().await;
    let mut client = http2(TcpStream::connect(server.address()).await.unwrap()).await;
    let answer = client.send_request(get2("/a")).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(answer, format!("http HTTP/2.0 http://{NAME}/a"));
}

#[tokio::test]
async fn a_large_body_passes_over_each() {
    let server = start().await;
    let mut client = http2(TcpStream::connect(server.address()).await.unwrap()).await;
    let plain = client.send_request(get2("/large")).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(plain.len(), 64 << 20);
    let tls = Tls::start(None).await;
    let mut client = http2(tls.connect(NAME, "h2").await.unwrap()).await;
    let encrypted = client.send_request(get2("/large")).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(encrypted.len(), 64 << 20);
    let stream = tls.connect(NAME, "http/1.1").await.unwrap();
    assert!(ask_on(stream, get_once("/large")).await.unwrap().len() > 64 << 20);
}

#[tokio::test]
async fn tls_with_what_the_client_offers() {
    let tls = Tls::start(None).await;
    for name in [NAME, "REGISTRY.test", "localhost", "127.0.0.1"] {
        let stream = tls.connect(name, "http/1.1").await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(ask_on(stream, get_once("/a")).await.unwrap().ends_with("https HTTP/1.1 /a"));
    }
    let mut client = http2(tls.connect(NAME, "h2").await.unwrap()).await;
    let answer = client.send_request(get2("/a")).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(answer, format!("https HTTP/2.0 http://{NAME}/a"));
}

#[tokio::test]
async fn a_client_refuses_a_certificate_that_is_not_for_it() {
    async fn refusal(flaw: Option<CertificateFlaw>, name: &str) -> String {
        Tls::start(flaw).await.connect(name, "http/1.1").await.unwrap_err().to_string()
    }
    let unknown_name = refusal(None, "elsewhere.test").await;
    assert!(unknown_name.contains("not valid for name"), "{unknown_name}");
    let untrusted = refusal(Some(CertificateFlaw::Untrusted), NAME).await;
    assert!(untrusted.contains("UnknownIssuer"), "{untrusted}");
    let expired = refusal(Some(CertificateFlaw::Expired), NAME).await;
    assert!(expired.contains("expired"), "{expired}");
    let other_name = refusal(Some(CertificateFlaw::OtherName), NAME).await;
    assert!(other_name.contains("other.invalid"), "{other_name}");
}

#[tokio::test]
async fn plain_http_to_a_listener_that_speaks_tls_is_told_so() {
    let tls = Tls::start(None).await;
    let answer = ask_raw(tls.server.address(), get_once("/a")).await.unwrap();
    assert_eq!(answer, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
}
