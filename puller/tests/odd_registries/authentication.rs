//! Challenges, tokens, passwords.

use std::time::Duration;

use puller::{RetryPolicy, Sink};
use testbed::{
    Seed,
    task::{Credentials, FailureKind, PullTask},
};

use crate::support::{MANIFEST, World, attempts, challenge, image, jo, status, wants_token};

const TOKEN: &str = "GET /token";

#[tokio::test]
async fn the_first_request_is_the_manifest_without_a_token() {
    let world = World::new(image(), wants_token(|_, _| true)).await;
    world.builder().concurrency(std::num::NonZeroUsize::MIN).build().pull(&world.task()).await.unwrap();
    let get = |path: &str| format!("GET {path}");
    let manifest = get(MANIFEST);
    let blobs = [get(&world.blob(0)), get(&world.blob(1)), get(&world.blob(2))];
    let expected = [manifest.clone(), String::from(TOKEN), manifest].into_iter().chain(blobs);
    assert_eq!(world.asked().await, expected.collect::<Vec<_>>());
    assert_eq!(world.proofs(MANIFEST).await, ["", "Bearer token-1"]);
    let requests = world.server.received_requests().await.unwrap();
    assert_eq!(requests[1].url.query(), Some("service=reg&scope=repository%3Aapp%3Apull"));
    assert_eq!(requests[0].headers["user-agent"], concat!("pullrig/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn credentials_go_to_the_token_service_and_the_account_is_named() {
    let world = World::new(image(), wants_token(|_, _| true)).await;
    world.builder().build().pull(&world.task_as_jo()).await.unwrap();
    assert_eq!(world.proofs("/token").await, ["Basic am86aHVudGVyMg=="]);
    let requests = world.server.received_requests().await.unwrap();
    let token = requests.iter().find(|request| request.url.path() == "/token").unwrap();
    assert_eq!(token.url.query(), Some("account=jo&service=reg&scope=repository%3Aapp%3Apull"));
}

#[tokio::test]
async fn a_basic_challenge_is_answered_with_the_password() {
    let wants_password =
        |request: &wiremock::Request, _| match request.headers.get("authorization").map(|value| value.as_bytes()) {
            Some(b"Basic am86aHVudGVyMg==") => None,
            _ => Some(challenge(r#"Basic realm="https://registry.test/",service="ecr.amazonaws.com""#)),
        };
    let world = World::new(image(), wants_password).await;
    world.builder().build().pull(&world.task_as_jo()).await.unwrap();
    assert_eq!(world.n_asked(&format!("GET {MANIFEST}")).await, 2);
    assert_eq!(world.proofs(&world.blob(1)).await, ["Basic am86aHVudGVyMg=="]);
    // Without credentials there is nothing to answer with.
    let failure = world.pull().await.unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::Unauthorized, Some(401)));
    assert_eq!(failure.message, "unauthorized: authentication required");
}

#[tokio::test]
async fn of_two_challenges_the_bearer_one_is_answered() {
    let odd = wants_token(|_, _| true);
    let both = r#"Basic realm="x", Bearer realm="https://registry.test/token",service="reg""#;
    let world = World::new(image(), move |request, n| {
        odd(request, n).map(|answer| if request.url.path() == "/token" { answer } else { challenge(both) })
    })
    .await;
    world.builder().build().pull(&world.task_as_jo()).await.unwrap();
    assert_eq!(world.proofs(MANIFEST).await, ["", "Bearer token-1"]);
}

#[tokio::test]
async fn a_token_without_expires_in_lives_a_minute_of_policy_time() {
    let odd = wants_token(|_, _| true);
    let image = image();
    let layer = crate::support::blob_path(&image, 1);
    let world = World::new(image, move |request, n| match request.url.path() {
        "/token" => Some(status(200).set_body_raw(format!(r#"{{"access_token":"token-{n}"}}"#), "application/json")),
        path if path == layer && n == 1 => Some(status(503).insert_header("retry-after", "61")),
        _ => odd(request, n),
    })
    .await;
    world.pull().await.unwrap();
    assert_eq!(world.n_asked(TOKEN).await, 2);
    assert_eq!(world.proofs(&world.blob(1)).await, ["Bearer token-1", "Bearer token-2"]);
    assert_eq!(world.elapsed(), Duration::from_secs(61));
}

#[tokio::test]
async fn a_token_refused_in_the_middle_is_replaced_once_for_all_layers() {
    let image = puller::LocalImage::synthetic(Seed(1), &[1000, 2000, 3000]);
    let layers: Vec<_> = (1..=3).map(|n| crate::support::blob_path(&image, n)).collect();
    let is_layer = move |path: &str| layers.iter().any(|layer| layer == path);
    let odd = wants_token(move |request, token| token != "token-1" || !is_layer(request.url.path()));
    let world = World::new(image, odd).await;
    world.pull().await.unwrap();
    assert_eq!(world.n_asked(TOKEN).await, 2);
    assert_eq!(world.proofs(&world.blob(0)).await, ["Bearer token-1"]);
}

#[tokio::test]
async fn layers_that_wait_for_a_token_do_not_keep_the_clock_from_moving() {
    let image = image();
    let config = crate::support::blob_path(&image, 0);
    let odd = wants_token(move |request, token| {
        let is_layer = request.url.path().contains("/blobs/") && request.url.path() != config;
        token != "token-1" || !is_layer
    });
    let world = World::new(image, move |request, n| {
        let is_second = request.url.path() == "/token" && n == 2;
        if is_second { Some(status(503).insert_header("retry-after", "90")) } else { odd(request, n) }
    })
    .await;
    world.pull().await.unwrap();
    assert_eq!(world.n_asked(TOKEN).await, 3);
    assert_eq!(world.elapsed(), Duration::from_secs(90));
}

#[tokio::test]
async fn a_registry_that_refuses_every_token_costs_one() {
    let world = World::new(image(), wants_token(|_, _| false)).await;
    let failure = world.builder().policy(attempts(9)).build().pull(&world.task()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unauthorized);
    assert_eq!(world.n_asked(TOKEN).await, 1);
    assert_eq!(world.n_asked(&format!("GET {MANIFEST}")).await, 2);
}

#[tokio::test]
async fn a_blob_that_refuses_every_token_costs_one_more() {
    let image = image();
    let config = crate::support::blob_path(&image, 0);
    let world = World::new(image, wants_token(move |request, _| request.url.path() != config)).await;
    let failure = world.pull().await.unwrap_err();
    assert_eq!(failure.status, Some(401));
    assert_eq!(world.n_asked(TOKEN).await, 2);
    assert_eq!(world.proofs(&world.blob(0)).await, ["Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn too_few_rights_are_told_as_denied() {
    let odd = wants_token(|_, _| false);
    let world = World::new(image(), move |request, n| {
        let insufficient = r#"Bearer realm="https://registry.test/token",service="reg",error="insufficient_scope""#;
        odd(request, n).map(|answer| if request.url.path() == "/token" { answer } else { challenge(insufficient) })
    })
    .await;
    let failure = world.pull().await.unwrap_err();
    assert_eq!(failure.message, "denied: requested access to the resource is denied");
    assert_eq!(failure.kind, FailureKind::Unauthorized);
}

#[tokio::test]
async fn a_token_service_that_throttles_or_talks_html_is_the_outcome() {
    let check =
        async |answer: wiremock::ResponseTemplate, kind, message: &str| {
            let odd = wants_token(|_, _| true);
            let world = World::new(image(), move |request, n| {
                if request.url.path() == "/token" { Some(answer.clone()) } else { odd(request, n) }
            })
            .await;
            let failure = world.builder().policy(RetryPolicy::default()).sink(Sink::Null).build();
            let failure = failure.pull(&world.task()).await.unwrap_err();
            assert_eq!(failure.kind, kind);
            assert!(failure.message.starts_with(message), "{failure}");
            assert_eq!(world.n_asked(TOKEN).await, 1);
        };
    check(status(429).set_body_string("slow down"), FailureKind::RateLimited, "toomanyrequests: slow down").await;
    let html = status(200).set_body_raw("<html>", "text/html");
    check(html, FailureKind::Protocol, "the token service's answer is no token").await;
    let none = status(200).set_body_raw(r#"{"errors":[]}"#, "application/json");
    check(none, FailureKind::Protocol, "authorization server did not include a token").await;
}

#[tokio::test]
async fn no_password_goes_to_a_plain_http_realm_elsewhere() {
    let elsewhere = |request: &wiremock::Request, _| {
        let header = r#"Bearer realm="http://elsewhere.test/token",service="reg""#;
        (request.url.path() != "/token").then(|| challenge(header))
    };
    let world = World::new(image(), elsewhere).await;
    world.names.add("elsewhere.test", *world.server.address());
    let failure = world.builder().build().pull(&world.task_as_jo()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unauthorized);
    assert!(failure.message.contains("http://elsewhere.test/token"), "{failure}");
    assert_eq!(world.n_asked(TOKEN).await, 0);
}

#[tokio::test]
async fn a_refresh_token_is_posted_to_the_token_service_and_shown_to_nobody_else() {
    let check = async |challenged: fn(&wiremock::Request, usize) -> Option<wiremock::ResponseTemplate>, pulls: bool| {
        let world = World::new(image(), challenged).await;
        let jo = Credentials { is_refresh_token: true, ..jo() };
        let outcome = world.builder().build().pull(&PullTask { credentials: Some(jo), ..world.task() }).await;
        assert_eq!(outcome.is_ok(), pulls, "{outcome:?}");
        world
    };
    let world = check(|request, n| wants_token(|_, _| true)(request, n), true).await;
    let requests = world.server.received_requests().await.unwrap();
    let posted: Vec<_> = requests.iter().filter(|request| request.url.path() == "/token").collect();
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].method.as_str(), "POST");
    let form = "grant_type=refresh_token&service=reg&client_id=pullrig&scope=repository%3Aapp%3Apull";
    assert_eq!(String::from_utf8_lossy(&posted[0].body), format!("{form}&refresh_token=hunter2"));
    assert!(world.proofs("/token").await.iter().all(String::is_empty));

    // A registry that wants a password has none to get.
    let world = check(|_, _| Some(challenge(r#"Basic realm="x""#)), false).await;
    assert_eq!(world.proofs(MANIFEST).await, [""]);
}
