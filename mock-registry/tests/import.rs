//! Images that are read from files. Source: image-spec, "OCI Image Layout"; moby, "Docker Image Specification v1.2".

mod common;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use common::{ask, check};
use mock_registry::{ImportSpec, MockRegistry};
use oci::{Descriptor, Digest, ImageConfig, ImageIndex, ImageManifest, MediaType, Platform};
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;

const ANY: &[(&str, &str)] = &[];

/// Entries of an archive, by name.
#[derive(Default)]
struct Entries(Vec<(String, Vec<u8>)>);

impl Entries {
    fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((name.into(), bytes.into()));
    }

    fn add_blob(&mut self, media_type: MediaType, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        self.add(format!("blobs/sha256/{}", descriptor.digest.encoded()), bytes);
        descriptor
    }

    fn add_json(&mut self, media_type: MediaType, value: &impl Serialize) -> Descriptor {
        self.add_blob(media_type, &serde_json::to_vec(value).unwrap())
    }

    /// A layout of these images.
    fn finish_layout(&mut self, images: Vec<Descriptor>) {
        self.add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        self.add("index.json", serde_json::to_vec(&ImageIndex::new(MediaType::OCI_INDEX, images)).unwrap());
    }

    fn in_folder(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in &self.0 {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn in_tar(&self) -> (TempDir, PathBuf) {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in &self.0 {
            let mut header = header(bytes.len() as u64, tar::EntryType::Regular);
            archive.append_data(&mut header, name, &bytes[..]).unwrap();
        }
        in_file(&archive.into_inner().unwrap())
    }
}

fn header(size_bytes: u64, kind: tar::EntryType) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size_bytes);
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

fn in_file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// An image with one layer of `content`.
fn add_image(entries: &mut Entries, platform: Platform, content: &[u8]) -> Descriptor {
    let layer = entries.add_blob(MediaType::OCI_LAYER_GZIP, content);
    let config =
        entries.add_json(MediaType::OCI_CONFIG, &ImageConfig::new(platform.clone(), vec![Digest::of(content)]));
    let manifest = ImageManifest::new(MediaType::OCI_MANIFEST, config, vec![layer]);
    entries.add_json(MediaType::OCI_MANIFEST, &manifest).with_platform(platform)
}

fn named(mut descriptor: Descriptor, key: &str, name: &str) -> Descriptor {
    descriptor.annotations.insert(String::from(key), String::from(name));
    descriptor
}

const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An index of two platforms, one of which is not there, and an artifact that refers to it; with the digests of the index and
/// of the one that is there.
fn layout() -> (Entries, [Digest; 2]) {
    let mut entries = Entries::default();
    let amd64 = add_image(&mut entries, Platform::linux_amd64(), b"layer of amd64");
    let amd64_digest = amd64.digest.clone();
    let absent = Descriptor::of(MediaType::OCI_MANIFEST, b"not here").with_platform(Platform::linux_arm64());
    let index = entries.add_json(MediaType::OCI_INDEX, &ImageIndex::new(MediaType::OCI_INDEX, vec![amd64, absent]));
    let config = entries.add_blob(MediaType::OCI_EMPTY, b"{}");
    let artifact = ImageManifest {
        artifact_type: Some("application/spdx+json".parse().unwrap()),
        subject: Some(Descriptor::new(MediaType::OCI_INDEX, index.digest.clone(), index.size)),
        ..ImageManifest::new(MediaType::OCI_MANIFEST, config.clone(), vec![config])
    };
    let artifact = entries.add_json(MediaType::OCI_MANIFEST, &artifact);
    let digests = [index.digest.clone(), amd64_digest];
    entries.finish_layout(vec![artifact, named(index, REF_NAME, "1")]);
    (entries, digests)
}

