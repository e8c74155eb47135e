//! What a registry holds: repositories with manifests, tags and blobs, pushed or made up.
//!
//! [`content`] is one blob's bytes, [`layer`] a layer that is computed and never stored, [`synthetic`] the images made of
//! those, [`repository`] one repository, [`uploads`] the blobs that are being pushed, [`room`] how much may be pushed, and
//! [`memory`] all of it together.

mod content;
mod layer;
mod memory;
mod repository;
mod room;
mod synthetic;
mod uploads;

pub(crate) use content::Content;
pub(crate) use memory::Store;
pub(crate) use repository::{Repository, StoredManifest};
pub(crate) use room::Room;
pub(crate) use uploads::{Session, Uploads};
