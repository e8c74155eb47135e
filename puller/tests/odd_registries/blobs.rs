//! Blobs that are not what the manifest says.

use bytes::Bytes;
use oci::{Descriptor, ImageManifest, MediaType};
use puller::{LocalBlob, LocalImage};
use testbed::task::FailureKind;

use crate::support::{World, blob_path, image, status};

/// Layer 1, with one bit turned over.
fn flipped(image: &LocalImage) -> Vec<u8> {
    let mut bytes = image.blobs[1].bytes.to_vec();
    bytes[700] ^= 1;
    bytes
}

async fn world_with_flipped_layer(times: usize) -> World {
    let image = image();
    let (path, bytes) = (blob_path(&image, 1), flipped(&image));
    World::new(image, move |request, n| {
        (request.url.path() == path && n <= times).then(|| status(200).set_body_bytes(bytes.clone()))
    })
    .await
}

#[tokio::test]
async fn a_flipped_bit_is_fetched_again_once() {
    let world = world_with_flipped_layer(1).await;
    let pulled = world.pull().await.unwrap();
    assert_eq!(pulled.n_retries, 1);
    assert_eq!(pulled.received_bytes, pulled.size_bytes + world.image.blobs[1].bytes.len() as u64);
}

#[tokio::test]
async fn a_bit_that_stays_flipped_is_a_mismatch_that_names_both_digests() {
    let world = world_with_flipped_layer(9).await;
    let failure = world.builder().policy(crate::support::attempts(9)).build().pull(&world.task()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::DigestMismatch);
    let (expected, actual) = (&world.image.blobs[1].digest, oci::Digest::of(&flipped(&world.image)));
    assert_eq!(failure.message, format!("blob: digest mismatch: expected {expected}, received {actual}"));
    assert_eq!(world.n_asked(&format!("GET {}", world.blob(1))).await, 2);
}

#[tokio::test]
async fn a_blob_that_is_too_long_is_an_error_at_once() {
    let image = image();
    let path = blob_path(&image, 0);
    let world = World::new(image, move |request, _| {
        (request.url.path() == path).then(|| status(200).set_body_bytes(vec![0; 1 << 20]))
    })
    .await;
    let failure = world.pull().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert!(failure.message.contains("size mismatch"), "{failure}");
    assert_eq!(world.n_asked(&format!("GET {}", world.blob(0))).await, 1);
}

#[tokio::test]
async fn a_blob_that_is_too_short_is_never_taken_for_whole() {
    let image = image();
    let path = blob_path(&image, 1);
    let world = World::new(image, move |request, _| {
        (request.url.path() == path).then(|| status(200).set_body_bytes(vec![0; 10]))
    })
    .await;
    let failure = world.pull().await.unwrap_err();
    assert!(failure.message.contains("size mismatch"), "{failure}");
    assert_eq!(world.n_asked(&format!("GET {}", world.blob(1))).await, 3);
}

#[tokio::test]
async fn a_206_that_nobody_asked_for_is_refused() {
    let image = image();
    let path = blob_path(&image, 1);
    let world = World::new(image, move |request, _| (request.url.path() == path).then(|| status(206))).await;
    let failure = world.pull().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert!(failure.message.contains("unexpected status 206"), "{failure}");
}

#[tokio::test]
async fn a_layer_that_is_named_twice_is_fetched_once() {
    let mut image = LocalImage::synthetic(testbed::Seed(1), &[1000]);
    let layer = Descriptor::of(MediaType::OCI_LAYER_TAR, &image.blobs[1].bytes);
    let config = Descriptor::of(MediaType::OCI_CONFIG, &image.blobs[0].bytes);
    let manifest = ImageManifest::new(MediaType::OCI_MANIFEST, config, vec![layer.clone(), layer.clone(), layer]);
    image.manifest = serde_json::to_vec(&manifest).unwrap().into();
    let world = World::new(image, |_, _| None).await;
    let pulled = world.pull().await.unwrap();
    assert_eq!(pulled.n_layers, 3);
    assert_eq!(world.asked().await.len(), 3);
}

#[tokio::test]
async fn empty_blobs_and_images_without_layers_are_pulled() {
    let config = LocalBlob::new(Bytes::new());
    let descriptor = Descriptor::of(MediaType::OCI_EMPTY, &config.bytes);
    let manifest = ImageManifest::new(MediaType::OCI_MANIFEST, descriptor, Vec::new());
    let manifest = serde_json::to_vec(&manifest).unwrap().into();
    let image = LocalImage { media_type: MediaType::OCI_MANIFEST, manifest, blobs: vec![config] };
    let pulled = World::new(image, |_, _| None).await.pull().await.unwrap();
    assert_eq!((pulled.n_layers, pulled.size_bytes), (0, 0));
}
