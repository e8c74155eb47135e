//! An image that is made up: its name, its layers, its platforms, and what refers to it.

use std::str::FromStr;

use oci::{ByteSize, MediaType, NameError, Platform, RepositoryName, Tag, TagError};
use thiserror::Error;

use super::{Compression, ImageFormat};
use crate::store::StoreError;

/// The largest layer that can be made up.
const MAX_LAYER_BYTES: u64 = 1 << 40;
/// The most layers of an image.
const MAX_LAYERS: usize = 1_000;
/// The most platforms of an image.
const MAX_PLATFORMS: usize = 100;
/// The largest manifest that can be made up: larger than any client reads but those of ggcr.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;
/// The most artifacts that refer to an image.
const MAX_REFERRERS: usize = 100;

/// An image to make up. The same seed and spec give the same bytes in every registry.
///
/// ```
/// use mock_registry::ImageSpec;
///
/// let image = ImageSpec::new("harness/ci-addon:1.16.92", ["2MiB".parse()?, "512KiB".parse()?])?;
/// assert_eq!(image.tag.as_str(), "1.16.92");
///
/// use mock_registry::{Compression, ImageFormat};
/// use oci::Platform;
/// let image = ImageSpec {
///     compression: Compression::Gzip,
///     format: ImageFormat::Docker,
///     platforms: vec![Platform::linux_amd64(), Platform::linux_arm64()],
///     ..image
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSpec {
    /// The repository, as it is called in the registry.
    pub repository: RepositoryName,
    /// The tag.
    pub tag: Tag,
    /// The sizes of the layers before compression, lowest first. A layer is a tar.
    pub layers: Vec<ByteSize>,
    /// How the layers are compressed.
    pub compression: Compression,
    /// In whose words the manifests are written.
    pub format: ImageFormat,
    /// The platforms of an index; none means one `linux/amd64` manifest without index.
    pub platforms: Vec<Platform>,
    /// How large its image manifests are at least, made so by an annotation.
    pub manifest_size: ByteSize,
    /// Artifacts that refer to what the tag names: signatures, bills of materials.
    pub referrers: Vec<ReferrerSpec>,
}

/// An artifact to make up that refers to an image: an OCI manifest with one blob of noise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrerSpec {
    /// What kind of artifact it is; its blob has this type too.
    pub artifact_type: MediaType,
    /// How many bytes its blob has.
    pub size: ByteSize,
}

/// Why an image cannot be made up.
#[derive(Debug, Error)]
pub enum ImageSpecError {
    /// The repository's name is wrong.
    #[error(transparent)]
    Repository(#[from] NameError),
    /// The tag is wrong.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// A digest cannot be chosen: it follows from the content.
    #[error("image name `{name}` has a digest; give a tag, the digest follows from the content")]
    Digest {
        /// The name as it was written.
        name: String,
    },
    /// A layer is too large.
    #[error("layer {number} has {size}; at most {} can be made up", ByteSize(MAX_LAYER_BYTES))]
    LayerSize {
        /// Which layer, from 1.
        number: usize,
        /// Its size.
        size: ByteSize,
    },
    /// The blob of a referrer is too large.
    #[error("referrer {number} has {size}; at most {} can be made up", ByteSize(MAX_LAYER_BYTES))]
    ReferrerSize {
        /// Which referrer, from 1.
        number: usize,
        /// Its size.
        size: ByteSize,
    },
    /// A manifest is to be too large.
    #[error("a manifest of {size} is too large; at most {} can be made up", ByteSize(MAX_MANIFEST_BYTES))]
    ManifestSize {
        /// The size.
        size: ByteSize,
    },
    /// The format has no word for layers that are compressed so.
    #[error("Docker's manifests know no layers compressed with zstd")]
    Compression,
    /// There are too many layers, platforms or referrers.
    #[error("{actual} {what} are too many; at most {max} can be made up")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        actual: usize,
        /// How many there may be.
        max: usize,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tag was taken away while the image was being put in.
    #[error("tag {tag} was taken away while the image was being put in")]
    Gone {
        /// The tag.
        tag: Tag,
    },
}

impl ImageSpec {
    /// An image without index called `name`, such as `harness/ci-addon:1.16.92`; without a tag it is `latest`.
    ///
    /// # Errors
    /// The name or a size is not possible.
    pub fn new(name: &str, layers: impl IntoIterator<Item = ByteSize>) -> Result<Self, ImageSpecError> {
        let image = Self { layers: layers.into_iter().collect(), ..name.parse()? };
        image.check()?;
        Ok(image)
    }

    /// The same image as an index of `platforms`.
    #[must_use]
    pub fn with_platforms(self, platforms: impl IntoIterator<Item = Platform>) -> Self {
        Self { platforms: platforms.into_iter().collect(), ..self }
    }

    pub(crate) fn check(&self) -> Result<(), ImageSpecError> {
        for (what, actual, max) in [
            ("layers", self.layers.len(), MAX_LAYERS),
            ("platforms", self.platforms.len(), MAX_PLATFORMS),
            ("referrers", self.referrers.len(), MAX_REFERRERS),
        ] {
            if actual > max {
                return Err(ImageSpecError::TooMany { what, actual, max });
            }
        }
        if self.format.layer(self.compression).is_none() {
            return Err(ImageSpecError::Compression);
        }
        if self.manifest_size.bytes() > MAX_MANIFEST_BYTES {
            return Err(ImageSpecError::ManifestSize { size: self.manifest_size });
        }
        let too_large = |size: &ByteSize| size.bytes() > MAX_LAYER_BYTES;
        if let Some(n) = self.layers.iter().position(too_large) {
            return Err(ImageSpecError::LayerSize { number: n + 1, size: self.layers[n] });
        }
        match self.referrers.iter().position(|referrer| too_large(&referrer.size)) {
            Some(n) => Err(ImageSpecError::ReferrerSize { number: n + 1, size: self.referrers[n].size }),
            None => Ok(()),
        }
    }
}

/// The repository under `library/`, if its name has no slash.
pub(crate) fn in_library(repository: RepositoryName) -> RepositoryName {
    if repository.as_str().contains('/') {
        return repository;
    }
    // Eight characters more can only fail for a name that is nearly too long; it then stays as it is.
    RepositoryName::join("library", &repository).unwrap_or(repository)
}

/// An image of that name without layers.
impl FromStr for ImageSpec {
    type Err = ImageSpecError;

    fn from_str(name: &str) -> Result<Self, ImageSpecError> {
        if name.contains('@') {
            return Err(ImageSpecError::Digest { name: name.to_owned() });
        }
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag.parse()?),
            _ => (name, Tag::latest()),
        };
        Ok(Self {
            repository: repository.parse()?,
            tag,
            layers: Vec::new(),
            compression: Compression::None,
            format: ImageFormat::Oci,
            platforms: Vec::new(),
            manifest_size: ByteSize(0),
            referrers: Vec::new(),
        })
    }
}
