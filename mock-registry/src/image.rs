//! What an image that is made up looks like: its name, the sizes of its layers, its platforms.

use std::str::FromStr;

use oci::{ByteSize, NameError, Platform, RepositoryName, Tag, TagError};
use thiserror::Error;

/// The largest layer that can be made up.
const MAX_LAYER_BYTES: u64 = 1 << 40;
/// The most layers of an image.
const MAX_LAYERS: usize = 1_000;
/// The most platforms of an image.
const MAX_PLATFORMS: usize = 100;

/// An image to make up. The same seed and spec give the same bytes in every registry.
///
/// ```
/// use mock_registry::ImageSpec;
///
/// let image = ImageSpec::new("harness/ci-addon:1.16.92", ["2MiB".parse()?, "512KiB".parse()?])?;
/// assert_eq!(image.tag.as_str(), "1.16.92");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSpec {
    /// The repository, as it is called in the registry.
    pub repository: RepositoryName,
    /// The tag.
    pub tag: Tag,
    /// The sizes of the layers, lowest first. A layer is a tar without compression.
    pub layers: Vec<ByteSize>,
    /// The platforms of an index; none means one `linux/amd64` manifest without index.
    pub platforms: Vec<Platform>,
}

/// Why an image cannot be made up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
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
    /// There are too many layers or platforms.
    #[error("{actual} {what} are too many; at most {max} can be made up")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        actual: usize,
        /// How many there may be.
        max: usize,
    },
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

    /// The same image, under `library/` if its name has no slash.
    pub(crate) fn in_library(self) -> Self {
        if self.repository.as_str().contains('/') {
            return self;
        }
        // Eight characters more can only fail for a name that is nearly too long; it then stays as it is.
        match RepositoryName::join("library", &self.repository) {
            Ok(repository) => Self { repository, ..self },
            Err(_) => self,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ImageSpecError> {
        for (what, actual, max) in
            [("layers", self.layers.len(), MAX_LAYERS), ("platforms", self.platforms.len(), MAX_PLATFORMS)]
        {
            if actual > max {
                return Err(ImageSpecError::TooMany { what, actual, max });
            }
        }
        match self.layers.iter().position(|size| size.bytes() > MAX_LAYER_BYTES) {
            Some(n) => Err(ImageSpecError::LayerSize { number: n + 1, size: self.layers[n] }),
            None => Ok(()),
        }
    }
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
        Ok(Self { repository: repository.parse()?, tag, layers: Vec::new(), platforms: Vec::new() })
    }
}
