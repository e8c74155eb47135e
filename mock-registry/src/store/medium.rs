//! What the kinds of store differ in: where that which is pushed is kept.
//!
//! A [`Medium`] is that of one registry, a [`Keeper`] that of one repository in it, an [`Intake`] that of one blob on its way
//! in. What all have in common is elsewhere: the index that requests are answered from ([`super::shelf`]), digests and their
//! check ([`super::session`]), and who writes when ([`super::Repository`]).
//!
//! The methods return when they are done, and may wait for a disk: [`run`] keeps that off the threads that serve.

use std::{fmt, panic::resume_unwind};

use bytes::Bytes;
use oci::{Algorithm, Digest, RepositoryName, Tag};
use tokio::task::JoinHandle;

use super::{StoreError, StoredManifest, content::Kept};
use crate::error::RegistryError;

/// Where one registry keeps what is pushed.
pub(crate) trait Medium: fmt::Debug + Send + Sync {
    /// Whether nothing here waits for a device, so that it may be called on any thread.
    fn is_immediate(&self) -> bool;

    /// The largest blob that is taken, in bytes.
    fn max_blob_bytes(&self) -> u64;

    /// What there is of a repository from an earlier life, and who keeps what is pushed to it. Asked for once.
    ///
    /// # Errors
    /// What there is cannot be read.
    fn open(&self, repository: &RepositoryName) -> Result<(Box<dyn Keeper>, Found), StoreError>;

    /// Takes in a blob that arrives in pieces.
    fn intake(&self) -> Box<dyn Intake>;
}

/// What an earlier life left in a repository.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The manifests that are whole.
    pub(crate) manifests: Vec<StoredManifest>,
    /// The tags, each of one of these manifests.
    pub(crate) tags: Vec<(Tag, Digest)>,
    /// The blobs.
    pub(crate) blobs: Vec<(Digest, Kept)>,
}

/// Keeps what is pushed to one repository; nobody else writes there meanwhile. What is not there is taken away without a
/// complaint.
///
/// Each method fails where the medium does: there is no room, or no access. What it was to change is then open, and all else
/// is as before.
pub(crate) trait Keeper: fmt::Debug + Send {
    /// Told that `digest` was kept as a blob here: if it is a manifest, it is a blob too from now on.
    fn admit_blob(&mut self, digest: &Digest) -> Result<(), StoreError>;

    /// Makes a blob of another repository one of this one; `None`: it is there no longer, or is made up, and so not kept at
    /// all.
    fn link_blob(&mut self, digest: &Digest, blob: &Kept) -> Result<Option<Kept>, StoreError>;

    /// Takes a blob away.
    fn remove_blob(&mut self, digest: &Digest) -> Result<(), StoreError>;

    /// Keeps a manifest, and lets `tags` name it.
    fn keep_manifest(&mut self, manifest: &StoredManifest, tags: &[Tag], is_blob: bool) -> Result<(), StoreError>;

    /// Takes a tag away.
    fn remove_tag(&mut self, tag: &Tag) -> Result<(), StoreError>;

    /// Takes a manifest away, with the tags that name it.
    fn remove_manifest(&mut self, digest: &Digest) -> Result<(), StoreError>;
}

/// A blob on its way in. Dropped, it leaves nothing behind.
pub(crate) trait Intake: fmt::Debug + Send {
    /// Appends to it.
    ///
    /// # Errors
    /// There is no room, or no access. What it holds from then on is open.
    fn append(&mut self, pieces: &[Bytes]) -> Result<(), RegistryError>;

    /// Forgets all but the first `n_bytes`.
    fn truncate(&mut self, n_bytes: u64);

    /// The digest of all of it, read once more.
    ///
    /// # Errors
    /// It cannot be read.
    fn digest(&mut self, algorithm: Algorithm) -> Result<Digest, StoreError>;

    /// Makes it a blob of `repository`, under the digest that it has.
    ///
    /// # Errors
    /// There is no room, or no access.
    fn keep(self: Box<Self>, repository: &RepositoryName, digest: &Digest) -> Result<Kept, StoreError>;
}

/// Does what may wait for the medium on a thread that may wait. It is done to its end also when nobody waits for it any more.
pub(crate) async fn run<T: Send + 'static>(is_immediate: bool, work: impl FnOnce() -> T + Send + 'static) -> T {
    if is_immediate { work() } else { joined(&mut tokio::task::spawn_blocking(work)).await }
}

/// What a thread that may wait comes back with.
pub(crate) async fn joined<T>(task: &mut JoinHandle<T>) -> T {
    match task.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // It is lost only with the whole runtime, and then nobody waits for it either.
            Err(_) => std::future::pending().await,
        },
    }
}
