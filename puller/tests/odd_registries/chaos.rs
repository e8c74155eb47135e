//! A registry that is odd in every way at once. Whatever it answers, a pull ends, asks a bounded number of times, and
//! what it keeps is what its digest says.

use std::{fs, time::Duration};

use oci::Digest;
use proptest::prelude::*;
use puller::{RetryPolicy, Sink};
use wiremock::{Request, ResponseTemplate};

use crate::support::{MANIFEST, World, attempts, challenge, image, sane_answer, status};

/// What happens to one exchange.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Status(u16),
    Challenge(&'static str),
    Redirect(&'static str),
    Body(u8),
    Empty,
    Halved,
    Page,
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => prop::sample::select(vec![201, 204, 206, 302, 400, 401, 403, 404, 416, 429, 500, 503]).prop_map(Fault::Status),
        1 => prop::sample::select(vec![
            r#"Bearer realm="https://registry.test/token",service="reg""#,
            r#"Bearer realm="/token""#,
            r#"Basic realm="x""#,
            "Bearer",
        ]).prop_map(Fault::Challenge),
        1 => prop::sample::select(vec![MANIFEST, "/v2/", "//", "https://quay.io/"]).prop_map(Fault::Redirect),
        1 => any::<u8>().prop_map(Fault::Body),
        1 => Just(Fault::Empty),
        1 => Just(Fault::Halved),
        1 => Just(Fault::Page),
    ]
}

fn perform(fault: Fault, request: &Request) -> Option<ResponseTemplate> {
    let image = image();
    let is_token = request.url.path() == "/token";
    let token = || status(200).set_body_raw(r#"{"token":"t"}"#, "application/json");
    let bytes = || image.blobs.iter().find(|blob| request.url.path().ends_with(blob.digest.as_str()));
    match fault {
        Fault::None if is_token => Some(token()),
        Fault::None => Some(sane_answer(&image, request)),
        Fault::Status(code) => Some(status(code)),
        Fault::Challenge(header) => Some(challenge(header)),
        Fault::Redirect(location) => Some(status(307).insert_header("location", location)),
        Fault::Body(byte) => bytes().map(|blob| status(200).set_body_bytes(vec![byte; blob.bytes.len()])),
        Fault::Empty => Some(status(200)),
        Fault::Halved => bytes().map(|blob| status(200).set_body_bytes(&blob.bytes[..blob.bytes.len() / 2])),
        Fault::Page => Some(status(200).set_body_raw("<html>", "text/html")),
    }
}

async fn check(script: Vec<Fault>, policy: RetryPolicy) {
    let n_answered = std::sync::atomic::AtomicUsize::new(0);
    let world = World::new(image(), move |request, _| {
        let n = n_answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        perform(script[n % script.len()], request)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let puller = world.builder().policy(policy).sink(Sink::layout(folder.path())).build();
    let outcome = tokio::time::timeout(Duration::from_secs(20), puller.pull(&world.task_as_jo())).await;
    let outcome = outcome.expect("a pull ends");

    // 4 objects, 4 attempts, 2 requests and 4 for tokens at each, with up to 10 redirects.
    assert!(world.asked().await.len() <= 4 * 4 * 6 * 11);
    let blobs = folder.path().join("blobs/sha256");
    let kept: Vec<_> = fs::read_dir(&blobs).into_iter().flatten().map(|entry| entry.unwrap()).collect();
    for file in &kept {
        let digest = Digest::of(&fs::read(file.path()).unwrap());
        assert_eq!(digest.encoded(), file.file_name().to_str().unwrap());
    }
    if let Ok(pulled) = outcome {
        assert_eq!(pulled.digest, world.image.digest());
        assert_eq!(kept.len(), 4);
    }
    assert_eq!(folder.path().join("index.json").exists(), kept.len() == 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_registry_answers_a_pull_ends_and_keeps_only_the_truth(
        script in prop::collection::vec(faults(), 1..24),
        n_attempts in 1_u32..=4,
        too_many_requests: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(script, RetryPolicy { too_many_requests, ..attempts(n_attempts) }));
    }
}
