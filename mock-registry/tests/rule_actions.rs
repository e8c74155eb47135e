//! What each action of a rule looks like on the wire: byte by byte where HTTP has no words for it.

mod common;

use std::time::{Duration, Instant};

use common::{IMAGE, MANIFEST, ask, check, exchanges, send, start, token};
use mock_registry::MockRegistry;
use oci::{Digest, ImageManifest};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

async fn registry(rules: Value) -> MockRegistry {
    start(json!({
        "images": [{ "name": IMAGE, "layers": ["64KiB"] }, { "name": "harness/ci-addon:next", "layers": ["4KiB"] }],
        "push": true,
        "rules": rules,
    }))
    .await
}

fn one(when: Value, then: Value) -> Value {
    json!([{ "when": when, "then": then }])
}

async fn layer(registry: &MockRegistry) -> Digest {
    let manifest = ask(registry, &format!("GET {MANIFEST}"), &[]).await;
    let image: ImageManifest = serde_json::from_slice(&manifest.body).unwrap();
    image.layers[0].digest.clone()
}

fn blob(digest: &Digest) -> String {
    format!("/v2/harness/ci-addon/blobs/{digest}")
}

/// Connects and asks.
async fn asked(registry: &MockRegistry, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(registry.address()).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: hub.test\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// All that arrives until the connection is closed, as text.
async fn everything(registry: &MockRegistry, path: &str) -> String {
    let mut bytes = Vec::new();
    asked(registry, path).await.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn raw_bytes_go_out_as_they_are() {
    let text = "HTTP/1.1 429 Too Many Requests\nRetry-After: 60\n\nToo Many Requests (HAP429).\n";
    let registry = registry(one(json!({ "manifest": "get" }), json!({ "raw": text }))).await;
    assert_eq!(everything(&registry, MANIFEST).await, text);
    assert_eq!(exchanges(&registry)[0].status, Some(429));
}

#[tokio::test]
async fn an_answer_in_a_dialect_is_that_of_the_real_registry() {
    let answer = json!({ "answer": { "dialect": "quay", "headers": { "retry-after": "3" } } });
    let registry = registry(one(json!({ "manifest": "get" }), answer)).await;
    let page =
        ["content-type: text/html", "retry-after: 3", "429 Too Many Requests", "nginx", "no docker-distribution"];
    check(&registry, &[(&format!("GET {MANIFEST}"), &[], 429, &page)]).await;
}

#[tokio::test]
async fn a_connection_is_closed_without_an_answer() {
    let registry = registry(one(json!({ "manifest": "get" }), json!("close"))).await;
    assert_eq!(everything(&registry, MANIFEST).await, "");
    let told = exchanges(&registry);
    assert_eq!((told[0].status, told[0].rule.as_deref()), (None, Some("rule-1")));
}

#[tokio::test]
async fn no_answer_comes_and_the_connection_stays() {
    let registry = registry(one(json!({ "manifest": "get" }), json!("no-answer"))).await;
    let mut stream = asked(&registry, MANIFEST).await;
    let mut byte = [0];
    let arrived = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut byte)).await;
    assert!(arrived.is_err(), "{arrived:?}");
    assert_eq!(exchanges(&registry)[0].status, None);
}

#[tokio::test]
async fn a_redirect_carries_what_was_asked_for() {
    let to = json!({ "redirect": { "to": "http://other.test{target}", "status": 308 } });
    let registry = registry(one(json!({ "tags": "get" }), to)).await;
    let location = ["location: http://other.test/v2/harness/ci-addon/tags/list?n=2"];
    check(&registry, &[("GET /v2/harness/ci-addon/tags/list?n=2", &[], 308, &location)]).await;
    assert_eq!(exchanges(&registry)[0].location_host.as_deref(), Some("other.test"));
}

