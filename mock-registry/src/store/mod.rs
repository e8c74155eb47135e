//! What a registry holds: repositories with manifests, tags and blobs, pushed or made up.
//!
//! [`repositories`] is all of it together, [`repository`] one repository, [`shelf`] its index, [`content`] one blob's bytes.
//! [`uploads`] are the blobs that are being pushed, [`session`] is one of them. Where that which is pushed is kept is a
//! [`medium`]: [`memory`], in which there is so much [`room`], or a [`folder`]. What is made up, and never stored, is in
//! [`synthetic`].

mod content;
mod error;
mod folder;
#[cfg(test)]
mod laws;
mod medium;
mod memory;
mod repositories;
mod repository;
mod room;
mod session;
mod shelf;
mod synthetic;
mod uploads;

pub(crate) use content::Content;
pub use error::StoreError;
pub(crate) use folder::{Folder, Reading};
pub(crate) use medium::Medium;
pub(crate) use memory::Memory;
pub(crate) use repositories::Store;
pub(crate) use repository::{Repository, StoredManifest};
pub(crate) use room::Room;
pub(crate) use session::{Received, Session};
pub(crate) use uploads::Uploads;
