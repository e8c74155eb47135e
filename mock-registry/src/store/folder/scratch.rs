//! A file on its way in: written beside what is served, and renamed into it when it is whole.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use oci::{Algorithm, Digest, RepositoryName};
use tokio::runtime::Handle;

use super::{
    blob::{BlobFile, Stamp, digest_of},
    layout::put_blob,
    place::Shared,
};
use crate::{
    error::RegistryError,
    store::{StoreError, content::Kept, medium::Intake},
};

/// A path of its own beside what is served. What is there when it is dropped is removed.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    is_made: bool,
}

/// A blob on its way into a file. Between writes the file is closed: uploads that nothing arrives in take no descriptors.
#[derive(Debug)]
pub(super) struct FileIntake {
    folder: Arc<Shared>,
    scratch: Scratch,
    n_bytes: u64,
}

impl Scratch {
    /// Nothing yet at `path`.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, is_made: false }
    }

    /// Makes it a file of `bytes`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.is_made = true;
        fs::write(&self.path, bytes).map_err(StoreError::io("write", &self.path))
    }

    /// Makes it another name of `file`, or a copy where the file system has no such names.
    pub(super) fn link(&mut self, file: &Path) -> io::Result<()> {
        self.is_made = true;
        match fs::hard_link(file, &self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => fs::copy(file, &self.path).map(drop),
            linked => linked,
        }
    }

    /// Puts it in place of whatever is at `path`.
    pub(super) fn rename(&mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        // Had both been names of one file, both would still be there.
        let _ = fs::remove_file(&self.path);
        self.is_made = false;
        Ok(())
    }

    fn open(&mut self) -> Result<File, StoreError> {
        self.is_made = true;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(&self.path).map_err(StoreError::io("write", &self.path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_made {
            return;
        }
        let path = std::mem::take(&mut self.path);
        let remove = move || {
            // What cannot be removed now is swept at the next start.
            let _ = fs::remove_file(path);
        };
        // It takes a while to give the space of a large file back.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

impl FileIntake {
    /// A blob of which nothing has arrived.
    pub(super) fn new(folder: Arc<Shared>) -> Self {
        let scratch = folder.scratch();
        Self { folder, scratch, n_bytes: 0 }
    }
}

impl Intake for FileIntake {
    fn append(&mut self, pieces: &[Bytes]) -> Result<(), RegistryError> {
        let file = self.scratch.open()?;
        for piece in pieces {
            file.write_all_at(piece, self.n_bytes).map_err(StoreError::io("write", &self.scratch.path))?;
            self.n_bytes += piece.len() as u64;
        }
        Ok(())
    }

    fn truncate(&mut self, n_bytes: u64) {
        // What is behind is written over, or cut off when the file is kept.
        self.n_bytes = self.n_bytes.min(n_bytes);
    }

    fn digest(&mut self, algorithm: Algorithm) -> Result<Digest, StoreError> {
        let file = self.scratch.open()?;
        digest_of(&file, self.n_bytes, algorithm).map_err(StoreError::io("read", &self.scratch.path))
    }

    fn keep(self: Box<Self>, repository: &RepositoryName, digest: &Digest) -> Result<Kept, StoreError> {
        let Self { folder, mut scratch, n_bytes } = *self;
        let file = scratch.open()?;
        let metadata = file.set_len(n_bytes).and_then(|()| file.metadata());
        let written = Stamp::of(&metadata.map_err(StoreError::io("write", &scratch.path))?);
        let layout: Arc<Path> = folder.layout_of(repository).into();
        put_blob(&folder, scratch, &layout, digest)?;
        Ok(Kept::File(Arc::new(BlobFile::new(layout, digest.clone(), folder.buffers(), Some(written)))))
    }
}
