//! Manifests, blobs and lists on the wire. Source: distribution-spec; facts/registry D1 to D3; facts/harness A5, F.

mod common;

use std::time::Duration;

use common::{IMAGE, MANIFEST, ask, check, exchanges, start};
use oci::{Digest, ImageConfig, ImageIndex, ImageManifest, MediaType};
use serde_json::json;
use testbed::journal::{BodyEnd, Event};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

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
async fn manifests_are_negotiated_as_the_reference_registry_does() {
    let registry = start(json!({ "images": [
        { "name": "a/single:1" },
        { "name": "a/multi:1", "layers": ["1KiB"], "platforms": ["linux/arm64", "linux/amd64"] },
    ] }))
    .await;
    let (single, multi) = ("GET /v2/a/single/manifests/1", "GET /v2/a/multi/manifests/1");
    let unsupported = "OCI manifest found, but accept header does not support OCI manifests";
    check(
        &registry,
        &[
            (single, &[("accept", OCI)], 200, &[OCI]),
            (single, &[("accept", "*/*")], 200, &[OCI]),
            (single, &[("accept", DOCKER)], 404, &["MANIFEST_UNKNOWN", unsupported]),
            (multi, &[("accept", OCI_INDEX), ("accept", OCI)], 200, &["content-type: application/vnd.oci.image.index"]),
            (multi, &[("accept", OCI)], 200, &["content-type: application/vnd.oci.image.manifest"]),
            (multi, &[("accept", DOCKER)], 404, &[unsupported]),
        ],
    )
    .await;
    let index = ask(&registry, multi, &[("accept", OCI_INDEX)]).await;
    let parsed: ImageIndex = serde_json::from_slice(&index.body).unwrap();
    let amd64 = &parsed.manifests[1];
    let child = ask(&registry, multi, &[("accept", OCI)]).await;
    assert_eq!(child.header("docker-content-digest"), amd64.digest.as_str());
    let by_digest = format!("GET /v2/a/multi/manifests/{}", index.header("docker-content-digest"));
    check(&registry, &[(&by_digest, &[("accept", OCI)], 404, &["OCI index found"])]).await;
    assert_eq!(*parsed.media_type(), MediaType::OCI_INDEX);
    let etag = index.header("etag").to_owned();
    check(&registry, &[(multi, &[("accept", OCI_INDEX), ("if-none-match", &etag)], 304, &["no content-type"])]).await;
}

#[tokio::test]
async fn blobs_are_served_in_ranges() {
    let registry = start(json!({ "images": [{ "name": IMAGE, "layers": ["10000"] }] })).await;
    let manifest = ask(&registry, &format!("GET {MANIFEST}"), &[]).await;
    let image: ImageManifest = serde_json::from_slice(&manifest.body).unwrap();
    let digest = &image.layers[0].digest;
    let (get, head) =
        (format!("GET /v2/harness/ci-addon/blobs/{digest}"), format!("HEAD /v2/harness/ci-addon/blobs/{digest}"));
    let etag = format!("\"{digest}\"");
    let whole = ask(&registry, &get, &[]).await.body;
    check(
        &registry,
        &[
            (&head, &[], 200, &["content-length: 10000\n", "accept-ranges: bytes", "docker-content-digest: sha256:"]),
            (
                &get,
                &[("range", "bytes=500-1499")],
                206,
                &["content-range: bytes 500-1499/10000", "content-length: 1000\n"],
            ),
            (&get, &[("range", "bytes=9000-")], 206, &["content-range: bytes 9000-9999/10000"]),
            (&get, &[("range", "bytes=-500")], 206, &["content-range: bytes 9500-9999/10000"]),
            (&get, &[("range", "bytes=9000-20000")], 206, &["content-range: bytes 9000-9999/10000"]),
            (&get, &[("range", "bytes=10000-")], 416, &["content-range: bytes */10000", "RANGE_INVALID"]),
            (&get, &[("range", "bytes=0-1,5-6")], 200, &["content-length: 10000\n", "no content-range"]),
            (&get, &[("range", "bytes=5-1")], 200, &[]),
            (&get, &[("range", "bytes=5-9"), ("if-range", "\"other\"")], 200, &[]),
            (&get, &[("range", "bytes=5-9"), ("if-range", &etag)], 206, &[]),
            (&get, &[("if-none-match", &etag)], 304, &[]),
            ("GET /v2/harness/ci-addon/blobs/sha256:aa", &[], 400, &["DIGEST_INVALID"]),
        ],
    )
    .await;
    let part = ask(&registry, &get, &[("range", "bytes=700-7999")]).await.body;
    assert_eq!(part, whole[700..8000]);
    let absent = Digest::of(b"absent");
    check(
        &registry,
        &[
            (&format!("GET /v2/harness/ci-addon/blobs/{absent}"), &[], 404, &["BLOB_UNKNOWN"]),
            (&format!("GET /v2/no/such/blobs/{absent}"), &[], 404, &["NAME_UNKNOWN"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn lists_come_in_pages() {
    let registry = start(json!({ "images": [
        { "name": "b/x:3" }, { "name": "b/x:1" }, { "name": "b/x:2" }, { "name": "a/y" }, { "name": "c" },
    ] }))
    .await;
    check(
        &registry,
        &[
            ("GET /v2/b/x/tags/list", &[], 200, &["{\"name\":\"b/x\",\"tags\":[\"1\",\"2\",\"3\"]}", "no link"]),
            (
                "GET /v2/b/x/tags/list?n=2",
                &[],
                200,
                &["[\"1\",\"2\"]", "link: </v2/b/x/tags/list?last=2&n=2>; rel=\"next\""],
            ),
            ("GET /v2/b/x/tags/list?last=2&n=2", &[], 200, &["[\"3\"]", "no link"]),
            ("GET /v2/b/x/tags/list?n=0", &[], 200, &["\"tags\":[]", "no link"]),
            ("GET /v2/b/x/tags/list?n=x", &[], 400, &["PAGINATION_NUMBER_INVALID"]),
            ("GET /v2/no/such/tags/list", &[], 404, &["NAME_UNKNOWN"]),
            ("GET /v2/_catalog", &[], 200, &["{\"repositories\":[\"a/y\",\"b/x\",\"c\"]}"]),
            ("GET /v2/_catalog?n=1", &[], 200, &["link: </v2/_catalog?last=a%2Fy&n=1>; rel=\"next\""]),
            ("GET /v2/_catalog?last=a%2Fy&n=1", &[], 200, &["[\"b/x\"]"]),
            ("GET /elsewhere", &[], 404, &["\"errors\""]),
            ("GET /v2/UPPER/tags/list", &[], 400, &["NAME_INVALID"]),
            ("DELETE /v2/", &[], 405, &["UNSUPPORTED", "allow: GET, HEAD"]),
        ],
    )
    .await;
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
