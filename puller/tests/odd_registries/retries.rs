//! Throttling and failing registries, measured on the virtual clock.

use std::{num::NonZeroUsize, time::Duration};

use puller::{RetryAfter, RetryPolicy};
use testbed::{
    Clock,
    clock::{after, http_date},
    task::FailureKind,
};
use wiremock::{Request, ResponseTemplate};

use crate::support::{MANIFEST, World, attempts, image, status};

fn manifest_fails(
    times: usize,
    answer: ResponseTemplate,
) -> impl Fn(&Request, usize) -> Option<ResponseTemplate> + Send + Sync + 'static {
    move |request, n| (request.url.path() == MANIFEST && n <= times).then(|| answer.clone())
}

#[tokio::test]
async fn a_429_in_plain_text_is_told_whole_and_not_tried_again() {
    let answer = status(429).set_body_raw("Slow down, please.\n", "text/plain");
    let world = World::new(image(), manifest_fails(9, answer)).await;
    let failure = world.pull().await.unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::RateLimited, Some(429)));
    assert_eq!(failure.message, "toomanyrequests: Slow down, please.");
    assert_eq!(world.asked().await.len(), 1);
    assert_eq!(world.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_retry_after_is_kept_and_one_that_is_too_long_is_told() {
    let check = async |header: &str, expected: Result<u64, &str>| {
        let answer = status(429).set_body_raw("Slow down.", "text/plain").insert_header("retry-after", header);
        let world = World::new(image(), manifest_fails(1, answer)).await;
        let told = world.pull().await.map(|_| world.elapsed().as_secs()).map_err(|failure| failure.message);
        assert_eq!(told, expected.map_err(String::from), "{header}");
    };
    check("7", Ok(7)).await;
    check("86400", Err("toomanyrequests: Slow down.; the registry asks to wait 24h")).await;
    for odd in ["0", "-5", "Wed, 31 Dec 2025 23:59:00 GMT", "soon", "0.5", ""] {
        check(odd, Err("toomanyrequests: Slow down.")).await;
    }
}

#[tokio::test]
async fn a_503_is_waited_out_with_growing_waits() {
    let world = World::new(image(), manifest_fails(2, status(503))).await;
    let pulled = world.pull().await.unwrap();
    assert_eq!(pulled.n_retries, 2);
    assert_eq!(world.waits_ms(), [1000, 2000]);
    assert_eq!(world.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn the_last_attempt_is_the_outcome() {
    let world = World::new(image(), manifest_fails(9, status(503))).await;
    let failure = world.pull().await.unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::Status, Some(503)));
    assert_eq!(failure.message, "received unexpected HTTP status: 503 Service Unavailable");
    assert_eq!(world.asked().await.len(), 3);
}

#[tokio::test]
async fn retry_after_is_kept_to_the_second_in_both_forms() {
    let date = http_date(after(Clock::DEFAULT_START, Duration::from_secs(6 * 3600)));
    let cap = RetryAfter::Cap(Duration::from_secs(60));
    let check = async |header: &str, retry_after, expected| {
        let answer = status(429).insert_header("retry-after", header);
        let world = World::new(image(), manifest_fails(1, answer)).await;
        let policy = RetryPolicy { too_many_requests: true, retry_after, ..RetryPolicy::default() };
        world.builder().policy(policy).build().pull(&world.task()).await.unwrap();
        assert_eq!(world.elapsed(), Duration::from_secs(expected), "{header}");
    };
    check("7", RetryAfter::Honour, 7).await;
    check(&date, RetryAfter::Honour, 6 * 3600).await;
    check(&date, cap, 60).await;
    check("7", RetryAfter::Ignore, 1).await;
    check("1767225660", RetryAfter::Honour, 1).await;
}

#[tokio::test]
async fn layers_back_off_side_by_side() {
    let check = async |concurrency, expected| {
        let image = image();
        let layers = [1, 2].map(|n| crate::support::blob_path(&image, n));
        let odd = move |request: &Request, n| {
            (n == 1 && layers.iter().any(|layer| layer == request.url.path())).then(|| status(500))
        };
        let world = World::new(image, odd).await;
        let puller = world.builder().concurrency(NonZeroUsize::new(concurrency).unwrap()).build();
        assert_eq!(puller.pull(&world.task()).await.unwrap().n_retries, 2);
        assert_eq!(world.elapsed(), Duration::from_secs(expected));
    };
    check(1, 2).await;
    check(2, 1).await;
}

#[tokio::test]
async fn a_layer_that_fails_ends_the_pull_while_another_waits() {
    let image = image();
    let [patient, doomed] = [1, 2].map(|n| crate::support::blob_path(&image, n));
    let odd = move |request: &Request, _| match request.url.path() {
        path if path == patient => Some(status(503).insert_header("retry-after", "3600")),
        path if path == doomed => Some(status(403).set_body_string("no")),
        _ => None,
    };
    let world = World::new(image, odd).await;
    let failure = world.builder().policy(attempts(2)).build().pull(&world.task()).await.unwrap_err();
    assert_eq!(failure.message, "denied: no");
    assert_eq!(world.elapsed(), Duration::ZERO);
}
