//! Requests that are wrong: each gets the specification's JSON and the status of what is wrong.

use mock_registry::MockRegistry;
use oci::Digest;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    common::start,
    table::{OCI, image, line},
};

/// Sends these bytes on a connection of their own, and reads what comes back until the server closes it.
async fn send_raw(registry: &MockRegistry, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(registry.address()).await.unwrap();
    stream.write_all(format!("{head}\r\nhost: x.example\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    // A server that has refused already may have closed its end.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn paths_that_are_none_are_told_what_is_wrong() {
    let registry = start(json!({})).await;
    let check = async |path: &str, status: u16, code: &str| {
        // A client would tidy these paths up before it sends them.
        let answer = send_raw(&registry, &format!("GET {path} HTTP/1.1"), b"").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(head.contains("content-type: application/json"), "{path}: {answer}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{path}: {answer}"));
        assert_eq!(body["errors"][0]["code"], code, "{path}: {answer}");
    };
    let digest = Digest::of(b"x");
    check("/v2/UPPER/tags/list", 400, "NAME_INVALID").await;
    check("/v2/a_-b/tags/list", 400, "NAME_INVALID").await;
    check("/v2//tags/list", 400, "NAME_INVALID").await;
    check("/v2/a//b/tags/list", 400, "NAME_INVALID").await;
    check(&format!("/v2/{}/tags/list", "a".repeat(256)), 400, "NAME_INVALID").await;
    check("/v2/../../etc/passwd/tags/list", 400, "NAME_INVALID").await;
    check("/v2/a/../b/tags/list", 400, "NAME_INVALID").await;
    check("/v2/a/%2e%2e/tags/list", 400, "NAME_INVALID").await;
    check("/v2/a%2fb/tags/list", 400, "NAME_INVALID").await;
    check("/v2/a%00b/tags/list", 400, "NAME_INVALID").await;
    check("/v2/a%/tags/list", 400, "NAME_INVALID").await;
    check("/v2/a%zz/tags/list", 400, "NAME_INVALID").await;
    check("/v2/a%ff/tags/list", 400, "NAME_INVALID").await;
    check("/v2/a%252fb/tags/list", 400, "NAME_INVALID").await;
    check("/v2/a/manifests/-1", 400, "TAG_INVALID").await;
    check(&format!("/v2/a/manifests/{}", "a".repeat(129)), 400, "TAG_INVALID").await;
    check("/v2/a/manifests/", 400, "TAG_INVALID").await;
    check("/v2/a/manifests/sha256:baddigeststring", 400, "DIGEST_INVALID").await;
    check(&format!("/v2/a/blobs/{}", digest.as_str().to_uppercase()), 400, "DIGEST_INVALID").await;
    check("/v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", 400, "DIGEST_INVALID").await;
    check("/v2/a/blobs/latest", 400, "DIGEST_INVALID").await;
    check("/v2/a/referrers/latest", 400, "DIGEST_INVALID").await;
    check("/v2/a/blobs/uploads/a%20b", 404, "BLOB_UPLOAD_INVALID").await;
    check("/v2/a/blobs/uploads/unknown", 404, "BLOB_UPLOAD_UNKNOWN").await;
    check("/v2/a/tags/list/", 404, "UNSUPPORTED").await;
    check("/v2/a", 404, "UNSUPPORTED").await;
    check("/v1/_ping", 404, "UNSUPPORTED").await;
    check("/", 404, "UNSUPPORTED").await;
    check(&format!("/v2/a/blobs/{}", digest.as_str().replace(':', "%3A")), 404, "NAME_UNKNOWN").await;
    check(&format!("/{}", "x/".repeat(4000)), 404, "UNSUPPORTED").await;
}

#[tokio::test]
async fn methods_that_an_endpoint_does_not_have_are_refused() {
    let registry = start(json!({})).await;
    for call in ["PUT /v2/", "PATCH /v2/a/manifests/1", "POST /v2/a/tags/list", "BREW /v2/a/blobs/uploads/"] {
        line("405", call).is(&registry, 405, &["UNSUPPORTED", "allow: "]).await;
    }
}

#[tokio::test]
async fn json_that_is_too_deep_or_none_is_no_manifest() {
    let registry = start(json!({})).await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let put = |body: String| line("bad JSON", "PUT /v2/a/b/manifests/1").header("content-type", OCI).body(body);
    put(deep("[", "]")).is(&registry, 400, &["MANIFEST_INVALID", "recursion limit"]).await;
    put(deep("{\"a\":", "}").replace("}}", "1}}")).is(&registry, 400, &["MANIFEST_INVALID"]).await;
    put(format!("{{\"schemaVersion\":2,\"x\":{}}}", deep("[", "]"))).is(&registry, 400, &["recursion limit"]).await;
    for body in
        ["", "null", "7", "\"text\"", "{", "{\"schemaVersion\":2}", "{\"schemaVersion\":2,\"config\":{}}", "\u{0}"]
    {
        put(body.to_owned()).is(&registry, 400, &["MANIFEST_INVALID"]).await;
    }
    let negative =
        serde_json::to_string(&image(&registry, "a/b", b"layer").await).unwrap().replace("\"size\":5", "\"size\":-5");
    put(negative).is(&registry, 400, &["MANIFEST_INVALID"]).await;
}

#[tokio::test]
async fn a_manifest_of_a_hundred_mebibytes_is_refused_unread() {
    let registry = start(json!({})).await;
    // The body never comes: an answer means that nobody waited for it.
    let answer = send_raw(&registry, "PUT /v2/a/b/manifests/1 HTTP/1.1\r\ncontent-length: 104857600", b"{").await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("MANIFEST_INVALID"), "{answer}");
    let chunks = format!("{:x}\r\n{}\r\n", 5 << 20, " ".repeat(5 << 20));
    let answer =
        send_raw(&registry, "PUT /v2/a/b/manifests/1 HTTP/1.1\r\ntransfer-encoding: chunked", chunks.as_bytes());
    let answer = answer.await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_ends_early_keeps_nothing() {
    let registry = start(json!({})).await;
    let digest = Digest::of(b"hello");
    let head = format!("POST /v2/a/b/blobs/uploads/?digest={digest} HTTP/1.1\r\ncontent-length: 100");
    let mut stream = TcpStream::connect(registry.address()).await.unwrap();
    stream.write_all(format!("{head}\r\nhost: x.example\r\n\r\nhello").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    line("end-2", format!("GET /v2/a/b/blobs/{digest}")).is(&registry, 404, &["NAME_UNKNOWN"]).await;
}
