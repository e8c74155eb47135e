//! Made-up images on the wire: formats, compressions, platforms, referrers. Source: image-spec; facts/registry D1 to D3.

mod common;

use std::io::Read as _;

use common::{Answer, ask, check, start};
use mock_registry::MockRegistry;
use oci::{Descriptor, Digest, ImageConfig, ImageIndex, ImageManifest, MediaType, Platform};
use serde_json::json;

const ANY: &[(&str, &str)] = &[];
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const SBOM: &str = "application/spdx+json";

async fn blob(registry: &MockRegistry, repository: &str, blob: &Descriptor) -> Answer {
    let answer = ask(registry, &format!("GET /v2/{repository}/blobs/{}", blob.digest), ANY).await;
    assert_eq!(answer.body.len() as u64, blob.size);
    assert_eq!(Digest::of(&answer.body), blob.digest);
    answer
}

#[tokio::test]
async fn compressed_layers_unpack_to_what_the_config_says() {
    let registry = start(json!({ "images": [
        { "name": "a/gzip:1", "layers": ["2MiB", "5000"], "compression": "gzip" },
        { "name": "a/zstd:1", "layers": ["2MiB", "5000"], "compression": "zstd" },
    ] }))
    .await;
    for (repository, layer_type) in [("a/gzip", MediaType::OCI_LAYER_GZIP), ("a/zstd", MediaType::OCI_LAYER_ZSTD)] {
        let manifest = ask(&registry, &format!("GET /v2/{repository}/manifests/1"), ANY).await;
        let image: ImageManifest = serde_json::from_slice(&manifest.body).unwrap();
        let config = blob(&registry, repository, &image.config).await;
        let config: ImageConfig = serde_json::from_slice(&config.body).unwrap();
        for (layer, diff_id) in image.layers.iter().zip(&config.rootfs.diff_ids) {
            assert_eq!(layer.media_type, layer_type);
            let packed = blob(&registry, repository, layer).await.body;
            let mut tar = Vec::new();
            match repository {
                "a/gzip" => flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut tar).unwrap(),
                _ => ruzstd::decoding::StreamingDecoder::new(&packed[..]).unwrap().read_to_end(&mut tar).unwrap(),
            };
            assert_eq!(Digest::of(&tar), *diff_id);
        }
        assert_eq!(config.rootfs.diff_ids.len(), 2);
    }
}

#[tokio::test]
async fn an_image_in_dockers_words_is_negotiated_in_them() {
    let registry = start(json!({ "images": [
        { "name": "a/multi:1", "layers": ["4KiB"], "compression": "gzip", "format": "docker",
          "platforms": ["linux/arm64", "linux/amd64"] },
    ] }))
    .await;
    let tag = "GET /v2/a/multi/manifests/1";
    check(
        &registry,
        &[
            (tag, &[("accept", DOCKER_LIST)], 200, &[&format!("content-type: {DOCKER_LIST}")]),
            (
                tag,
                &[("accept", DOCKER)],
                200,
                &[&format!("content-type: {DOCKER}"), "rootfs.diff.tar.gzip", "image.v1+json"],
            ),
        ],
    )
    .await;
    let list: ImageIndex = serde_json::from_slice(&ask(&registry, tag, ANY).await.body).unwrap();
    let child = ask(&registry, tag, &[("accept", DOCKER)]).await;
    let amd64 = list.select(&Platform::linux_amd64()).unwrap();
    assert_eq!((&amd64.media_type, &amd64.digest), (&MediaType::DOCKER_MANIFEST, &Digest::of(&child.body)));
    let image: ImageManifest = serde_json::from_slice(&child.body).unwrap();
    assert_eq!(image.config.media_type, MediaType::DOCKER_CONFIG);
}

#[tokio::test]
async fn what_refers_to_an_image_is_listed_and_pulled() {
    let registry = start(json!({ "images": [
        { "name": "a/app:1", "layers": ["4KiB"], "platforms": ["linux/amd64", "linux/arm64"], "referrers": [
            { "artifact-type": SBOM, "size": "7KiB" },
            { "artifact-type": "application/vnd.dev.sigstore.bundle.v0.3+json" },
        ] },
    ] }))
    .await;
    let top = ask(&registry, "HEAD /v2/a/app/manifests/1", ANY).await;
    let digest = top.header("docker-content-digest");
    let list = ask(&registry, &format!("GET /v2/a/app/referrers/{digest}"), ANY).await;
    let list: ImageIndex = serde_json::from_slice(&list.body).unwrap();
    assert_eq!(list.manifests.len(), 2);
    let filtered = format!("GET /v2/a/app/referrers/{digest}?artifactType={}", SBOM.replace('+', "%2B"));
    let found = ask(&registry, &filtered, ANY).await;
    let found: ImageIndex = serde_json::from_slice(&found.body).unwrap();
    let [sbom] = &found.manifests[..] else { panic!("{found:?}") };

    let artifact = ask(&registry, &format!("GET /v2/a/app/manifests/{}", sbom.digest), ANY).await;
    let artifact: ImageManifest = serde_json::from_slice(&artifact.body).unwrap();
    let subject = artifact.subject.unwrap();
    assert_eq!((subject.digest.as_str(), subject.media_type), (digest, MediaType::OCI_INDEX));
    assert_eq!(artifact.config.media_type, MediaType::OCI_EMPTY);
    assert_eq!(blob(&registry, "a/app", &artifact.config).await.body, b"{}");
    assert_eq!(blob(&registry, "a/app", &artifact.layers[0]).await.body.len(), 7 << 10);
}

#[tokio::test]
async fn referrers_of_an_image_that_nobody_asked_for_are_found() {
    let images = json!({ "images": [{ "name": "a/app:1", "referrers": [{ "artifact-type": SBOM }] }] });
    let top = ask(&start(images.clone()).await, "HEAD /v2/a/app/manifests/1", ANY).await;
    let digest = top.header("docker-content-digest");
    let mirror = start(images).await;
    check(&mirror, &[(&format!("GET /v2/a/app/referrers/{digest}"), &[], 200, &[SBOM])]).await;
}
