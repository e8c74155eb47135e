//! Manifests and indexes.

use oci::{Descriptor, Digest, ImageIndex, MAX_MANIFEST_BYTES, MediaType, Platform};
use testbed::{
    Event,
    task::{FailureKind, PullTask},
};
use wiremock::ResponseTemplate;

use crate::support::{MANIFEST, World, image, status};

/// A world whose tag answers with `answer`, always.
async fn world_with_manifest(answer: ResponseTemplate) -> World {
    World::new(image(), move |request, _| (request.url.path() == MANIFEST).then(|| answer.clone())).await
}

fn manifest(content_type: &str) -> ResponseTemplate {
    status(200).set_body_raw(image().manifest.to_vec(), content_type)
}

#[tokio::test]
async fn a_pull_is_told_with_its_cost() {
    let world = World::new(image(), |_, _| None).await;
    let pulled = world.pull().await.unwrap();
    let size_bytes = world.image.blobs.iter().map(|blob| blob.bytes.len() as u64).sum();
    assert_eq!(pulled.digest, world.image.digest());
    assert_eq!(pulled.manifest, pulled.digest);
    assert_eq!((pulled.n_layers, pulled.size_bytes, pulled.received_bytes), (2, size_bytes, size_bytes));
    assert_eq!((pulled.n_resumed, pulled.n_retries), (0, 0));
    let told: Vec<_> = world.journal.entries().iter().map(|entry| entry.event.to_string()).collect();
    assert_eq!(
        told,
        [
            String::from("client: pulls registry.test/app:1 anonymously"),
            format!("client: pulled registry.test/app:1 = {}, {size_bytes} bytes", pulled.digest),
        ]
    );
}

#[tokio::test]
async fn the_four_manifest_types_are_accepted() {
    let world = World::new(image(), |_, _| None).await;
    world.pull().await.unwrap();
    let requests = world.server.received_requests().await.unwrap();
    let accept = requests[0].headers["accept"].to_str().unwrap();
    let listed: Vec<_> = accept.split(',').map(str::trim).collect();
    for media_type in
        [MediaType::OCI_INDEX, MediaType::OCI_MANIFEST, MediaType::DOCKER_MANIFEST_LIST, MediaType::DOCKER_MANIFEST]
    {
        assert!(listed.contains(&media_type.as_str()), "{media_type} by its name in {accept}");
    }
}

#[tokio::test]
async fn without_a_digest_header_the_bytes_decide() {
    let world = world_with_manifest(manifest("application/vnd.oci.image.manifest.v1+json")).await;
    assert_eq!(world.pull().await.unwrap().digest, world.image.digest());
}

#[tokio::test]
async fn a_wrong_digest_header_is_a_mismatch_that_names_both() {
    let lie = Digest::of(b"something else");
    let answer = manifest("application/vnd.oci.image.manifest.v1+json");
    let world = world_with_manifest(answer.insert_header("docker-content-digest", lie.as_str())).await;
    let failure = world.pull().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::DigestMismatch);
    assert!(failure.message.contains(lie.as_str()), "{failure}");
    assert!(failure.message.contains(world.image.digest().as_str()), "{failure}");
    assert_eq!(world.n_asked(&format!("GET {MANIFEST}")).await, 2);
}

#[tokio::test]
async fn a_manifest_as_plain_text_is_told_by_its_own_media_type() {
    let world = world_with_manifest(manifest("text/plain; charset=utf-8")).await;
    assert_eq!(world.pull().await.unwrap().n_layers, 2);
}

#[tokio::test]
async fn a_login_page_is_no_manifest() {
    let world = world_with_manifest(status(200).set_body_raw("<html>log in</html>", "text/html")).await;
    let failure = world.pull().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert!(failure.message.starts_with("manifest 1: manifest is not valid JSON"), "{failure}");
}

#[tokio::test]
async fn a_manifest_beyond_four_mebibytes_is_not_read() {
    let world = world_with_manifest(status(200).set_body_bytes(vec![b' '; MAX_MANIFEST_BYTES + 1])).await;
    let failure = world.pull().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert!(failure.message.contains("more than 4194304 bytes"), "{failure}");
}

#[tokio::test]
async fn an_absent_tag_is_told_as_docker_tells_it() {
    let world = World::new(image(), |_, _| None).await;
    let task = PullTask { image: "registry.test/app:2".parse().unwrap(), ..world.task() };
    let failure = world.builder().build().pull(&task).await.unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::NotFound, Some(404)));
    assert_eq!(failure.message, "manifest unknown: manifest unknown");
    assert!(matches!(&world.journal.entries()[1].event, Event::PullFinished(finished) if finished.outcome.is_err()));
}

fn index(size_change: u64) -> ResponseTemplate {
    let image = image();
    let arm = Descriptor::of(MediaType::OCI_MANIFEST, b"{}").with_platform(Platform::linux_arm64());
    let mut amd = Descriptor::of(MediaType::OCI_MANIFEST, &image.manifest).with_platform(Platform::linux_amd64());
    amd.size += size_change;
    let index = ImageIndex::new(MediaType::OCI_INDEX, vec![arm, amd]);
    status(200).set_body_raw(serde_json::to_vec(&index).unwrap(), MediaType::OCI_INDEX.as_str())
}

#[tokio::test]
async fn an_index_leads_to_the_manifest_for_the_platform() {
    let world = world_with_manifest(index(0)).await;
    let pulled = world.pull().await.unwrap();
    assert_eq!(pulled.manifest, world.image.digest());
    assert_ne!(pulled.digest, pulled.manifest);
    let asked = world.asked().await;
    assert_eq!(asked[..2], [format!("GET {MANIFEST}"), format!("GET /v2/app/manifests/{}", pulled.manifest)]);
}

#[tokio::test]
async fn an_index_without_the_platform_is_told_as_docker_tells_it() {
    let world = world_with_manifest(index(0)).await;
    let task = PullTask { platform: Platform::new("linux", "s390x"), ..world.task() };
    let failure = world.builder().build().pull(&task).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    let expected = "registry.test/app:1: no matching manifest for linux/s390x in the manifest list entries";
    assert_eq!(failure.message, expected);
}

#[tokio::test]
async fn a_manifest_of_another_size_than_the_index_says_is_an_error() {
    let failure = world_with_manifest(index(1)).await.pull().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert!(failure.message.contains("size mismatch"), "{failure}");
}