/// What `docker save` wrote before it wrote layouts: a layer, and a link to it.
fn saved(config_name: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut layer = tar::Builder::new(Vec::new());
    layer.append_data(&mut header(5, tar::EntryType::Regular), "hello", &b"hello"[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let config = ImageConfig::new(Platform::linux_amd64(), vec![Digest::of(&layer); 2]);
    let config = serde_json::to_vec(&config).unwrap();
    let name = config_name.map_or_else(|| format!("{}.json", Digest::of(&config).encoded()), String::from);
    let list = json!([{ "Config": name, "RepoTags": ["team/app:1"], "Layers": ["aa/layer.tar", "bb/layer.tar"] }]);
    let mut add = |name: &str, bytes: &[u8]| {
        archive.append_data(&mut header(bytes.len() as u64, tar::EntryType::Regular), name, bytes).unwrap();
    };
    add("./aa/layer.tar", &layer);
    add(&name, &config);
    add("manifest.json", list.to_string().as_bytes());
    archive.append_link(&mut header(0, tar::EntryType::Symlink), "bb/layer.tar", "../aa/layer.tar").unwrap();
    (archive.into_inner().unwrap(), layer)
}

async fn registry() -> MockRegistry {
    MockRegistry::builder("hub").start().await.unwrap()
}

/// What is said when the image `name` is read from `path`, by looking and by reading.
async fn refusal(name: &str, path: &Path) -> String {
    let spec = ImportSpec::new(name, path).unwrap();
    let registry = registry().await;
    let mut error: &dyn std::error::Error = &registry.import(&spec).await.unwrap_err();
    let mut told = error.to_string();
    while let Some(source) = error.source() {
        told = format!("{told}: {source}");
        error = source;
    }
    assert_eq!(registry.catalog().await.unwrap().iter().map(|(_, tags)| tags.len()).sum::<usize>(), 0);
    told.replace(path.parent().unwrap().to_str().unwrap(), "")
}

#[tokio::test]
async fn a_layout_is_served_as_it_is() {
    let (entries, [digest, amd64]) = layout();
    let (folder, (_keep, tar)) = (entries.in_folder(), entries.in_tar());
    for path in [folder.path(), &tar] {
        let registry = registry().await;
        let spec = ImportSpec::new("team/app:1", path).unwrap();
        spec.inspect().unwrap();
        assert_eq!(registry.import(&spec).await.unwrap(), digest);
        let layer = Digest::of(b"layer of amd64");
        let absent = Digest::of(b"not here");
        check(
            &registry,
            &[
                ("GET /v2/team/app/manifests/1", ANY, 200, &[&format!("docker-content-digest: {digest}")]),
                (&format!("GET /v2/team/app/manifests/{amd64}"), ANY, 200, &["tar+gzip"]),
                (&format!("GET /v2/team/app/blobs/{layer}"), ANY, 200, &["layer of amd64"]),
                (&format!("GET /v2/team/app/manifests/{absent}"), ANY, 404, &["MANIFEST_UNKNOWN"]),
                (&format!("GET /v2/team/app/referrers/{digest}"), ANY, 200, &["application/spdx+json"]),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn what_docker_saved_gets_a_manifest() {
    let (archive, layer) = saved(None);
    let (_folder, path) = in_file(&archive);
    let config = json!({ "images": [{ "name": "team/app:1", "from": path }] });
    let registry = common::start(config).await;
    let manifest = ask(&registry, "GET /v2/team/app/manifests/1", ANY).await;
    let image: ImageManifest = serde_json::from_slice(&manifest.body).unwrap();
    assert_eq!(image.layers, vec![Descriptor::of(MediaType::OCI_LAYER_TAR, &layer); 2]);
    let blob = ask(&registry, &format!("GET /v2/team/app/blobs/{}", image.layers[1].digest), ANY).await;
    assert_eq!(blob.body, layer);
    let config = ask(&registry, &format!("GET /v2/team/app/blobs/{}", image.config.digest), ANY).await;
    assert_eq!(Digest::of(&config.body), image.config.digest);
}

#[tokio::test]
async fn a_layer_that_was_compressed_keeps_its_bytes() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"tar").unwrap();
    let layer = gzip.finish().unwrap();
    let config = serde_json::to_vec(&ImageConfig::new(Platform::linux_amd64(), vec![Digest::of(b"tar")])).unwrap();
    let mut entries = Entries::default();
    entries.add("layer.tar.gz", layer.clone());
    entries.add(Digest::of(&config).as_str(), config);
    let name = &entries.0[1].0;
    let list = json!([{ "Config": name, "RepoTags": null, "Layers": ["layer.tar.gz"] }]);
    entries.add("manifest.json", list.to_string());
    let (_folder, path) = entries.in_tar();
    let registry = registry().await;
    registry.import(&ImportSpec::new("a/b", &path).unwrap()).await.unwrap();
    let manifest = ask(&registry, "GET /v2/a/b/manifests/latest", ANY).await;
    let image: ImageManifest = serde_json::from_slice(&manifest.body).unwrap();
    assert_eq!(image.layers, [Descriptor::of(MediaType::OCI_LAYER_GZIP, &layer)]);
}

#[tokio::test]
async fn one_of_several_images_is_chosen_by_its_name() {
    let mut entries = Entries::default();
    let one = add_image(&mut entries, Platform::linux_amd64(), b"one");
    let other = add_image(&mut entries, Platform::linux_amd64(), b"other");
    let (one_digest, other_digest) = (one.digest.clone(), other.digest.clone());
    entries.finish_layout(vec![
        named(one, "io.containerd.image.name", "docker.io/library/alpine:3"),
        named(other, REF_NAME, "1.36"),
    ]);
    let folder = entries.in_folder();
    let registry = registry().await;
    for (name, digest) in
        [("alpine:3", &one_digest), ("library/alpine:3", &one_digest), ("busybox:1.36", &other_digest)]
    {
        let spec = ImportSpec::new(name, folder.path()).unwrap();
        assert_eq!(registry.import(&spec).await.unwrap(), *digest, "{name}");
    }
    let told = refusal("alpine:2", folder.path()).await;
    assert_eq!(told, "there is no image `alpine:2`; there are `docker.io/library/alpine:3`, `1.36`");
}

#[tokio::test]
async fn what_lies_is_refused() {
    let change = |name: &str, bytes: &[u8]| {
        let (mut entries, _) = layout();
        for (_, content) in entries.0.iter_mut().filter(|(entry, _)| entry.ends_with(name)) {
            *content = bytes.to_vec();
        }
        entries.in_folder()
    };
    let layer = Digest::of(b"layer of amd64");
    for (name, bytes, expect) in [
        (layer.encoded(), &b"layer of amd46"[..], "should have sha256:"),
        (layer.encoded(), b"short", "has 5 bytes, and its descriptor says 14"),
        ("oci-layout", b"{", "entry `oci-layout` is not valid JSON of its kind"),
        ("oci-layout", br#"{"imageLayoutVersion":"2.0"}"#, "has a version other than 1"),
        ("index.json", b"[]", "entry `index.json` is no manifest"),
        ("index.json", br#"{"schemaVersion":2,"manifests":[]}"#, "there is no image in it"),
        ("index.json", &vec![b' '; (4 << 20) + 1], "has 4194305 bytes; at most 4194304 are read"),
    ] {
        let folder = change(name, bytes);
        let told = refusal("team/app:1", folder.path()).await;
        assert!(told.contains(expect), "{name}: {told}");
    }
    let folder = change("", b"");
    fs::remove_file(folder.path().join("oci-layout")).unwrap();
    assert_eq!(refusal("a/b", folder.path()).await, "entry `oci-layout` is missing");
    let (archive, _) = saved(Some("0000000000000000000000000000000000000000000000000000000000000000.json"));
    let (_folder, path) = in_file(&archive);
    assert!(refusal("a/b", &path).await.contains("and should have sha256:0000"));
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    for (bytes, expect) in [
        (&b"hello, this is no tar"[..], "/image.tar is no tar that can be read"),
        (&[b'x'; 2048], "/image.tar is no tar that can be read"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\xff", "/image.tar is compressed with gzip; decompress it first"),
    ] {
        let (_folder, path) = in_file(bytes);
        let told = refusal("a/b", &path).await;
        assert!(told.starts_with(expect), "{told}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal("a/b", &folder.path().join("absent.tar")).await.starts_with("cannot read /absent.tar: "));
}

#[tokio::test]
async fn nothing_outside_of_an_archive_is_read() {
    let tar_of = |name: &[u8], kind, link: &str, size_bytes: u64, content: &[u8]| {
        let mut header = header(size_bytes, kind);
        // The builder refuses such names, so they are written as they are.
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        [&header.as_bytes()[..], content].concat()
    };
    let (file, symlink) = (tar::EntryType::Regular, tar::EntryType::Symlink);
    for (archive, expect) in [
        (tar_of(b"../evil", file, "", 0, b""), "entry `../evil` leads outside of the archive"),
        (tar_of(b"/etc/passwd", file, "", 0, b""), "entry `/etc/passwd` leads outside of the archive"),
        (
            tar_of(b"index.json", symlink, "../../etc/passwd", 0, b""),
            "entry `../../etc/passwd` leads outside of the archive",
        ),
        (tar_of(b"index.json", symlink, "/etc/passwd", 0, b""), "entry `/etc/passwd` leads outside of the archive"),
        (tar_of(b"manifest.json", file, "", 1 << 40, b"[]"), "entry `manifest.json` ends behind the end of the file"),
        (tar_of(b"x", tar::EntryType::GNULongName, "", 1 << 30, b"x"), "entry `x` has too long a name"),
        (tar_of(b"index.json", symlink, "index.json", 0, b""), "/image.tar is neither an OCI image layout nor"),
    ] {
        let (_folder, path) = in_file(&archive);
        let told = refusal("a/b", &path).await;
        assert!(told.starts_with(expect), "{told}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_out_of_a_folder_is_not_followed() {
    let (entries, _) = layout();
    let (folder, elsewhere) = (entries.in_folder(), entries.in_folder());
    let index = folder.path().join("oci-layout");
    fs::remove_file(&index).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("oci-layout"), &index).unwrap();
    assert_eq!(refusal("a/b", folder.path()).await, "entry `oci-layout` leads outside of the archive");
}
