//! A load on a registry that wiremock plays: two images, and a limit.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use load::{Extent, Kind, Mix, Share, Workload};
use puller::LocalImage;
use testbed::{
    Clock, Journal, Seed,
    net::{Names, Vantage},
};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{any, path},
};

async fn registry() -> MockServer {
    let server = MockServer::start().await;
    let image = LocalImage::synthetic(Seed(1), &[1000, 2000]);
    Mock::given(path("/v2/limited/manifests/1")).respond_with(ResponseTemplate::new(429)).mount(&server).await;
    let answer = move |request: &Request| {
        let wanted = request.url.path().rsplit('/').next().unwrap_or_default();
        match image.blobs.iter().find(|blob| blob.digest.as_str() == wanted) {
            Some(blob) => ResponseTemplate::new(200).set_body_bytes(blob.bytes.to_vec()),
            None => ResponseTemplate::new(200).set_body_raw(image.manifest.to_vec(), image.media_type.as_str()),
        }
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

async fn run(server: &MockServer, workload: &Workload) -> load::Report {
    let clock = Clock::starting_at(Clock::DEFAULT_START);
    let journal = Journal::new(&clock);
    let names = Names::default();
    names.add("registry.test", *server.address());
    let from = Vantage::in_world("load", None, None, &names, &journal).unwrap();
    load::run(workload, &clock, &journal, &from).await
}

fn share(kind: Kind, image: &str, weight: u32) -> Share {
    Share { kind, image: image.parse().unwrap(), weight: NonZeroU32::new(weight).unwrap() }
}

#[tokio::test]
async fn a_count_is_kept_exactly_and_failures_are_told_by_kind() {
    let server = registry().await;
    let shares = vec![
        share(Kind::Pull, "registry.test/app:1", 2),
        share(Kind::Manifest, "registry.test/app:1", 1),
        share(Kind::Pull, "registry.test/limited:1", 1),
    ];
    let count = Extent::Count(NonZeroU64::new(20).unwrap());
    let workload = Workload::new(Mix::new(shares).unwrap(), count, NonZeroUsize::new(4).unwrap());
    let report = run(&server, &workload).await;
    assert_eq!((report.n_ok, report.n_failed), (15, 5));
    assert_eq!(report.failures["rate-limited 429"], 5);
    let image = LocalImage::synthetic(Seed(1), &[1000, 2000]);
    let n_bytes: usize = image.blobs.iter().map(|blob| blob.bytes.len()).sum();
    assert_eq!(report.received_bytes, 10 * n_bytes as u64);
    assert!(report.latency.p50_us <= report.latency.p99_us);
}

#[tokio::test]
async fn the_warm_up_is_made_and_not_measured() {
    let server = registry().await;
    let mix = Mix::even(Kind::Manifest, ["registry.test/app:1".parse().unwrap()]).unwrap();
    let workload = Workload::new(mix, Extent::Count(NonZeroU64::new(3).unwrap()), NonZeroUsize::MIN);
    let report = run(&server, &Workload { n_warm_up: 2, ..workload }).await;
    assert_eq!(report.n_ok, 3);
    assert_eq!(server.received_requests().await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_duration_ends_the_load() {
    let server = registry().await;
    let mix = Mix::even(Kind::Manifest, ["registry.test/app:1".parse().unwrap()]).unwrap();
    let extent = Extent::For(Duration::from_millis(50));
    let report = run(&server, &Workload::new(mix, extent, NonZeroUsize::MIN)).await;
    assert!(report.n_ok > 0);
    assert!(report.elapsed_ms >= 50);
    assert_eq!(report.n_failed, 0);
}
