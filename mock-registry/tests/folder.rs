//! A registry that keeps what is pushed in a folder: over the wire, on the disk, and in the next life.

mod common;

use std::{
    error::Error as _,
    fs,
    path::{Path, PathBuf},
};

use common::{ask, check, image, send};
use mock_registry::{MockRegistry, RegistryConfig};
use oci::{Algorithm, Descriptor, Digest, ImageIndex, ImageManifest, MediaType};
use serde_json::json;
use tempfile::TempDir;

const OCTETS: (&str, &str) = ("content-type", "application/octet-stream");
const OCI_MANIFEST: (&str, &str) = ("content-type", "application/vnd.oci.image.manifest.v1+json");

async fn start(folder: &TempDir) -> MockRegistry {
    MockRegistry::builder("hub").store(folder.path()).start().await.unwrap()
}

async fn push_blob(registry: &MockRegistry, repository: &str, bytes: &[u8]) -> Descriptor {
    let digest = Digest::of(bytes);
    let call = format!("POST /v2/{repository}/blobs/uploads/?digest={digest}");
    assert_eq!(send(registry, &call, &[OCTETS], bytes.to_vec()).await.status, 201);
    Descriptor::new(MediaType::OCI_LAYER_TAR, digest, bytes.len() as u64)
}

/// Pushes an image of one layer, and returns the bytes of its manifest.
async fn push_image(registry: &MockRegistry, repository: &str, tag: &str, layer: &[u8]) -> Vec<u8> {
    let config = push_blob(registry, repository, b"{}").await;
    let layer = push_blob(registry, repository, layer).await;
    let manifest = serde_json::to_vec(&ImageManifest::new(MediaType::OCI_MANIFEST, config, vec![layer])).unwrap();
    let call = format!("PUT /v2/{repository}/manifests/{tag}");
    let answer = send(registry, &call, &[OCI_MANIFEST], manifest.clone()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    manifest
}

fn blob_path(folder: &TempDir, repository: &str, digest: &Digest) -> PathBuf {
    folder.path().join("hub").join(repository).join("blobs").join(digest.algorithm().as_str()).join(digest.encoded())
}

fn read_json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn what_is_pushed_is_an_image_layout_and_is_served_in_the_next_life() {
    let folder = tempfile::tempdir().unwrap();
    let registry = start(&folder).await;
    let manifest = push_image(&registry, "library/alpine", "3", b"layer").await;
    let digest = Digest::of(&manifest);
    let by_digest = format!("PUT /v2/library/alpine/manifests/{digest}?tag=3.19&tag=latest");
    assert_eq!(send(&registry, &by_digest, &[OCI_MANIFEST], manifest.clone()).await.status, 201);
    registry.stop().await;

    let layout = folder.path().join("hub/library/alpine");
    assert_eq!(read_json(&layout.join("oci-layout")), json!({ "imageLayoutVersion": "1.0.0" }));
    let index = read_json(&layout.join("index.json"));
    let named: Vec<_> = index["manifests"].as_array().unwrap().iter().collect();
    assert!(named.iter().all(|descriptor| descriptor["digest"] == digest.as_str()));
    let tags: Vec<_> = named.iter().map(|named| &named["annotations"]["org.opencontainers.image.ref.name"]).collect();
    assert_eq!(tags, ["3", "3.19", "latest"]);
    assert_eq!(fs::read(blob_path(&folder, "library/alpine", &digest)).unwrap(), manifest);

    let registry = start(&folder).await;
    let layer = Digest::of(b"layer");
    check(
        &registry,
        &[
            ("GET /v2/_catalog", &[], 200, &["{\"repositories\":[\"library/alpine\"]}"]),
            ("GET /v2/library/alpine/tags/list", &[], 200, &["[\"3\",\"3.19\",\"latest\"]"]),
            ("GET /v2/library/alpine/manifests/3", &[], 200, &[digest.as_str(), "application/vnd.oci.image.manifest"]),
            (&format!("HEAD /v2/library/alpine/blobs/{layer}"), &[], 200, &["content-length: 5"]),
            (&format!("GET /v2/library/alpine/blobs/{layer}"), &[("range", "bytes=1-3")], 206, &["aye"]),
            (&format!("GET /v2/library/alpine/blobs/{digest}"), &[], 404, &["BLOB_UNKNOWN"]),
            ("DELETE /v2/library/alpine/manifests/latest", &[], 202, &[]),
            (&format!("DELETE /v2/library/alpine/blobs/{layer}"), &[], 202, &[]),
        ],
    )
    .await;
    registry.stop().await;
    assert!(!blob_path(&folder, "library/alpine", &layer).exists());

    let registry = start(&folder).await;
    check(
        &registry,
        &[
            ("GET /v2/library/alpine/tags/list", &[], 200, &["[\"3\",\"3.19\"]"]),
            (&format!("GET /v2/library/alpine/blobs/{layer}"), &[], 404, &["BLOB_UNKNOWN"]),
            (&format!("DELETE /v2/library/alpine/manifests/{digest}"), &[], 202, &[]),
        ],
    )
    .await;
    assert!(!blob_path(&folder, "library/alpine", &digest).exists());
}

#[tokio::test]
async fn a_blob_of_many_pieces_comes_in_chunks_and_goes_out_in_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let registry = start(&folder).await;
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 253) as u8).collect();
    let opened = ask(&registry, "POST /v2/a/b/blobs/uploads/?digest-algorithm=sha512", &[]).await;
    let location = opened.header("location").to_owned();
    for chunk in bytes.chunks(1_700_000) {
        assert_eq!(send(&registry, &format!("PATCH {location}"), &[OCTETS], chunk.to_vec()).await.status, 202);
    }
    let digest = Digest::of_with(Algorithm::Sha512, &bytes);
    assert_eq!(send(&registry, &format!("PUT {location}?digest={digest}"), &[OCTETS], Vec::new()).await.status, 201);
    let blob = format!("GET /v2/a/b/blobs/{digest}");
    assert_eq!(ask(&registry, &blob, &[]).await.body, bytes);
    let part = ask(&registry, &blob, &[("range", "bytes=1000000-3999999")]).await;
    assert_eq!((part.status, &part.body[..]), (206, &bytes[1_000_000..4_000_000]));
}