#[tokio::test]
async fn headers_lie() {
    let registry = registry(json!([
        { "when": { "manifest": "get" }, "then": { "headers": {
            "set": { "docker-content-digest": "sha256:00", "content-type": "text/plain" }, "remove": ["etag"],
            "add": { "warning": "299 - \"moved\"" } } } },
        { "when": { "blob": "get" }, "then": { "headers": { "set": { "content-length": "70000" } } } },
        { "when": { "manifest": "head" }, "then": { "headers": { "remove": ["docker-content-digest"] } } },
    ]))
    .await;
    let lies = ["docker-content-digest: sha256:00", "content-type: text/plain", "no etag", "warning: 299 - \"moved\""];
    check(
        &registry,
        &[
            (&format!("GET {MANIFEST}"), &[], 200, &lies),
            (&format!("HEAD {MANIFEST}"), &[], 200, &["no docker-content-digest", "content-length"]),
        ],
    )
    .await;
    let path = blob(&layer(&registry).await);
    let answer = everything(&registry, &path).await;
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 70000") && head.contains("connection: close"), "{head}");
    let mut bytes = Vec::new();
    asked(&registry, &path).await.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes.len() - head.len() - 4, 64 << 10, "the body is what it is");
}

#[tokio::test]
async fn a_range_is_ignored_refused_or_lied_about() {
    let rule =
        |n: u32, fault: &str| json!({ "when": { "blob": "get" }, "times": { "nth": n }, "then": { "range": fault } });
    let registry = registry(json!([rule(1, "ignore"), rule(2, "refuse"), rule(3, "lie")])).await;
    let get = format!("GET {}", blob(&layer(&registry).await));
    let part: &[_] = &[("range", "bytes=10-19")];
    check(
        &registry,
        &[
            (&get, part, 200, &["content-length: 65536", "no content-range"]),
            (&get, part, 416, &["content-range: bytes */65536"]),
            (&get, part, 206, &["content-range: bytes 11-20/65537", "content-length: 10"]),
            (&get, part, 206, &["content-range: bytes 10-19/65536"]),
        ],
    )
    .await;
    let told = exchanges(&registry);
    assert_eq!(told[1].range.as_deref(), Some("bytes=10-19"), "the journal tells what was asked");
    assert_eq!(told[3].content_range.as_deref(), Some("bytes 11-20/65537"), "and what was answered");
}

#[tokio::test]
async fn a_chunked_body_that_is_cut_lacks_its_last_chunk() {
    let cut = json!({ "cut": { "after": "100%", "chunked": true } });
    let registry = registry(one(json!({ "blob": "get" }), cut)).await;
    let path = blob(&layer(&registry).await);
    let answer = everything(&registry, &path).await;
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length"), "{head}");
    assert!(!answer.ends_with("0\r\n\r\n"), "the body is whole");
    assert_eq!(exchanges(&registry).last().unwrap().length_bytes, None, "its length was not announced");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "bandwidth and stalls are wire time")]
