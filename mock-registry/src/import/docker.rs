//! The images of an archive of `docker save` in its classic form: a `manifest.json` that names configs and layers.
//!
//! There is no manifest in it that a registry could serve, so one is written: OCI's, which has a word for layers in every
//! compression. Layers are served as they lie there, which is uncompressed for `docker save`; other tools compress them.

use std::io::{self, Read as _};

use oci::{Algorithm, Descriptor, Digest, Digester, ImageConfig, ImageManifest, MediaType};
use serde::Deserialize;

use super::{
    ImportError,
    select::{Listed, Root},
    source::{Place, Source, compression_of},
};

/// The file that lists the images.
const LIST: &str = "manifest.json";
/// How much of a layer is read at once.
const READ_BYTES: usize = 1 << 20;

/// One image of the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SavedImage {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// A saved image as a registry has it.
pub(super) struct Written {
    /// The manifest that was written for it.
    pub(super) manifest: ImageManifest,
    /// Its config and its layers, in the order of the manifest.
    pub(super) blobs: Vec<Place>,
}

/// Whether `source` is such an archive.
pub(super) fn is_saved(source: &Source) -> bool {
    source.has(LIST)
}

/// The images of `source`.
pub(super) fn list(source: &Source) -> Result<Vec<Listed>, ImportError> {
    let images: Vec<SavedImage> = serde_json::from_slice(&source.find(LIST)?.read_small()?)
        .map_err(|source| ImportError::Json { entry: LIST.to_owned(), source })?;
    let listed =
        |image: SavedImage| Listed { names: image.repo_tags.clone().unwrap_or_default(), root: Root::Saved(image) };
    Ok(images.into_iter().map(listed).collect())
}

/// Writes the manifest of `image`. A layer that is not compressed is its own diff id, so its digest is known; others are read.
pub(super) fn write(source: &Source, image: &SavedImage) -> Result<Written, ImportError> {
    let place = source.find(&image.config)?;
    let bytes = place.read_small()?;
    let descriptor = Descriptor::of(MediaType::OCI_CONFIG, &bytes);
    if let Some(expected) = digest_in(&image.config)
        && expected != descriptor.digest
    {
        return Err(ImportError::Digest { entry: place.entry, expected, actual: descriptor.digest });
    }
    let config: ImageConfig =
        serde_json::from_slice(&bytes).map_err(|source| ImportError::Json { entry: place.entry.clone(), source })?;
    if config.rootfs.diff_ids.len() != image.layers.len() {
        return Err(ImportError::Entry { entry: place.entry, why: "has another number of layers than the image" });
    }
    let (mut blobs, mut layers) = (vec![place], Vec::new());
    for (name, diff_id) in image.layers.iter().zip(config.rootfs.diff_ids) {
        let place = source.find(name)?;
        layers.push(describe(&place, diff_id)?);
        blobs.push(place);
    }
    Ok(Written { manifest: ImageManifest::new(MediaType::OCI_MANIFEST, descriptor, layers), blobs })
}

fn describe(place: &Place, diff_id: Digest) -> Result<Descriptor, ImportError> {
    let mut begin = Vec::new();
    let read = place.open().and_then(|file| file.take(8).read_to_end(&mut begin));
    read.map_err(|error| place.failed(error))?;
    let media_type = match compression_of(&begin) {
        None => return Ok(Descriptor::new(MediaType::OCI_LAYER_TAR, diff_id, place.size_bytes)),
        Some("gzip") => MediaType::OCI_LAYER_GZIP,
        Some("zstd") => MediaType::OCI_LAYER_ZSTD,
        Some(_) => {
            let entry = place.entry.clone();
            return Err(ImportError::Entry { entry, why: "is compressed in a way that layers are not" });
        }
    };
    let digest = digest_of(place).map_err(|error| place.failed(error))?;
    Ok(Descriptor::new(media_type, digest, place.size_bytes))
}

fn digest_of(place: &Place) -> io::Result<Digest> {
    let mut file = place.open()?;
    let mut digester = Digester::new(Algorithm::Sha256);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digester.finish()),
            n_bytes => digester.update(&buffer[..n_bytes]),
        }
    }
}

/// The digest that the name of a config tells: `<hex>.json`, `sha256:<hex>`, `blobs/sha256/<hex>`.
fn digest_in(name: &str) -> Option<Digest> {
    let name = name.rsplit('/').next()?;
    let name = name.strip_suffix(".json").unwrap_or(name);
    format!("sha256:{}", name.strip_prefix("sha256:").unwrap_or(name)).parse().ok()
}
