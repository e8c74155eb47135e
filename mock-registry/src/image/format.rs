//! The two families of media types, and the compressions of layers.
//!
//! Source: image-spec, "OCI Image Media Types"; distribution, "Image Manifest V2, Schema 2".

use oci::MediaType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How layers are compressed.
///
/// What is made up is noise, which no compressor makes smaller, so a compressed layer has the size of its tar and a few
/// bytes more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all: a plain tar.
    #[default]
    None,
    /// gzip, as most images have it.
    Gzip,
    /// zstd; OCI's format only.
    Zstd,
}

/// In whose words manifests are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// OCI image manifests and indexes.
    #[default]
    Oci,
    /// Docker's schema 2 and manifest lists.
    Docker,
}

impl ImageFormat {
    /// The type of a manifest.
    pub(crate) fn manifest(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OCI_MANIFEST,
            Self::Docker => MediaType::DOCKER_MANIFEST,
        }
    }

    /// The type of a list of manifests.
    pub(crate) fn index(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OCI_INDEX,
            Self::Docker => MediaType::DOCKER_MANIFEST_LIST,
        }
    }

    /// The type of an image's config.
    pub(crate) fn config(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OCI_CONFIG,
            Self::Docker => MediaType::DOCKER_CONFIG,
        }
    }

    /// The type of a layer; `None`: there is none.
    pub(crate) fn layer(self, compression: Compression) -> Option<MediaType> {
        match (self, compression) {
            (Self::Oci, Compression::None) => Some(MediaType::OCI_LAYER_TAR),
            (Self::Oci, Compression::Gzip) => Some(MediaType::OCI_LAYER_GZIP),
            (Self::Oci, Compression::Zstd) => Some(MediaType::OCI_LAYER_ZSTD),
            (Self::Docker, Compression::None) => Some(MediaType::DOCKER_LAYER_TAR),
            (Self::Docker, Compression::Gzip) => Some(MediaType::DOCKER_LAYER_GZIP),
            (Self::Docker, Compression::Zstd) => None,
        }
    }
}