async fn a_body_is_slow_and_stands_still() {
    let registry = registry(json!([
        { "when": { "blob": "get" }, "times": { "first": 1 }, "then": { "bandwidth": "512KiB" } },
        { "when": { "blob": "get" }, "times": { "nth": 2 }, "then": { "stall": { "after": "50%", "for": "120ms" } } },
    ]))
    .await;
    let path = blob(&layer(&registry).await);
    let get = format!("GET {path}");
    for _ in 0..2 {
        let begin = Instant::now();
        assert_eq!(ask(&registry, &get, &[]).await.body.len(), 64 << 10);
        assert!(begin.elapsed() >= Duration::from_millis(100), "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_stall_without_an_end_is_the_clients_to_give_up() {
    let registry = registry(one(json!({ "blob": "get" }), json!({ "stall": { "after": 1000 } }))).await;
    let path = blob(&layer(&registry).await);
    let mut stream = asked(&registry, &path).await;
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(Duration::from_millis(200), stream.read_to_end(&mut bytes)).await;
    assert!(ended.is_err(), "{ended:?}");
    let head_bytes = String::from_utf8_lossy(&bytes).find("\r\n\r\n").unwrap() + 4;
    assert_eq!(bytes.len() - head_bytes, 1000);
}

#[tokio::test]
async fn a_tag_moves_before_it_is_answered() {
    let registry = registry(json!([
        { "when": { "manifest": "head" }, "times": { "nth": 2 }, "then": { "move-tag": { "to": "next" } } },
        { "when": { "manifest": "get", "reference": "next" }, "then": { "move-tag": { "to": "absent" } } },
    ]))
    .await;
    let head = format!("HEAD {MANIFEST}");
    let mut digests = Vec::new();
    for _ in 0..3 {
        digests.push(ask(&registry, &head, &[]).await.header("docker-content-digest").to_owned());
    }
    assert_ne!(digests[0], digests[1]);
    assert_eq!(digests[1], digests[2]);
    let next = ask(&registry, "GET /v2/harness/ci-addon/manifests/next", &[]).await;
    assert_eq!(next.header("docker-content-digest"), digests[1], "what is not there moves nothing");
    let old = format!("GET /v2/harness/ci-addon/manifests/{}", digests[0]);
    check(&registry, &[(&old, &[], 200, &[])]).await;
}

#[tokio::test]
async fn an_upload_is_forgotten() {
    let registry = registry(one(json!({ "upload": "patch" }), json!("drop-session"))).await;
    let begun = send(&registry, "POST /v2/team/app/blobs/uploads/", &[], Vec::new()).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let patch = format!("PATCH {}", begun.header("location"));
    let answer = send(&registry, &patch, &[], b"abc".to_vec()).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "BLOB_UPLOAD_UNKNOWN"));
}

#[tokio::test]
async fn several_actions_are_all_performed() {
    let registry = registry(json!([{
        "when": { "manifest": "get", "state": "start" },
        "then": [{ "answer": { "status": 503, "body": "down" } }, { "headers": { "set": { "retry-after": "2" } } },
                 { "set-state": "up" }],
    }]))
    .await;
    let get = format!("GET {MANIFEST}");
    check(&registry, &[(&get, &[], 503, &["retry-after: 2", "down"]), (&get, &[], 200, &["no retry-after"])]).await;
    assert_eq!(registry.rules().state(), "up");
}

#[tokio::test]
async fn rules_see_the_connection_the_host_the_query_and_the_scheme() {
    let answer = |status: u16| json!({ "answer": { "status": status } });
    let registry = start(json!({
        "preset": "dockerhub", "images": [{ "name": IMAGE }],
        "rules": [
            { "when": { "manifest": "get", "query": { "ns": "docker.*" } }, "then": answer(501) },
            { "when": { "ping": "get", "host": "127.0.0.*" }, "then": answer(502) },
            { "when": { "manifest": "get", "headers": { "authorization": "Bearer" } }, "then": answer(503) },
            { "when": { "manifest": "get", "connection": 5 }, "then": answer(504) },
        ],
    }))
    .await;
    // Each request of this client comes on a connection of its own.
    check(
        &registry,
        &[
            (&format!("GET {MANIFEST}?ns=docker.io"), &[], 501, &[]),
            ("GET /v2/", &[], 502, &[]),
            (&format!("GET {MANIFEST}"), &[], 401, &[]),
        ],
    )
    .await;
    let bearer = format!("Bearer {}", token(&registry, "repository:harness/ci-addon:pull", None).await);
    check(
        &registry,
        &[
            (&format!("GET {MANIFEST}"), &[], 504, &[]),
            (&format!("GET {MANIFEST}"), &[("authorization", &bearer)], 503, &[]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_rule_is_in_force_for_a_while_of_policy_time() {
    let times = json!({ "from": "10m", "until": "1h" });
    let rule = json!([{ "when": { "ping": "get" }, "times": times, "then": { "answer": { "status": 503 } } }]);
    let registry = registry(rule).await;
    let mut told = Vec::new();
    for minutes in [0, 10, 49, 1] {
        registry.clock().advance(Duration::from_secs(minutes * 60));
        told.push(ask(&registry, "GET /v2/", &[]).await.status);
    }
    assert_eq!(told, [200, 503, 503, 200]);
}
