//! Challenges, tokens and passwords on the wire. Source: facts/registry A2, C1, C3.

mod common;

use std::time::Duration;

use common::{Answer, IMAGE, MANIFEST, ask, check, exchanges, request, send, start, token};
use mock_registry::MockRegistry;
use oci::Principal;
use serde_json::json;

async fn hub() -> MockRegistry {
    start(json!({
        "preset": "dockerhub",
        "accounts": [{ "name": "ci", "password": "secret" }],
        "images": [{ "name": IMAGE, "layers": ["2KiB"] }, { "name": "ratelimitpreview/test" }, { "name": "alpine:3" }],
    }))
    .await
}

const BY_NAME: (&str, &str) = ("host", "registry-1.docker.io");

#[tokio::test]
async fn the_challenge_is_docker_hubs() {
    let hub = hub().await;
    check(
        &hub,
        &[
            (
                "GET /v2/",
                &[BY_NAME],
                401,
                &[
                    "www-authenticate: Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"\n",
                    "docker-distribution-api-version: registry/2.0",
                    "strict-transport-security: max-age=31536000",
                    "content-type: application/json\n",
                ],
            ),
            (
                "GET /v2/ratelimitpreview/test/manifests/latest",
                &[BY_NAME],
                401,
                &[
                    ",service=\"registry.docker.io\",scope=\"repository:ratelimitpreview/test:pull\"\n",
                    "content-length: 164\n",
                    "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\",\"detail\":\
                     [{\"Type\":\"repository\",\"Class\":\"\",\"Name\":\"ratelimitpreview/test\",\"Action\":\"pull\"}]}]}\n",
                ],
            ),
            ("GET /v2/", &[("authorization", "Basic Y2k6c2VjcmV0")], 401, &["no error="]),
            ("GET /v2/", &[("authorization", "Bearer rubbish")], 401, &["error=\"invalid_token\""]),
        ],
    )
    .await;
    let realm = ask(&hub, "GET /v2/", &[]).await;
    let expected = format!("Bearer realm=\"{}/token\",service=\"registry.docker.io\"", hub.url());
    assert_eq!(realm.header("www-authenticate"), expected);
}

#[tokio::test]
async fn the_token_hosts_own_challenge_is_real_and_no_host_is_made_up() {
    let hub = hub().await;
    let real = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"\n";
    let invalid = ["no realm", "no www-authenticate", "UNSUPPORTED"];
    check(
        &hub,
        &[
            ("GET /v2/", &[("host", "auth.docker.io")], 401, &[real]),
            ("GET /v2/", &[("host", "elsewhere:5000")], 401, &["realm=\"http://elsewhere:5000/token\""]),
            ("GET /v2/", &[("host", "elsewhere")], 401, &["realm=\"http://elsewhere/token\""]),
            ("GET /v2/", &[("host", "a\",service=\"b")], 400, &invalid),
            ("GET /v2/", &[("host", "a b")], 400, &invalid),
            ("GET /token", &[("host", "a.test/x")], 400, &invalid),
        ],
    )
    .await;
}

