//! Whole pulls, and what the journal tells of them. Source: distribution-spec; facts/harness A5, F.

mod common;

use std::time::Duration;

use common::{IMAGE, MANIFEST, ask, check, exchanges, start};
use oci::{Digest, ImageConfig, ImageManifest};
use serde_json::json;
use testbed::journal::{BodyEnd, Event};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

#[tokio::test]
async fn a_whole_image_is_pulled_and_verified() {
    let registry = start(json!({ "images": [{ "name": IMAGE, "layers": ["3MiB", "512KiB", "7KB"] }] })).await;
    let manifest = ask(&registry, &format!("GET {MANIFEST}"), &[("accept", OCI)]).await;
    assert_eq!(manifest.header("content-type"), OCI);
    let digest: Digest = manifest.header("docker-content-digest").parse().unwrap();
    assert_eq!(Digest::of(&manifest.body), digest);
    assert_eq!(manifest.header("etag"), format!("\"{digest}\""));
    let head = ask(&registry, &format!("HEAD {MANIFEST}"), &[]).await;
    assert_eq!(head.header("content-length"), manifest.body.len().to_string());

    let image: ImageManifest = serde_json::from_slice(&manifest.body).unwrap();
    let sizes: Vec<u64> = image.layers.iter().map(|layer| layer.size).collect();
    assert_eq!(sizes, [3 << 20, 512 << 10, 7000]);
    for blob in image.blobs() {
        let answer = ask(&registry, &format!("GET /v2/harness/ci-addon/blobs/{}", blob.digest), &[]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-length"), blob.size.to_string());
        assert_eq!(Digest::of(&answer.body), blob.digest);
    }
    let config = ask(&registry, &format!("GET /v2/harness/ci-addon/blobs/{}", image.config.digest), &[]).await;
    let config: ImageConfig = serde_json::from_slice(&config.body).unwrap();
    let layers: Vec<_> = image.layers.iter().map(|layer| layer.digest.clone()).collect();
    assert_eq!(config.rootfs.diff_ids, layers);
    assert_eq!(config.platform.to_string(), "linux/amd64");
}

#[tokio::test]
async fn the_harness_registry_answers_below_its_path() {
    let registry =
        start(json!({ "preset": "harness-registry", "images": [{ "name": IMAGE, "layers": ["2KiB"] }] })).await;
    let host: &[(&str, &str)] = &[("host", "app.harness.io")];
    check(
        &registry,
        &[
            ("GET /registry/v2", host, 200, &["{}"]),
            ("GET /registry/v2/", host, 200, &[]),
            ("GET /v2/", host, 200, &[]),
            ("GET /v2/registry/harness/ci-addon/manifests/1.16.92", host, 200, &["no ratelimit"]),
            ("GET /v2/harness/ci-addon/manifests/1.16.92", host, 404, &["NAME_UNKNOWN"]),
            ("GET /registry/_catalog", host, 200, &["[\"harness/ci-addon\"]"]),
            (
                "GET /registry/harness/ci-addon/tags/list",
                host,
                200,
                &["\"name\":\"harness/ci-addon\",\"tags\":[\"1.16.92\"]"],
            ),
            ("GET /v2/registry/harness/ci-addon/tags/list", host, 200, &["\"name\":\"registry/harness/ci-addon\""]),
            ("POST /v2/registry/harness/ci-addon/blobs/uploads/", host, 405, &["UNSUPPORTED"]),
        ],
    )
    .await;
    assert_eq!(registry.hosts(), ["app.harness.io"]);
}

#[tokio::test]
async fn mirrors_hold_the_same_bytes_and_other_seeds_do_not() {
    let digest_of = async |preset: &str, seed| {
        let config = mock_registry::RegistryConfig {
            preset: Some(preset.to_owned().into()),
            images: vec![common::image(IMAGE, &["64KiB"])],
            ..Default::default()
        };
        let registry = mock_registry::MockRegistry::builder(preset)
            .config(config)
            .seed(testbed::Seed(seed))
            .start()
            .await
            .unwrap();
        let spec = mock_registry::ImageSpec::new(IMAGE, ["64KiB".parse().unwrap()]).unwrap();
        registry.add_image(&spec).await.unwrap()
    };
    assert_eq!(digest_of("generic", 1).await, digest_of("harness-registry", 1).await);
    assert_ne!(digest_of("generic", 1).await, digest_of("generic", 2).await);
}

#[tokio::test]
async fn a_catalogue_of_terabytes_starts_at_once() {
    let images: Vec<_> = (0..1000)
        .map(|n| json!({ "name": format!("big/image-{n}:1"), "layers": ["1GiB"] }))
        .chain([json!({ "name": IMAGE, "layers": ["4KiB"] })])
        .collect();
    let registry = start(json!({ "images": images })).await;
    check(&registry, &[(&format!("GET {MANIFEST}"), &[], 200, &[]), ("GET /v2/big/image-7/tags/list", &[], 200, &[])])
        .await;
}

#[tokio::test]
async fn the_journal_tells_every_exchange_and_the_end_of_every_body() {
    let registry = start(json!({ "images": [{ "name": IMAGE, "layers": ["2KiB", "3KiB"] }] })).await;
    let manifest = ask(&registry, &format!("GET {MANIFEST}"), &[("user-agent", "test/1")]).await;
    let image: ImageManifest = serde_json::from_slice(&manifest.body).unwrap();
    let blob = &image.layers[1].digest;
    ask(&registry, &format!("GET /v2/harness/ci-addon/blobs/{blob}?x=1"), &[("range", "bytes=0-99")]).await;
    // The end of a body is told when the connection has let go of it.
    for _ in 0..100 {
        if registry.journal().last_seq() >= 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let told: Vec<_> = registry.journal().entries().iter().map(|entry| entry.event.to_string()).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    let exchange = &exchanges(&registry)[1];
    assert_eq!(exchange.target, format!("/v2/harness/ci-addon/blobs/{blob}?x=1"));
    assert_eq!((exchange.status, exchange.length_bytes), (Some(206), Some(100)));
    assert_eq!(exchange.range.as_deref(), Some("bytes=0-99"));
    assert!(serde_json::to_string(&exchange.subject).unwrap().contains("\"layer\":2"), "{:?}", exchange.subject);
    match &registry.journal().entries()[2].event {
        Event::BodyEnded(ended) => {
            assert_eq!((ended.exchange, ended.sent_bytes, ended.end), (2, 100, BodyEnd::Complete));
        }
        other => panic!("{other}"),
    }
    let date = ask(&registry, "GET /v2/", &[]).await;
    assert_eq!(date.header("date"), "Thu, 01 Jan 2026 00:00:00 GMT");
}
