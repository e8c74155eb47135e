//! Images that are made up: manifests, configs and indexes over computed layers, and what refers to them.
//!
//! An image is a function of the seed and its name, so two registries of one world that hold the same image hold the same
//! bytes, as a mirror does. Nothing is hashed before somebody asks.

use std::sync::Arc;

use bytes::Bytes;
use oci::{Descriptor, Digest, ImageConfig, ImageIndex, ImageManifest, MediaType, Platform};
use serde::Serialize;

use super::{
    Computed, Noise,
    layer::{Layer, noise_blob},
};
use crate::{
    image::{ImageFormat, ImageSpec},
    store::{Content, StoredManifest},
};

/// The empty JSON object, which is the config of an artifact.
const EMPTY_CONFIG: Bytes = Bytes::from_static(b"{}");
/// The annotation that makes a manifest larger.
const PADDING: &str = "test.pullrig.padding";

/// An image that can be composed when it is asked for.
#[derive(Debug)]
pub(crate) struct Synthetic {
    format: ImageFormat,
    layer_type: MediaType,
    platforms: Vec<(Platform, Vec<Layer>)>,
    has_index: bool,
    manifest_bytes: u64,
    referrers: Vec<(MediaType, Arc<Computed>)>,
    composed: tokio::sync::OnceCell<Composed>,
}

/// Everything that a composed image brings into its repository.
#[derive(Clone, Debug)]
pub(crate) struct Composed {
    /// What the tag names.
    pub(crate) digest: Digest,
    /// The manifests, children before their index, and what refers to them last.
    pub(crate) manifests: Vec<StoredManifest>,
    /// Configs and layers, with the layer's number from 1.
    pub(crate) blobs: Vec<(Digest, Content, Option<usize>)>,
}

impl Synthetic {
    /// An image as `spec` says, without computing anything of it.
    pub(crate) fn new(noise: &Noise, spec: &ImageSpec) -> Self {
        let has_index = !spec.platforms.is_empty();
        let platforms = if has_index { spec.platforms.clone() } else { vec![Platform::linux_amd64()] };
        let layers_of = |platform: &Platform| {
            let layers = spec.layers.iter().enumerate();
            layers
                .map(|(n, size)| {
                    let name = format!("{}:{}#{platform}#{n}", spec.repository, spec.tag);
                    Layer::new(noise, &name, size.bytes(), spec.compression)
                })
                .collect()
        };
        let platforms = platforms.into_iter().map(|platform| (platform.clone(), layers_of(&platform))).collect();
        let referrers = spec.referrers.iter().enumerate().map(|(n, referrer)| {
            let name = format!("{}:{}#referrer#{n}", spec.repository, spec.tag);
            (referrer.artifact_type.clone(), Arc::new(noise_blob(noise, &name, referrer.size.bytes())))
        });
        Self {
            format: spec.format,
            // A spec is checked before it is made up, so that there is one.
            layer_type: spec.format.layer(spec.compression).unwrap_or(MediaType::OCTET_STREAM),
            platforms,
            has_index,
            manifest_bytes: spec.manifest_size.bytes(),
            referrers: referrers.collect(),
            composed: tokio::sync::OnceCell::new(),
        }
    }

    /// The image with all its digests, hashing its layers the first time.
    pub(crate) async fn composed(&self) -> &Composed {
        self.composed.get_or_init(|| self.compose()).await
    }

    /// How many bytes have to be hashed to compose it; none once that is done.
    pub(crate) fn uncomposed_bytes(&self) -> u64 {
        if self.composed.initialized() {
            return 0;
        }
        let layers = self.platforms.iter().flat_map(|(_, layers)| layers).map(Layer::hashed_bytes);
        let referrers = self.referrers.iter().map(|(_, blob)| blob.size_bytes());
        layers.chain(referrers).fold(0, u64::saturating_add)
    }