#[tokio::test]
async fn what_was_damaged_between_two_lives_is_absent_until_it_is_pushed_again() {
    let folder = tempfile::tempdir().unwrap();
    let registry = start(&folder).await;
    let manifest = push_image(&registry, "a/b", "1", b"layer").await;
    push_image(&registry, "a/b", "2", b"another").await;
    registry.stop().await;
    let (digest, layer) = (Digest::of(&manifest), Digest::of(b"layer"));
    fs::write(blob_path(&folder, "a/b", &layer), "loyer").unwrap();
    fs::write(blob_path(&folder, "a/b", &digest), "{}").unwrap();

    let registry = start(&folder).await;
    check(
        &registry,
        &[
            (&format!("HEAD /v2/a/b/blobs/{layer}"), &[], 404, &[]),
            (&format!("GET /v2/a/b/blobs/{layer}"), &[], 404, &["BLOB_UNKNOWN"]),
            (&format!("POST /v2/a/c/blobs/uploads/?mount={layer}&from=a/b"), &[], 202, &[]),
            ("GET /v2/a/b/manifests/1", &[], 404, &["MANIFEST_UNKNOWN"]),
            ("GET /v2/a/b/manifests/2", &[], 200, &[]),
            ("GET /v2/a/b/tags/list", &[], 200, &["[\"2\"]"]),
        ],
    )
    .await;
    assert_eq!(push_image(&registry, "a/b", "1", b"layer").await, manifest);
    assert_eq!(ask(&registry, &format!("GET /v2/a/b/blobs/{layer}"), &[]).await.text(), "layer");
    assert_eq!(ask(&registry, "GET /v2/a/b/manifests/1", &[]).await.body, manifest);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_an_error_that_says_why() {
    let told = async |store: PathBuf, name: &str| {
        let error = MockRegistry::builder(name).store(store).start().await.unwrap_err();
        error.source().unwrap().to_string()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let registry = start(&folder).await;
    assert_eq!(told(folder.path().into(), "hub").await, format!("{path}/hub is in use by another registry"));
    push_image(&registry, "a/b", "1", b"layer").await;
    registry.stop().await;

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(told(file.clone(), "hub").await, format!("{path}/file is not a folder"));
    assert_eq!(told(file.join("below"), "hub").await, format!("cannot make {path}/file/below/hub"));
    for name in ["", "..", "a/b", "_uploads"] {
        assert!(told(folder.path().into(), name).await.contains("cannot have a folder of that name"), "{name}");
    }

    // What is in a repository is read when it is asked for.
    fs::write(folder.path().join("hub/a/b/index.json"), "{").unwrap();
    let registry = start(&folder).await;
    let answer = ask(&registry, "GET /v2/a/b/manifests/1", &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "UNKNOWN"));
    assert!(answer.text().contains("hub/a/b/index.json is damaged"), "{}", answer.text());
}

#[tokio::test]
async fn a_layout_of_another_tool_is_served_with_the_children_of_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let put = |bytes: &[u8]| {
        let path = blob_path(&folder, "team/app", &Digest::of(bytes));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let (config, layer) =
        (Descriptor::of(MediaType::OCI_CONFIG, b"{}"), Descriptor::of(MediaType::OCI_LAYER_TAR, b"tar"));
    let manifest = serde_json::to_vec(&ImageManifest::new(MediaType::OCI_MANIFEST, config, vec![layer])).unwrap();
    let child = Descriptor::of(MediaType::OCI_MANIFEST, &manifest);
    let absent = Descriptor::of(MediaType::OCI_MANIFEST, b"of a platform that was left out");
    let index = serde_json::to_vec(&ImageIndex::new(MediaType::OCI_INDEX, vec![child.clone(), absent])).unwrap();
    for bytes in [b"{}", &b"tar"[..], &manifest, &index] {
        put(bytes);
    }
    let mut top = Descriptor::of(MediaType::OCI_INDEX, &index);
    top.annotations.insert("org.opencontainers.image.ref.name".into(), "1.0".into());
    let layout = folder.path().join("hub/team/app");
    let top = serde_json::to_vec(&ImageIndex::new(MediaType::OCI_INDEX, vec![top])).unwrap();
    fs::write(layout.join("index.json"), top).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();

    let registry = start(&folder).await;
    check(
        &registry,
        &[
            ("GET /v2/team/app/manifests/1.0", &[], 200, &["application/vnd.oci.image.index.v1+json"]),
            (&format!("GET /v2/team/app/manifests/{}", child.digest), &[], 200, &["\"layers\""]),
            (&format!("GET /v2/team/app/blobs/{}", Digest::of(b"tar")), &[], 200, &["tar"]),
            (&format!("GET /v2/team/app/blobs/{}", child.digest), &[], 404, &["BLOB_UNKNOWN"]),
            (&format!("DELETE /v2/team/app/manifests/{}", child.digest), &[], 202, &[]),
        ],
    )
    .await;
    registry.stop().await;
    let registry = start(&folder).await;
    assert_eq!(ask(&registry, &format!("GET /v2/team/app/manifests/{}", child.digest), &[]).await.status, 404);
}

/// Nothing of it is on the disk that could be mounted; the client pushes it, as it does wherever a mount fails.
#[tokio::test]
async fn a_made_up_layer_is_not_mounted_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let config = RegistryConfig { images: vec![image("made/up:1", &["2KiB"])], ..RegistryConfig::default() };
    let builder = MockRegistry::builder("hub").config(config);
    for (builder, status) in [(builder.clone(), 201), (builder.store(folder.path()), 202)] {
        let registry = builder.start().await.unwrap();
        let manifest = ask(&registry, "GET /v2/made/up/manifests/1", &[]).await;
        let layer = serde_json::from_slice::<ImageManifest>(&manifest.body).unwrap().layers[0].digest.clone();
        let call = format!("POST /v2/a/b/blobs/uploads/?mount={layer}&from=made/up");
        assert_eq!(ask(&registry, &call, &[]).await.status, status);
    }
}
