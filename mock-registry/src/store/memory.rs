//! The medium that is none: what is pushed stays in memory, within bounds, and ends with the process.

use bytes::{Bytes, BytesMut};
use oci::{Algorithm, Digest, RepositoryName, Tag};

use super::{
    Content, Room, StoreError, StoredManifest,
    content::Kept,
    medium::{Found, Intake, Keeper, Medium},
    room::Held,
};
use crate::error::RegistryError;

/// The largest blob that can be pushed.
pub(crate) const MAX_BLOB_BYTES: u64 = 2 << 30;

/// Keeps what is pushed in memory, in the room that there is.
#[derive(Debug)]
pub(crate) struct Memory {
    room: Room,
}

/// The index of a repository holds all that it has.
#[derive(Debug)]
struct InIndex;

#[derive(Debug)]
struct Gathered {
    data: BytesMut,
    held: Held,
}

impl Memory {
    /// Memory of which no more than `room` is taken.
    pub(crate) fn new(room: Room) -> Self {
        Self { room }
    }
}

impl Medium for Memory {
    fn is_immediate(&self) -> bool {
        true
    }

    fn max_blob_bytes(&self) -> u64 {
        MAX_BLOB_BYTES
    }

    fn open(&self, _: &RepositoryName) -> Result<(Box<dyn Keeper>, Found), StoreError> {
        Ok((Box::new(InIndex), Found::default()))
    }

    fn intake(&self) -> Box<dyn Intake> {
        Box::new(Gathered { data: BytesMut::new(), held: self.room.hold() })
    }
}

impl Keeper for InIndex {
    fn admit_blob(&mut self, _: &Digest) -> Result<(), StoreError> {
        Ok(())
    }

    fn link_blob(&mut self, _: &Digest, blob: &Kept) -> Result<Option<Kept>, StoreError> {
        Ok(Some(blob.clone()))
    }

    fn remove_blob(&mut self, _: &Digest) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep_manifest(&mut self, _: &StoredManifest, _: &[Tag], _: bool) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove_tag(&mut self, _: &Tag) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove_manifest(&mut self, _: &Digest) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Intake for Gathered {
    fn append(&mut self, pieces: &[Bytes]) -> Result<(), RegistryError> {
        for piece in pieces {
            self.held.add(piece.len() as u64)?;
            self.data.extend_from_slice(piece);
        }
        Ok(())
    }

    fn truncate(&mut self, n_bytes: u64) {
        self.data.truncate(usize::try_from(n_bytes).unwrap_or(usize::MAX));
        self.held.shrink_to(n_bytes);
    }

    fn digest(&mut self, algorithm: Algorithm) -> Result<Digest, StoreError> {
        Ok(Digest::of_with(algorithm, &self.data))
    }

    fn keep(self: Box<Self>, _: &RepositoryName, _: &Digest) -> Result<Kept, StoreError> {
        Ok(Kept::Ready(Content::Memory(self.held.beside(self.data.freeze()))))
    }
}
