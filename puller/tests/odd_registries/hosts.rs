//! Other hosts: redirects, and hosts that may not be reached.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use puller::Progress;
use testbed::{
    Event,
    net::Vantage,
    task::{FailureKind, PullTask},
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{MANIFEST, Seen, World, attempts, blob_path, image, sane_answer, status, wants_token};

#[tokio::test]
async fn a_redirect_to_another_host_is_followed_without_authorization() {
    let image = image();
    let layer = blob_path(&image, 1);
    let odd = wants_token(|_, _| true);
    let path = layer.clone();
    let world = World::new(image.clone(), move |request, n| {
        let location = format!("https://cdn.test{path}?verify=1-sig");
        odd(request, n)
            .or_else(|| (request.url.path() == path).then(|| status(307).insert_header("location", location)))
    })
    .await;
    let cdn = MockServer::start().await;
    Mock::given(any()).respond_with(move |request: &wiremock::Request| sane_answer(&image, request)).mount(&cdn).await;
    world.names.add("cdn.test", *cdn.address());

    world.builder().build().pull(&world.task_as_jo()).await.unwrap();
    assert_eq!(world.proofs(&layer).await, ["Bearer token-1"]);
    let requests = cdn.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].url.query(), Some("verify=1-sig"));
    assert!(requests[0].headers.get("authorization").is_none());
    assert_eq!(requests[0].headers["host"], "cdn.test");
}

#[tokio::test]
async fn a_redirect_on_the_same_host_keeps_authorization() {
    let odd = wants_token(|_, _| true);
    let world = World::new(image(), move |request, n| {
        let moved = || status(301).insert_header("location", "/v2/app/manifests/1");
        odd(request, n).or_else(|| (request.url.path() == "/v2/app/manifests/old").then(moved))
    })
    .await;
    let task = PullTask { image: "registry.test/app:old".parse().unwrap(), ..world.task() };
    world.builder().build().pull(&task).await.unwrap();
    assert_eq!(world.proofs(MANIFEST).await, ["", "Bearer token-1"][1..]);
}

#[tokio::test]
async fn a_redirect_loop_ends_after_ten() {
    let answer = || ResponseTemplate::new(307).insert_header("location", MANIFEST);
    let world = World::new(image(), move |_, _| Some(answer())).await;
    let failure = world.pull().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert_eq!(failure.message, "GET https://registry.test/v2/app/manifests/1: stopped after 10 redirects");
    assert_eq!(world.asked().await.len(), 11);
}

#[tokio::test]
async fn a_host_off_the_allowlist_is_refused_at_once() {
    let world = World::new(image(), |_, _| None).await;
    let allow = [String::from("*.docker.io")];
    let from = Vantage::in_world("build-1", None, Some(&allow), &world.names, &world.journal).unwrap();
    let failure = world.builder().build().pull(&PullTask { from, ..world.task() }).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Egress);
    let expected = "egress to registry.test refused: it is not on the allowlist of build-1";
    assert_eq!(failure.message, expected);
    assert!(matches!(world.journal.entries()[1].event, Event::EgressRefused(_)));
    assert!(world.asked().await.is_empty());
}

#[tokio::test]
async fn a_host_that_the_world_lacks_does_not_exist() {
    let world = World::new(image(), |_, _| None).await;
    let task = PullTask { image: "quay.io/app:1".parse().unwrap(), ..world.task() };
    let failure = world.builder().build().pull(&task).await.unwrap_err();
    assert_eq!((failure.kind, &*failure.message), (FailureKind::Egress, "lookup quay.io: no such host"));
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_a_network_failure_after_the_last_attempt() {
    let world = World::new(image(), |_, _| None).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.names.add("registry.test", closed);
    let failure = world.pull().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Network);
    assert!(failure.message.starts_with("GET https://registry.test/v2/app/manifests/1: "), "{failure}");
    assert!(failure.message.to_lowercase().contains("connection refused"), "{failure}");
    assert_eq!(world.waits_ms(), [1000, 2000]);
}

#[tokio::test]
async fn an_answer_is_waited_for_as_long_as_was_said() {
    let late = || status(200).set_delay(Duration::from_secs(600));
    let world = World::new(image(), move |_, _| Some(late())).await;
    let puller = world.builder().policy(attempts(2)).timeout(Duration::from_millis(20)).build();
    let failure = puller.pull(&world.task()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Network);
    assert_eq!(failure.message, "GET https://registry.test/v2/app/manifests/1: no answer for 20ms");
    assert_eq!(world.waits_ms(), [1000]);
}

#[tokio::test]
async fn progress_is_told_in_order() {
    let world = World::new(image(), |request, n| (request.url.path() == MANIFEST && n == 1).then(|| status(502))).await;
    let seen: Seen<Progress> = Arc::new(Mutex::default());
    let puller = world.builder().concurrency(std::num::NonZeroUsize::MIN);
    let puller = puller.on_progress({
        let seen = Arc::clone(&seen);
        move |news| seen.lock().unwrap().push(news)
    });
    puller.build().pull(&world.task()).await.unwrap();
    let seen = seen.lock().unwrap();
    let kinds: String = seen
        .iter()
        .map(|news| match news {
            Progress::Retrying(_) => 'R',
            Progress::ManifestResolved { n_blobs: 3, .. } => 'M',
            Progress::ManifestResolved { .. } => '?',
            Progress::BlobStarted { .. } => 's',
            Progress::BlobProgress { .. } => 'p',
            Progress::BlobDone { .. } => 'd',
        })
        .collect();
    assert_eq!(kinds, "RMspdspdspd");
}
