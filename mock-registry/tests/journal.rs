//! What the journal keeps of one exchange, beside what was asked and answered.

mod common;

use common::{MANIFEST, ask, exchanges, start, token};
use serde_json::json;
use testbed::journal::Protocol;

const IMAGE: &str = "library/alpine:3";

#[tokio::test]
async fn a_token_is_told_by_a_fingerprint_that_is_the_same_when_it_is_used_again() {
    let hub =
        start(json!({ "preset": "dockerhub", "limit": "9/h", "images": [{ "name": IMAGE, "layers": ["1KiB"] }] }))
            .await;
    let token = token(&hub, "repository:library/alpine:pull", None).await;
    let bearer = format!("Bearer {token}");
    for authorization in [&*bearer, &*bearer, "Bearer other", "Basic YTpi"] {
        ask(&hub, "GET /v2/library/alpine/manifests/3", &[("authorization", authorization)]).await;
    }
    let told: Vec<_> = exchanges(&hub).into_iter().map(|it| (it.authorization, it.token)).collect();
    let of_token = testbed::redact::fingerprint(token.as_bytes());
    assert_eq!(told[0], (None, None), "the token service");
    assert_eq!(told[1], (Some("Bearer".to_owned()), Some(of_token)));
    assert_eq!(told[1], told[2]);
    assert_ne!(told[2].1, told[3].1);
    assert_eq!(told[4], (Some("Basic".to_owned()), None), "a password has none");
}

#[tokio::test]
async fn what_an_answer_says_of_ranges_waiting_and_other_hosts_is_kept() {
    let registry = start(json!({
        "images": [{ "name": common::IMAGE, "layers": ["1KiB"] }],
        "api": { "redirect-blobs": "cdn.acme.test" },
        "hosts": ["registry.acme.test"],
        "rules": [{ "name": "busy", "when": { "manifest": "head" },
            "then": { "answer": { "status": 429, "headers": { "retry-after": "7" } } } }],
    }))
    .await;
    let manifest = ask(&registry, &format!("GET {MANIFEST}"), &[("accept", "*/*")]).await;
    let layer = manifest.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
    let blob = format!("GET /v2/harness/ci-addon/blobs/{layer}");
    ask(&registry, &format!("HEAD {MANIFEST}"), &[]).await;
    ask(&registry, &blob, &[("range", "bytes=1000-"), ("host", "172.17.0.1:5000")]).await;
    ask(&registry, &blob, &[("host", "registry.acme.test")]).await;
    let told = exchanges(&registry);
    assert_eq!((told[0].accept.as_deref(), told[0].protocol), (Some("*/*"), Protocol::Http1));
    assert_eq!(told[1].retry_after.as_deref(), Some("7"));
    assert_eq!(told[2].content_range.as_deref(), Some("bytes 1000-1023/1024"));
    assert_eq!(told[3].location_host.as_deref(), Some("cdn.acme.test"));
}