    async fn compose(&self) -> Composed {
        let mut composed = Composed { digest: Digest::of(b""), manifests: Vec::new(), blobs: Vec::new() };
        let mut children = Vec::new();
        for (platform, layers) in &self.platforms {
            let (mut descriptors, mut diff_ids) = (Vec::new(), Vec::new());
            for (n, layer) in layers.iter().enumerate() {
                let (digest, diff_id) = layer.digests().await;
                descriptors.push(Descriptor::new(self.layer_type.clone(), digest.clone(), layer.blob.size_bytes()));
                diff_ids.push(diff_id);
                composed.blobs.push((digest, Content::Computed(Arc::clone(&layer.blob)), Some(n + 1)));
            }
            let config = composed.json_blob(self.format.config(), &ImageConfig::new(platform.clone(), diff_ids));
            let manifest = ImageManifest::new(self.format.manifest(), config, descriptors);
            let manifest = padded(manifest, self.manifest_bytes);
            children.push(composed.put(self.format.manifest(), &manifest).with_platform(platform.clone()));
        }
        if self.has_index {
            let index = ImageIndex::new(self.format.index(), children);
            children = vec![composed.put(self.format.index(), &index)];
        }
        if let Some(top) = children.pop() {
            composed.digest = top.digest.clone();
            self.refer(&mut composed, Descriptor::new(top.media_type, top.digest, top.size)).await;
        }
        composed
    }

    /// Adds the artifacts that refer to `subject`.
    async fn refer(&self, composed: &mut Composed, subject: Descriptor) {
        for (artifact_type, blob) in &self.referrers {
            let digest = blob.digest().await;
            let descriptor = Descriptor::new(artifact_type.clone(), digest.clone(), blob.size_bytes());
            composed.blobs.push((digest, Content::Computed(Arc::clone(blob)), Some(1)));
            let config = Descriptor::of(MediaType::OCI_EMPTY, &EMPTY_CONFIG);
            composed.blobs.push((config.digest.clone(), Content::Memory(EMPTY_CONFIG), None));
            let artifact = ImageManifest {
                artifact_type: Some(artifact_type.clone()),
                subject: Some(subject.clone()),
                ..ImageManifest::new(MediaType::OCI_MANIFEST, config, vec![descriptor])
            };
            composed.put(MediaType::OCI_MANIFEST, &artifact);
        }
    }
}

/// `manifest` with an annotation that makes it as large as that, if it is smaller.
fn padded(mut manifest: ImageManifest, min_bytes: u64) -> ImageManifest {
    let missing_bytes = min_bytes.saturating_sub(to_json(&manifest).len() as u64);
    // The annotation's own frame is on top of that.
    if let Ok(n @ 1..) = usize::try_from(missing_bytes) {
        manifest.annotations.insert(String::from(PADDING), "-".repeat(n));
    }
    manifest
}

impl Composed {
    /// Adds a manifest.
    fn put(&mut self, media_type: MediaType, manifest: &impl Serialize) -> Descriptor {
        let bytes = to_json(manifest);
        let descriptor = Descriptor::of(media_type.clone(), &bytes);
        self.manifests.push(StoredManifest::new(media_type, bytes));
        descriptor
    }

    /// Adds a config.
    fn json_blob(&mut self, media_type: MediaType, config: &impl Serialize) -> Descriptor {
        let bytes = to_json(config);
        let descriptor = Descriptor::of(media_type, &bytes);
        self.blobs.push((descriptor.digest.clone(), Content::Memory(bytes), None));
        descriptor
    }
}

fn to_json(value: &impl Serialize) -> Bytes {
    // These types have text keys only, so they always serialize.
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_as_large_as_it_is_to_be() {
        let config = Descriptor::of(MediaType::OCI_CONFIG, &EMPTY_CONFIG);
        let manifest = ImageManifest::new(MediaType::OCI_MANIFEST, config, Vec::new());
        let n_bytes = to_json(&manifest).len() as u64;
        for min_bytes in [0, n_bytes] {
            assert_eq!(padded(manifest.clone(), min_bytes), manifest);
        }
        for min_bytes in [n_bytes + 1, 5 << 20] {
            let padded_bytes = to_json(&padded(manifest.clone(), min_bytes)).len() as u64;
            assert!((min_bytes..min_bytes + 64).contains(&padded_bytes), "{padded_bytes} for {min_bytes}");
        }
    }
}
