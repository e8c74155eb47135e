//! Images that are made up: manifests, configs and indexes over computed layers.
//!
//! An image is a function of the seed and its name, so two registries of one world that hold the same image hold the same
//! bytes, as a mirror does. Nothing is hashed before somebody asks.

use std::sync::Arc;

use bytes::Bytes;
use oci::{Descriptor, Digest, ImageConfig, ImageIndex, ImageManifest, MediaType, Platform};
use serde::Serialize;

use super::{
    Content, StoredManifest,
    layer::{Layer, Noise},
};
use crate::image::ImageSpec;

/// An image that can be composed when it is asked for.
#[derive(Debug)]
pub(crate) struct Synthetic {
    platforms: Vec<(Platform, Vec<Arc<Layer>>)>,
    has_index: bool,
    composed: tokio::sync::OnceCell<Composed>,
}

/// Everything that a composed image brings into its repository.
#[derive(Clone, Debug)]
pub(crate) struct Composed {
    /// What the tag names.
    pub(crate) digest: Digest,
    /// The manifests, children before their index.
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
                    Arc::new(Layer::new(noise, &name, size.bytes()))
                })
                .collect()
        };
        let platforms = platforms.into_iter().map(|platform| (platform.clone(), layers_of(&platform))).collect();
        Self { platforms, has_index, composed: tokio::sync::OnceCell::new() }
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
        let layers = self.platforms.iter().flat_map(|(_, layers)| layers);
        layers.map(|layer| layer.size_bytes()).fold(0, u64::saturating_add)
    }

    async fn compose(&self) -> Composed {
        let mut composed = Composed { digest: Digest::of(b""), manifests: Vec::new(), blobs: Vec::new() };
        let mut children = Vec::new();
        for (platform, layers) in &self.platforms {
            let mut descriptors = Vec::new();
            for (n, layer) in layers.iter().enumerate() {
                let digest = layer.digest().await;
                let descriptor = Descriptor::new(MediaType::OCI_LAYER_TAR, digest.clone(), layer.size_bytes());
                descriptors.push(descriptor);
                composed.blobs.push((digest, Content::Layer(Arc::clone(layer)), Some(n + 1)));
            }
            // A layer that is not compressed is its own diff id.
            let diff_ids = descriptors.iter().map(|layer| layer.digest.clone()).collect();
            let config = to_json(&ImageConfig::new(platform.clone(), diff_ids));
            let config_descriptor = Descriptor::of(MediaType::OCI_CONFIG, &config);
            composed.blobs.push((config_descriptor.digest.clone(), Content::Memory(config), None));
            let manifest = to_json(&ImageManifest::new(MediaType::OCI_MANIFEST, config_descriptor, descriptors));
            children.push(Descriptor::of(MediaType::OCI_MANIFEST, &manifest).with_platform(platform.clone()));
            composed.manifests.push(StoredManifest::new(MediaType::OCI_MANIFEST, manifest));
        }
        if self.has_index {
            let index = to_json(&ImageIndex::new(MediaType::OCI_INDEX, children));
            composed.manifests.push(StoredManifest::new(MediaType::OCI_INDEX, index));
        }
        if let Some(top) = composed.manifests.last() {
            composed.digest = top.digest.clone();
        }
        composed
    }
}

fn to_json(value: &impl Serialize) -> Bytes {
    // These types have text keys only, so they always serialize.
    serde_json::to_vec(value).unwrap_or_default().into()
}
