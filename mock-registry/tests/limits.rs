//! Pull limits on the wire: what counts, by what, and the exact texts. Source: facts/registry A4, A5, A7.

mod common;

use std::time::Duration;

use common::{IMAGE, MANIFEST, ask, check, exchanges, start, token};
use mock_registry::{Limited, MockRegistry, RegistryConfig};
use serde_json::json;
use testbed::net::{Names, Vantage};

async fn hub(limit: &str) -> MockRegistry {
    start(json!({
        "preset": "dockerhub", "limit": limit, "account-limit": "1/6h",
        "accounts": [{ "name": "ci", "password": "secret" }, { "name": "vip", "password": "x", "limit": "3/6h" }],
        "images": [{ "name": IMAGE, "layers": ["2KiB"] }],
    }))
    .await
}

async fn bearer(hub: &MockRegistry, account: Option<(&str, &str)>) -> String {
    format!("Bearer {}", token(hub, "repository:harness/ci-addon:pull", account).await)
}

#[tokio::test]
async fn only_manifest_gets_count_and_heads_are_told_where_they_stand() {
    let hub = hub("2/6h").await;
    let token = bearer(&hub, None).await;
    let with: &[(&str, &str)] = &[("authorization", &token)];
    let left = |n| {
        let text: &'static str =
            ["ratelimit-remaining: 0;w=21600", "ratelimit-remaining: 1;w=21600", "ratelimit-remaining: 2;w=21600"][n];
        text
    };
    let call = |method: &str| format!("{method} {MANIFEST}");
    let (get, head) = (call("GET"), call("HEAD"));
    check(
        &hub,
        &[
            (&head, with, 200, &["ratelimit-limit: 2;w=21600", left(2), "docker-ratelimit-source: 127.0.0.1"]),
            ("GET /v2/harness/ci-addon/tags/list", with, 200, &["no ratelimit-"]),
            (&get, with, 200, &[left(1), "strict-transport-security: max-age=31536000"]),
            (&head, with, 200, &[left(1)]),
            (&get, with, 200, &[left(0)]),
            (&head, with, 200, &[left(0), "docker-content-digest: sha256:"]),
            (
                &get,
                with,
                429,
                &[left(0), "ratelimit-limit: 2;w=21600", "no retry-after", "content-type: application/json"],
            ),
            (&head, with, 200, &[left(0)]),
        ],
    )
    .await;
    let refused = ask(&hub, &get, with).await;
    assert_eq!(
        refused.text(),
        "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached your unauthenticated pull rate \
         limit. https://www.docker.com/increase-rate-limit\"}]}\n"
    );
    let last = exchanges(&hub).pop().unwrap();
    let counted = last.counted.unwrap();
    assert_eq!((&*counted.key, counted.limit, counted.remaining), ("127.0.0.1", 2, 0));
    assert!(counted.refused && !counted.used);
    assert_eq!(last.error.as_deref(), Some("TOOMANYREQUESTS"));
}

#[tokio::test]
async fn pulls_come_back_as_the_window_moves() {
    let hub = hub("1/6h").await;
    let get = format!("GET {MANIFEST}");
    let status = async || {
        let token = bearer(&hub, None).await;
        ask(&hub, &get, &[("authorization", &token)]).await.status
    };
    assert_eq!(status().await, 200);
    hub.clock().advance(Duration::from_secs(6 * 3600 - 1));
    assert_eq!(status().await, 429);
    hub.clock().advance(Duration::from_secs(1));
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn an_account_has_a_limit_of_its_own_and_is_named_in_the_refusal() {
    let hub = hub("1/6h").await;
    let get = format!("GET {MANIFEST}");
    let nobody = bearer(&hub, None).await;
    let ci = bearer(&hub, Some(("ci", "secret"))).await;
    assert_eq!(ask(&hub, &get, &[("authorization", &nobody)]).await.status, 200);
    assert_eq!(ask(&hub, &get, &[("authorization", &nobody)]).await.status, 429);
    let granted = ask(&hub, &get, &[("authorization", &ci)]).await;
    assert_eq!(granted.header("ratelimit-limit"), "1;w=21600");
    let source = granted.header("docker-ratelimit-source").to_owned();
    assert_eq!(source.len(), 36, "{source} is no UUID");
    let refused = ask(&hub, &get, &[("authorization", &ci)]).await;
    assert_eq!(refused.status, 429);
    let message = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("You have reached your pull rate limit as 'ci': dckr_jti_"), "{message}");
    let tail = "=. You may increase the limit by upgrading. https://www.docker.com/increase-rate-limit";
    assert!(message.ends_with(tail), "{message}");
    assert_eq!(refused.header("docker-ratelimit-source"), source);
    let vip = bearer(&hub, Some(("vip", "x"))).await;
    let granted = ask(&hub, &get, &[("authorization", &vip)]).await;
    assert_eq!(granted.header("ratelimit-remaining"), "2;w=21600");
}

