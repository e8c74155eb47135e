//! The images of an OCI image layout: those that its `index.json` lists.
//!
//! Source: image-spec, "OCI Image Layout"; annotation `io.containerd.image.name` of containerd and `docker save`.

use oci::{Descriptor, Digest, Manifest, MediaType};
use serde::Deserialize;

use super::{
    ImportError,
    select::{Listed, Root},
    source::{Place, Source},
};
use crate::store::StoredManifest;

/// The file that says that this is a layout.
const MARKER: &str = "oci-layout";
/// The file that lists the images.
const INDEX: &str = "index.json";
/// Annotations that name an image: its tag or all of its name, and all of its name.
const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// Whether `source` is a layout.
pub(super) fn is_layout(source: &Source) -> bool {
    source.has(INDEX)
}

/// The images of `source`, and what refers to them.
pub(super) fn list(source: &Source) -> Result<(Vec<Listed>, Vec<Descriptor>), ImportError> {
    let marker = source.find(MARKER)?;
    let Marker { image_layout_version } = serde_json::from_slice(&marker.read_small()?)
        .map_err(|source| ImportError::Json { entry: marker.entry, source })?;
    if !image_layout_version.starts_with("1.") {
        return Err(ImportError::Entry { entry: MARKER.to_owned(), why: "has a version other than 1" });
    }
    let index = source.find(INDEX)?;
    let failed = |source| ImportError::Manifest { entry: INDEX.to_owned(), source };
    let Manifest::Index(index) = Manifest::parse(&index.read_small()?, Some(&MediaType::OCI_INDEX)).map_err(failed)?
    else {
        return Err(ImportError::Entry { entry: INDEX.to_owned(), why: "is no index" });
    };
    let (mut images, mut referrers) = (Vec::new(), Vec::new());
    for descriptor in index.manifests {
        let names: Vec<_> = NAMES.iter().filter_map(|key| descriptor.annotations.get(*key).cloned()).collect();
        let (_, manifest) = read_manifest(source, &descriptor)?;
        if manifest.subject().is_some() && names.is_empty() {
            referrers.push(descriptor);
        } else {
            images.push(Listed { names, root: Root::Manifest(descriptor) });
        }
    }
    Ok((images, referrers))
}

/// Where the content under `digest` is.
pub(super) fn find_blob(source: &Source, digest: &Digest) -> Result<Place, ImportError> {
    source.find(&blob_name(digest))
}

/// Whether there is content under `digest`.
pub(super) fn has_blob(source: &Source, digest: &Digest) -> bool {
    source.has(&blob_name(digest))
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.encoded())
}

/// The manifest that `descriptor` points at, verified.
pub(super) fn read_manifest(
    source: &Source,
    descriptor: &Descriptor,
) -> Result<(StoredManifest, Manifest), ImportError> {
    let place = find_blob(source, &descriptor.digest)?;
    place.check_size(descriptor.size)?;
    let bytes = place.read_small()?;
    let actual = Digest::of_with(descriptor.digest.algorithm(), &bytes);
    if actual != descriptor.digest {
        return Err(ImportError::Digest { entry: place.entry, expected: descriptor.digest.clone(), actual });
    }
    let manifest = Manifest::parse(&bytes, Some(&descriptor.media_type))
        .map_err(|source| ImportError::Manifest { entry: place.entry, source })?;
    Ok((StoredManifest::under(actual, manifest.media_type().clone(), bytes), manifest))
}
