//! A registry that stays up, asked as with curl: the challenge, an anonymous token, and Docker Hub's limit to the letter.
//!
//! Sources: facts/registry A2 (challenge and token), A4 (what counts), A5 (headers), A7 (the 429).

use reqwest::Method;
use tests::{
    by_hand::{ByHand, TOO_MANY, header, parameter},
    serve::Serve,
};

const REPOSITORY: &str = "library/alpine";

fn docker_hub() -> Serve {
    Serve::start(["--preset", "dockerhub-anon=127.0.0.1:0", "--image", "library/alpine:3=3MiB"])
}

#[tokio::test]
async fn the_challenge_leads_to_the_same_origin() {
    let hub = docker_hub();
    let by_hand = ByHand::new(hub.url());
    for target in ["/v2/", "/v2/library/alpine/manifests/3"] {
        let answer = by_hand.get(target).await;
        assert_eq!(answer.status(), 401, "{target}");
        let challenge = header(&answer, "www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        assert_eq!(parameter(challenge, "service"), Some("registry.docker.io"), "{challenge}");
        // Clients refuse a realm on another loopback port.
        let realm = parameter(challenge, "realm").expect("a realm");
        assert!(realm.starts_with(&format!("{}/", hub.url())), "{realm}");
        assert_eq!(header(&answer, "docker-distribution-api-version"), Some("registry/2.0"));
    }
}

#[tokio::test]
async fn an_anonymous_token_has_docker_hubs_fields() {
    let hub = docker_hub();
    let by_hand = ByHand::new(hub.url());
    let challenge = by_hand.get("/v2/").await;
    let realm = header(&challenge, "www-authenticate").and_then(|challenge| parameter(challenge, "realm")).unwrap();
    let scope = format!("scope=repository:{REPOSITORY}:pull");
    let answer = by_hand.get(&format!("{realm}?service=registry.docker.io&{scope}")).await;
    assert_eq!(answer.status(), 200);
    let token: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(token["expires_in"], 300);
    assert_eq!(token["token"], token["access_token"]);
    assert!(token["issued_at"].is_string());
}

#[tokio::test]
async fn remaining_falls_on_get_and_not_on_head_until_the_101st_get_is_refused() {
    let hub = docker_hub();
    let by_hand = ByHand::new(hub.url());
    let token = by_hand.token(REPOSITORY).await;
    for n_pulled in 1..=100 {
        let answer = by_hand.manifest(Method::GET, REPOSITORY, "3", &token).await;
        assert_eq!(answer.status(), 200, "GET {n_pulled}");
        assert_eq!(header(&answer, "ratelimit-limit"), Some("100;w=21600"));
        let remaining = format!("{};w=21600", 100 - n_pulled);
        assert_eq!(header(&answer, "ratelimit-remaining"), Some(&*remaining), "GET {n_pulled}");
        assert_eq!(header(&answer, "docker-ratelimit-source"), Some("127.0.0.1"));
        if n_pulled % 25 == 0 {
            for _ in 0..3 {
                let answer = by_hand.manifest(Method::HEAD, REPOSITORY, "3", &token).await;
                assert_eq!(answer.status(), 200, "HEAD after {n_pulled} GETs");
                assert_eq!(header(&answer, "ratelimit-limit"), Some("100;w=21600"));
                assert_eq!(header(&answer, "ratelimit-remaining"), Some(&*remaining), "a HEAD costs nothing");
            }
        }
    }
    let refused = by_hand.manifest(Method::GET, REPOSITORY, "3", &token).await;
    assert_eq!(refused.status(), 429, "the 101st GET");
    assert_eq!(header(&refused, "content-type"), Some("application/json"));
    assert_eq!(header(&refused, "ratelimit-remaining"), Some("0;w=21600"));
    assert_eq!(header(&refused, "retry-after"), None);
    let body = refused.text().await.unwrap();
    let expected = format!(r#"{{"errors":[{{"code":"TOOMANYREQUESTS","message":"{TOO_MANY}"}}]}}"#);
    assert_eq!(body.trim_end(), expected);
}

#[tokio::test]
async fn head_tells_what_get_brings_and_the_digest_is_that_of_the_bytes() {
    let hub = docker_hub();
    let by_hand = ByHand::new(hub.url());
    let token = by_hand.token(REPOSITORY).await;
    let head = by_hand.manifest(Method::HEAD, REPOSITORY, "3", &token).await;
    let get = by_hand.manifest(Method::GET, REPOSITORY, "3", &token).await;
    for name in ["content-type", "content-length", "docker-content-digest", "etag"] {
        assert!(header(&get, name).is_some(), "{name}");
        assert_eq!(header(&head, name), header(&get, name), "{name}");
    }
    let digest = header(&get, "docker-content-digest").unwrap().to_owned();
    assert_eq!(oci::Digest::of(&get.bytes().await.unwrap()).to_string(), digest);
    let by_digest = by_hand.manifest(Method::GET, REPOSITORY, &digest, &token).await;
    assert_eq!(by_digest.status(), 200);
}
