//! What rules do to exchanges, seen from the client and in the journal.

mod common;

use std::time::{Duration, Instant};

use common::{IMAGE, MANIFEST, ask, check, exchanges, request, start, token};
use mock_registry::MockRegistry;
use oci::{Digest, ImageManifest};
use serde_json::{Value, json};
use testbed::journal::{BodyEnd, Event};

async fn registry(rules: Value) -> MockRegistry {
    start(json!({ "images": [{ "name": IMAGE, "layers": ["3MiB", "1MiB"] }], "rules": rules })).await
}

async fn layer(registry: &MockRegistry, n: usize) -> Digest {
    let manifest = ask(registry, &format!("GET {MANIFEST}"), &[]).await;
    let image: ImageManifest = serde_json::from_slice(&manifest.body).unwrap();
    image.layers[n].digest.clone()
}

/// Reads a blob until it ends or breaks; says whether it was whole.
async fn read(registry: &MockRegistry, digest: &Digest) -> (usize, bool) {
    let mut response =
        request(registry, &format!("GET /v2/harness/ci-addon/blobs/{digest}"), &[]).send().await.unwrap();
    let mut n_bytes = 0;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => n_bytes += chunk.len(),
            Ok(None) => return (n_bytes, true),
            Err(_) => return (n_bytes, false),
        }
    }
}

async fn last_end(registry: &MockRegistry) -> (u64, BodyEnd) {
    for _ in 0..200 {
        if let Some(Event::BodyEnded(ended)) = registry.journal().entries().last().map(|entry| &entry.event) {
            return (ended.sent_bytes, ended.end);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no body ended: {:#?}", registry.journal().entries());
}

#[tokio::test]
async fn an_answer_replaces_the_registrys_own_and_uses_no_pull() {
    let registry = start(json!({
        "limit": "5/6h",
        "images": [{ "name": IMAGE }],
        "rules": [{
            "name": "proxy-page",
            "when": { "manifest": "get", "repository": "harness/*", "attempt": "1..2" },
            "then": { "answer": { "status": 429, "headers": { "Retry-After": "7", "Content-Type": "text/html" }, "body": "<h1>slow</h1>" } },
        }],
    }))
    .await;
    let get = format!("GET {MANIFEST}");
    let page = ["retry-after: 7", "content-type: text/html", "<h1>slow</h1>", "no docker-distribution", "no ratelimit"];
    check(
        &registry,
        &[(&get, &[], 429, &page), (&get, &[], 429, &page), (&get, &[], 200, &["ratelimit-remaining: 4;w=21600"])],
    )
    .await;
    let told = exchanges(&registry);
    assert_eq!(told[0].rule.as_deref(), Some("proxy-page"));
    assert_eq!((told[2].rule.as_deref(), told[2].counted.as_ref().map(|counted| counted.used)), (None, Some(true)));
    assert_eq!(registry.rules().uses()[0].n_fired, 2);
}

#[tokio::test]
async fn a_cut_body_ends_short_of_its_length() {
    let rules = json!([{ "when": { "blob": "get", "layer": 1 }, "times": { "first": 1 }, "then": { "cut": { "after": "50%" } } }]);
    let registry = registry(rules).await;
    let (first, second) = (layer(&registry, 0).await, layer(&registry, 1).await);
    assert_eq!(read(&registry, &second).await, (1 << 20, true));
    assert_eq!(read(&registry, &first).await, (3 << 19, false));
    assert_eq!(last_end(&registry).await, (3 << 19, BodyEnd::Cut));
    assert_eq!(read(&registry, &first).await, (3 << 20, true));
}

#[tokio::test]
async fn a_reset_connection_breaks_the_body() {
    let rules = json!([{ "when": { "blob": "get" }, "then": { "reset": { "after": "1MiB" } } }]);
    let registry = registry(rules).await;
    let digest = layer(&registry, 0).await;
    let (n_bytes, is_whole) = read(&registry, &digest).await;
    assert!(!is_whole && n_bytes <= 1 << 20, "{n_bytes}");
    assert_eq!(last_end(&registry).await, (1 << 20, BodyEnd::Reset));
}

#[tokio::test]
async fn a_cut_at_the_very_end_leaves_the_body_whole() {
    let rules = json!([{ "when": { "blob": "get" }, "then": { "cut": { "after": "100%" } } }]);
    let registry = registry(rules).await;
    let digest = layer(&registry, 1).await;
    assert_eq!(read(&registry, &digest).await, (1 << 20, true));
    assert_eq!(last_end(&registry).await, (1 << 20, BodyEnd::Complete));
}

#[tokio::test]
async fn a_corrupted_body_has_one_other_byte() {
    let rules = json!([
        { "when": { "blob": "get" }, "times": { "first": 1 }, "then": { "corrupt": { "at": "50%" } } },
        { "when": { "manifest": "get" }, "times": { "nth": 2 }, "then": { "corrupt": { "at": "100%" } } },
    ]);
    let registry = registry(rules).await;
    let digest = layer(&registry, 0).await;
    let get = format!("GET /v2/harness/ci-addon/blobs/{digest}");
    let (bad, good) = (ask(&registry, &get, &[]).await.body, ask(&registry, &get, &[]).await.body);
    assert_eq!(Digest::of(&good), digest);
    let differing: Vec<_> = (0..good.len()).filter(|at| good[*at] != bad[*at]).collect();
    assert_eq!(differing, [3 << 19]);
    let manifest = ask(&registry, &format!("GET {MANIFEST}"), &[]).await;
    assert_ne!(Digest::of(&manifest.body).as_str(), manifest.header("docker-content-digest"));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a delay is wire time")]
async fn a_delay_is_waited_for_in_wire_time() {
    let registry = registry(json!([{ "when": { "ping": "any" }, "then": { "delay": { "for": "150ms" } } }])).await;
    let begin = Instant::now();
    assert_eq!(ask(&registry, "GET /v2/", &[]).await.status, 200);
    assert!(begin.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn an_expired_token_stays_expired() {
    let registry = start(json!({
        "preset": "dockerhub", "images": [{ "name": IMAGE }],
        "rules": [{ "when": { "manifest": "get" }, "times": { "nth": 2 }, "then": "expire-token" }],
    }))
    .await;
    let scope = "repository:harness/ci-addon:pull";
    let old = format!("Bearer {}", token(&registry, scope, None).await);
    let get = format!("GET {MANIFEST}");
    let refused = &["error=\"invalid_token\""];
    check(
        &registry,
        &[
            (&get, &[("authorization", &old)], 200, &[]),
            (&get, &[("authorization", &old)], 401, refused),
            (&get, &[("authorization", &old)], 401, refused),
        ],
    )
    .await;
    let new = format!("Bearer {}", token(&registry, scope, None).await);
    check(&registry, &[(&get, &[("authorization", &new)], 200, &[])]).await;
}

#[tokio::test]
async fn an_abandoned_body_is_told_so() {
    let registry = start(json!({ "images": [{ "name": IMAGE, "layers": ["256MiB"] }] })).await;
    let digest = layer(&registry, 0).await;
    let mut response =
        request(&registry, &format!("GET /v2/harness/ci-addon/blobs/{digest}"), &[]).send().await.unwrap();
    response.chunk().await.unwrap();
    drop(response);
    let (sent_bytes, end) = last_end(&registry).await;
    assert_eq!(end, BodyEnd::Abandoned);
    assert!(sent_bytes < 256 << 20);
}