#[tokio::test]
async fn without_a_limit_there_are_no_headers() {
    let hub = start(json!({ "images": [{ "name": IMAGE }] })).await;
    let get = format!("GET {MANIFEST}");
    check(&hub, &[(&get, &[], 200, &["no ratelimit", "docker-distribution-api-version: registry/2.0"])]).await;
    hub.set_limit(Limited::Anonymous, Some("1/min".parse().unwrap()));
    check(&hub, &[(&get, &[], 200, &["ratelimit-remaining: 0;w=60"]), (&get, &[], 429, &[])]).await;
    hub.set_limit(Limited::Anonymous, None);
    check(&hub, &[(&get, &[], 200, &["no ratelimit"])]).await;
}

#[tokio::test]
async fn delegates_with_addresses_of_their_own_have_windows_of_their_own() {
    let names = Names::default();
    let config = RegistryConfig {
        preset: Some(String::from("harness-registry").into()),
        limit: Some("1/6h".parse().unwrap()),
        images: vec![common::image(IMAGE, &[])],
        ..RegistryConfig::default()
    };
    let registry = MockRegistry::builder("harness").config(config).names(&names).start().await.unwrap();
    let url = "https://app.harness.io/v2/registry/harness/ci-addon/manifests/1.16.92".parse().unwrap();
    for (address, status) in [("127.0.0.11", 200), ("127.0.0.12", 200), ("127.0.0.11", 429)] {
        let from = Some(address.parse().unwrap());
        let delegate = Vantage::in_world("build", from, None, &names, registry.journal()).unwrap();
        let answer = delegate.request(reqwest::Method::GET, &url).unwrap().send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["docker-ratelimit-source"], address);
    }
    let told = exchanges(&registry);
    assert!(told.iter().all(|exchange| exchange.host == "app.harness.io"), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_at_the_same_time_are_granted_no_more_than_the_limit() {
    let hub = hub("7/6h").await;
    let token = bearer(&hub, None).await;
    let get = format!("GET {MANIFEST}");
    let headers = [("authorization", token.as_str())];
    let calls = (0..30).map(|_| ask(&hub, &get, &headers));
    let answers = futures_util::future::join_all(calls).await;
    let mut told: Vec<_> = answers.iter().map(|a| (a.status, a.header("ratelimit-remaining").to_owned())).collect();
    told.sort();
    let granted = (0..7).map(|n| (200, format!("{n};w=21600")));
    let refused = (0..23).map(|_| (429, String::from("0;w=21600")));
    assert_eq!(told, granted.chain(refused).collect::<Vec<_>>());
}

/// What Docker Hub's presets tell, and those without a limit: the limit in the headers of an anonymous pull and of an account's, and in their tokens.
#[tokio::test]
async fn docker_hub_tells_its_limits() {
    type Told = (&'static str, &'static str);
    const FREE: Told = ("", "");
    const ANONYMOUS: Told = ("100;w=21600", "99;w=21600");
    const PERSONAL: Told = ("200;w=21600", "199;w=21600");
    let presets = [
        ("dockerhub", ANONYMOUS, PERSONAL),
        ("dockerhub-anon", ANONYMOUS, FREE),
        ("dockerhub-personal", FREE, PERSONAL),
        ("dockerhub-paid", FREE, FREE),
        ("dockerhub-hourly-plan", ("10;w=3600", "9;w=3600"), ("100;w=3600", "99;w=3600")),
        ("harness-registry", FREE, FREE),
        ("generic", FREE, FREE),
    ];
    for (preset, anonymous, account) in presets {
        let is_hub = preset.starts_with("dockerhub");
        let accounts = if is_hub { json!([{ "name": "ci", "password": "secret" }]) } else { json!([]) };
        let registry = start(json!({ "preset": preset, "accounts": accounts, "images": [{ "name": IMAGE }] })).await;
        let path =
            if preset == "harness-registry" { MANIFEST.replace("/v2/", "/v2/registry/") } else { MANIFEST.into() };
        for (who, (limit, remaining)) in [(None, anonymous), (Some(("ci", "secret")), account)] {
            let proof = if is_hub { bearer(&registry, who).await } else { String::from("none") };
            for method in ["GET", "HEAD"] {
                let answer = ask(&registry, &format!("{method} {path}"), &[("authorization", &proof)]).await;
                let told = (answer.status, answer.header("ratelimit-limit"), answer.header("ratelimit-remaining"));
                assert_eq!(told, (200, limit, remaining), "{method} {preset} {who:?}");
                assert_eq!(answer.header("docker-ratelimit-source").is_empty(), limit.is_empty(), "{preset} {who:?}");
            }
            if is_hub {
                let in_token = parameters(&proof);
                let expected = match limit.split_once(";w=") {
                    Some((pulls, window)) => json!({ "pull_limit": pulls, "pull_limit_interval": window }),
                    None => serde_json::Value::Null,
                };
                assert_eq!(in_token, expected, "{preset} {who:?}");
            }
        }
    }
}

/// `access[0].parameters` of a token.
fn parameters(bearer: &str) -> serde_json::Value {
    let claims = bearer.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["access"][0]["parameters"].clone()
}