#[tokio::test]
async fn there_is_a_token_endpoint_only_where_tokens_are_asked_for() {
    let unknown: &[&str] = &["no token\""];
    check(&hub().await, &[("GET /token", &[], 200, &[]), ("GET /v2/token", &[], 404, unknown)]).await;
    for config in [
        json!({}),
        json!({ "preset": "harness-registry" }),
        json!({ "auth": "basic", "accounts": [{ "name": "ci", "password": "x" }] }),
    ] {
        let registry = start(config).await;
        check(&registry, &[("GET /token", &[], 404, unknown), ("GET /v2/token", &[], 404, unknown)]).await;
    }
    let harness = start(json!({ "preset": "harness-registry", "auth": "bearer" })).await;
    let realm = "realm=\"https://app.harness.io/v2/token\"";
    check(
        &harness,
        &[
            ("GET /v2/", &[("host", "app.harness.io")], 401, &[realm]),
            ("GET /v2/token", &[], 200, &["\"expires_in\":300"]),
            ("GET /token", &[], 404, unknown),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_the_journal_keeps_of_a_request_is_bounded() {
    let registry = start(json!({})).await;
    let long = "x".repeat(3_000);
    ask(&registry, &format!("GET /v2/?{long}"), &[("user-agent", &long), ("range", &long), ("host", &long)]).await;
    let told = exchanges(&registry).pop().unwrap();
    for text in [Some(told.target), told.user_agent, told.range, Some(told.host)] {
        assert_eq!(text.map(|text| text.chars().count()), Some(2_049));
    }
}

#[tokio::test]
async fn the_token_answer_has_every_field() {
    let hub = hub().await;
    let answer = ask(
        &hub,
        "GET /token?service=registry.docker.io&scope=repository:library/alpine:pull",
        &[("host", "auth.docker.io")],
    )
    .await;
    let json = answer.json();
    assert_eq!(json["token"], json["access_token"]);
    assert_eq!(json["expires_in"], 300);
    assert_eq!(json["issued_at"], "2026-01-01T00:00:00.000000000Z");
    assert_eq!(json.as_object().unwrap().len(), 4);
}

#[tokio::test]
async fn of_two_tokens_one_may_be_worth_nothing() {
    let registry = start(json!({
        "auth": "bearer", "token": { "good": "access_token" }, "images": [{ "name": IMAGE, "layers": ["2KiB"] }],
    }))
    .await;
    let answer = ask(&registry, "GET /token?scope=repository:harness/ci-addon:pull", &[]).await;
    let json = answer.json();
    let get = format!("GET {MANIFEST}");
    for (field, status, told) in [("access_token", 200, ""), ("token", 401, "error=\"invalid_token\"")] {
        let authorization = format!("Bearer {}", json[field].as_str().unwrap());
        check(&registry, &[(&get, &[("authorization", &authorization)], status, &[told])]).await;
    }
}

#[tokio::test]
async fn a_token_opens_what_it_names_until_it_ends() {
    let hub = hub().await;
    let pull = token(&hub, "repository:harness/ci-addon:pull,push", None).await;
    let authorization = format!("Bearer {pull}");
    let with: &[(&str, &str)] = &[("authorization", &authorization)];
    let get = format!("GET {MANIFEST}");
    check(
        &hub,
        &[
            (&get, with, 200, &[]),
            ("GET /v2/", with, 200, &["content-length: 2"]),
            ("GET /v2/harness/ci-addon/manifests/absent", with, 404, &["MANIFEST_UNKNOWN"]),
            ("GET /v2/library/alpine/manifests/3", with, 401, &["error=\"insufficient_scope\""]),
            // An anonymous client asked to push as well, and was given less.
            ("POST /v2/harness/ci-addon/blobs/uploads/", with, 401, &["error=\"insufficient_scope\""]),
        ],
    )
    .await;
    hub.clock().advance(Duration::from_secs(300));
    check(&hub, &[(&get, with, 401, &["error=\"invalid_token\""])]).await;
    let told: Vec<_> = exchanges(&hub).into_iter().map(|exchange| exchange.authorization).collect();
    let told: Vec<_> = told.iter().map(Option::as_deref).collect();
    // The first one asked for the token.
    assert_eq!(
        told,
        [None, Some("Bearer"), Some("Bearer"), Some("Bearer"), Some("Bearer"), Some("Bearer"), Some("Bearer")]
    );
    let journal: String = hub.journal().entries().iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
    assert!(!journal.contains(&pull), "the journal has the token");
}

#[tokio::test]
async fn secrets_in_odd_places_stay_out_of_the_journal() {
    let hub = hub().await;
    ask(&hub, "GET /token?account=ci&password=hunter2&scope=x", &[("authorization", "hunter2")]).await;
    let told = exchanges(&hub).pop().unwrap();
    assert_eq!(told.target, "/token?account=ci&password=[secret]&scope=x");
    assert_eq!(told.authorization.as_deref(), Some("other"));
}

#[tokio::test]
async fn a_token_for_another_registry_is_refused() {
    let hub = hub().await;
    let answer = ask(&hub, "GET /token?service=quay.io&scope=repository:harness/ci-addon:pull", &[]).await;
    let authorization = format!("Bearer {}", answer.json()["token"].as_str().unwrap());
    let get = format!("GET {MANIFEST}");
    check(&hub, &[(&get, &[("authorization", &authorization)], 401, &["error=\"invalid_token\""])]).await;
}

#[tokio::test]
async fn an_absent_repository_looks_like_a_private_one() {
    let hub = hub().await;
    let get = "GET /v2/no/such/manifests/latest";
    for account in [None, Some(("ci", "secret"))] {
        let authorization = format!("Bearer {}", token(&hub, "repository:no/such:pull", account).await);
        let refused = &["error=\"insufficient_scope\"", "UNAUTHORIZED", "no ratelimit"];
        check(&hub, &[(get, &[("authorization", &authorization)], 401, refused)]).await;
    }
    assert!(exchanges(&hub).iter().all(|exchange| exchange.counted.is_none()));
    // Who pushes makes the repository, and may see that it is not there yet.
    let authorization = format!("Bearer {}", token(&hub, "repository:no/such:pull,push", Some(("ci", "secret"))).await);
    check(&hub, &[(get, &[("authorization", &authorization)], 404, &["NAME_UNKNOWN"])]).await;
}

#[tokio::test]
async fn credentials_are_checked_at_the_token_endpoint() {
    let hub = hub().await;
    let scope = "repository:harness/ci-addon:pull,push";
    let wrong = request(&hub, &format!("GET /token?scope={scope}"), &[]).basic_auth("ci", Some("wrong"));
    let wrong = Answer::of(wrong.send().await.unwrap()).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (401, "UNAUTHORIZED"));

    let authorization = format!("Bearer {}", token(&hub, scope, Some(("ci", "secret"))).await);
    let opened = ask(&hub, "POST /v2/harness/ci-addon/blobs/uploads/", &[("authorization", &authorization)]).await;
    assert_eq!(opened.status, 202);
    assert_eq!(exchanges(&hub).pop().unwrap().principal, Principal::Account("ci".parse().unwrap()));
}

#[tokio::test]
async fn the_oauth2_form_gives_and_takes_refresh_tokens() {
    let hub = hub().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let post = async |body: &str| send(&hub, "POST /token", &form, body.as_bytes().to_vec()).await;
    let scope = "service=registry.docker.io&client_id=t&scope=repository%3Aharness%2Fci-addon%3Apull";
    let first = post(&format!("grant_type=password&username=ci&password=secret&access_type=offline&{scope}")).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.json()["scope"], "repository:harness/ci-addon:pull");
    let refresh = first.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(post(&format!("grant_type=refresh_token&refresh_token={refresh}&{scope}")).await.status, 200);
    assert_eq!(post(&format!("grant_type=refresh_token&refresh_token=x&{scope}")).await.status, 401);
    assert_eq!(post(&format!("grant_type=password&username=ci&password=wrong&{scope}")).await.status, 401);
    assert_eq!(post("grant_type=magic").await.status, 400);
}

#[tokio::test]
async fn a_registry_with_basic_auth_wants_it_every_time() {
    let registry = start(json!({
        "auth": "basic", "anonymous": false,
        "accounts": [{ "name": "ci", "password": "secret" }],
        "images": [{ "name": IMAGE }],
    }))
    .await;
    let get = format!("GET {MANIFEST}");
    check(
        &registry,
        &[
            (&get, &[], 401, &["www-authenticate: Basic realm=\"hub\""]),
            (&get, &[("authorization", "Basic Y2k6d3Jvbmc=")], 401, &["UNAUTHORIZED"]),
            (&get, &[("authorization", "Basic Y2k6c2VjcmV0")], 200, &[]),
            ("GET /v2/", &[("authorization", "Basic Y2k6c2VjcmV0")], 200, &[]),
        ],
    )
    .await;
}

#[tokio::test]
async fn without_anonymous_pulls_a_token_for_nobody_opens_nothing() {
    let registry = start(json!({
        "preset": "dockerhub", "anonymous": false,
        "accounts": [{ "name": "ci", "password": "secret" }],
        "images": [{ "name": IMAGE }],
    }))
    .await;
    let get = format!("GET {MANIFEST}");
    for (account, status) in [(None, 401), (Some(("ci", "secret")), 200)] {
        let authorization = format!("Bearer {}", token(&registry, "repository:harness/ci-addon:pull", account).await);
        assert_eq!(ask(&registry, &get, &[("authorization", &authorization)]).await.status, status);
    }
}

#[tokio::test]
async fn a_mount_needs_to_read_where_the_blob_is() {
    let registry = start(json!({
        "preset": "dockerhub",
        "push": true,
        "accounts": [{ "name": "ci", "password": "secret" }],
        "images": [{ "name": "a/source", "layers": ["2KiB"] }],
    }))
    .await;
    let ci = Some(("ci", "secret"));
    let reading = token(&registry, "repository:a/source:pull", ci).await;
    let manifest = ask(&registry, "GET /v2/a/source/manifests/latest", &[("authorization", &bearer(&reading))]).await;
    let layer = manifest.json()["layers"][0]["digest"].as_str().unwrap().to_owned();
    let pushing = token(&registry, "repository:a/target:pull,push", ci).await;
    let both = token(&registry, "repository:a/target:pull,push%20repository:a/source:pull", ci).await;
    let mount = format!("POST /v2/a/target/blobs/uploads/?mount={layer}&from=a/source");
    let scopes = "scope=\"repository:a/target:pull,push repository:a/source:pull\"";
    check(
        &registry,
        &[
            (&mount, &[], 401, &[scopes, "no error="]),
            (&mount, &[("authorization", &bearer(&pushing))], 401, &[scopes, "error=\"insufficient_scope\""]),
            (&mount, &[("authorization", &bearer(&both))], 201, &["location: /v2/a/target/blobs/sha256"]),
        ],
    )
    .await;
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
