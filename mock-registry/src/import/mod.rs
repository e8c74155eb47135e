//! Images that are read from files: OCI image layouts, as folders or tars, and archives of `docker save`.
//!
//! [`source`] finds the entries of a folder or a tar, [`layout`] and [`docker`] say which images those are, [`select`] takes one
//! of them with all that belongs to it, and [`load`] puts it into a repository. Nothing is ever unpacked: an entry is read where
//! it lies, and only if a digest or an index names it. What is read is verified, and what is small by its nature is
//! bounded.
//!
//! Source: image-spec, "OCI Image Layout"; moby, "Docker Image Specification v1.2", "Combined Image JSON + Filesystem
//! Changeset Format".

mod docker;
mod error;
mod layout;
mod load;
mod select;
mod source;

use std::path::{Path, PathBuf};

use oci::{RepositoryName, Tag};

use crate::{ImageSpec, ImageSpecError};

pub use error::ImportError;
pub(crate) use select::Selection;

/// An image to read from a file.
///
/// A file with several images is asked for the one of that name, whatever registry it was called after, or of that tag. A
/// file with one image gives that, whatever it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSpec {
    /// The repository, as it is called in the registry.
    pub repository: RepositoryName,
    /// The tag.
    pub tag: Tag,
    /// An OCI image layout, as a folder or a tar, or an archive of `docker save`.
    pub from: PathBuf,
}

impl ImportSpec {
    /// The image in the file `from`, to be called `name`, such as `team/app:1`; without a tag it is `latest`.
    ///
    /// # Errors
    /// The name is not possible.
    pub fn new(name: &str, from: impl Into<PathBuf>) -> Result<Self, ImageSpecError> {
        let ImageSpec { repository, tag, .. } = name.parse()?;
        Ok(Self { repository, tag, from: from.into() })
    }

    /// Looks whether the file has this image whole, without reading what is large. It may wait for a disk.
    ///
    /// # Errors
    /// The file is none that is understood, does not have the image, or has only a part of it.
    pub fn inspect(&self) -> Result<(), ImportError> {
        Selection::read(self).map(drop)
    }

    fn path(&self) -> &Path {
        &self.from
    }
}
