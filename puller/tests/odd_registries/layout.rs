//! Images that are kept: the OCI image layout.

use std::{fs, path::Path};

use oci::{Digest, ImageIndex};
use puller::{Puller, Sink};

use crate::support::{World, blob_path, image, status};

fn files(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    files.sort();
    files
}

fn puller(world: &World, folder: &Path) -> Puller {
    world.builder().sink(Sink::layout(folder)).build()
}

#[tokio::test]
async fn an_image_is_kept_whole_and_listed_once() {
    let world = World::new(image(), |_, _| None).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("layout");
    for _ in 0..2 {
        puller(&world, &folder).pull(&world.task()).await.unwrap();
    }
    assert_eq!(files(&folder), ["blobs", "index.json", "oci-layout"]);
    assert_eq!(fs::read(folder.join("oci-layout")).unwrap(), br#"{"imageLayoutVersion":"1.0.0"}"#);
    let index: ImageIndex = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    assert_eq!(index.manifests.len(), 1);
    assert_eq!(index.manifests[0].digest, world.image.digest());
    assert_eq!(index.manifests[0].annotations["org.opencontainers.image.ref.name"], "registry.test/app:1");
    assert_eq!(files(&folder.join("blobs")), ["sha256"]);
    let blobs = files(&folder.join("blobs/sha256"));
    assert_eq!(blobs.len(), 4);
    for blob in blobs {
        let bytes = fs::read(folder.join("blobs/sha256").join(&blob)).unwrap();
        assert_eq!(Digest::of(&bytes).encoded(), blob);
    }
}

#[tokio::test]
async fn a_pull_that_fails_leaves_no_half_file_and_lists_nothing() {
    let image = image();
    let path = blob_path(&image, 2);
    let odd = move |request: &wiremock::Request, _| {
        (request.url.path() == path).then(|| status(200).set_body_bytes(vec![0; 100]))
    };
    let world = World::new(image, odd).await;
    let folder = tempfile::tempdir().unwrap();
    puller(&world, folder.path()).pull(&world.task()).await.unwrap_err();
    assert_eq!(files(folder.path()), ["blobs"]);
    assert_eq!(files(&folder.path().join("blobs")), ["sha256"]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_a_local_failure() {
    let world = World::new(image(), |_, _| None).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let failure = puller(&world, file.path()).pull(&world.task()).await.unwrap_err();
    assert_eq!(failure.kind, testbed::task::FailureKind::Local);
}
