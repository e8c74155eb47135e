//! A blob in a file: opened when it is asked for, and hashed once if it is from an earlier life.
//!
//! What was found is remembered for the file as it was then: its size, the time of its last change and its inode. A file that
//! changed since is hashed again, one that did not is not.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use oci::{Algorithm, Digest, Digester};

use super::{
    layout::path_of_blob,
    read::{Buffers, OpenFile, open_cached},
};
use crate::store::{StoreError, medium::run};

/// How much is hashed at once.
const HASH_BYTES: usize = 256 << 10;

/// A blob in a file.
#[derive(Debug)]
pub(crate) struct BlobFile {
    /// The layout that it is in.
    layout: Arc<Path>,
    digest: Digest,
    buffers: Buffers,
    verdict: Mutex<Option<Verdict>>,
    /// Held by the one who hashes it.
    hashing: tokio::sync::Mutex<()>,
}

/// What a file was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    size_bytes: u64,
    inode: (u64, u64),
    modified: (i64, i64),
}

#[derive(Clone, Copy, Debug)]
struct Verdict {
    stamp: Stamp,
    is_whole: bool,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            size_bytes: metadata.size(),
            inode: (metadata.dev(), metadata.ino()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl BlobFile {
    /// The blob `digest` of the repository whose layout is in `layout`; `written` is its file if its bytes were checked.
    pub(super) fn new(layout: Arc<Path>, digest: Digest, buffers: Buffers, written: Option<Stamp>) -> Self {
        let verdict = written.map(|stamp| Verdict { stamp, is_whole: true });
        Self { layout, digest, buffers, verdict: Mutex::new(verdict), hashing: tokio::sync::Mutex::default() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> PathBuf {
        path_of_blob(&self.layout, &self.digest)
    }

    /// The file whose bytes were checked last, if they were whole.
    pub(super) fn checked(&self) -> Option<Stamp> {
        self.verdict().filter(|verdict| verdict.is_whole).map(|verdict| verdict.stamp)
    }

    /// Opens it; `None` if the file is gone or damaged, of which the log tells.
    ///
    /// # Errors
    /// It cannot be opened or read.
    pub(crate) async fn open(self: &Arc<Self>) -> Result<Option<OpenFile>, StoreError> {
        let path = self.path();
        let fail = StoreError::io("read", &path);
        let opened = match open_cached(&path) {
            Ok(Some(file)) => file.metadata().map(|metadata| (file, Stamp::of(&metadata))),
            Ok(None) => {
                let path = path.clone();
                run(false, move || open(&path)).await
            }
            Err(error) => Err(error),
        };
        let (file, stamp) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), "blob is gone from the store; answered as absent");
                return Ok(None);
            }
            Err(error) => return Err(fail(error)),
        };
        let is_whole = match self.verdict_of(stamp) {
            Some(is_whole) => is_whole,
            None => self.check(&file, stamp).await.map_err(fail)?,
        };
        Ok(is_whole.then(|| OpenFile::new(file, stamp.size_bytes, self.buffers.clone())))
    }

    /// Hashes the file, unless somebody else did meanwhile, and remembers what was found.
    async fn check(self: &Arc<Self>, file: &File, stamp: Stamp) -> io::Result<bool> {
        let _hashing = self.hashing.lock().await;
        if let Some(is_whole) = self.verdict_of(stamp) {
            return Ok(is_whole);
        }
        // A second handle with a place of its own would need a second look at the path; this one is not used otherwise.
        let (blob, file) = (Arc::clone(self), file.try_clone()?);
        run(false, move || {
            let is_whole = digest_of(&file, stamp.size_bytes, blob.digest.algorithm())? == blob.digest;
            if !is_whole {
                let path = blob.path();
                tracing::warn!(path = %path.display(), "blob is damaged in the store; answered as absent");
            }
            *blob.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(Verdict { stamp, is_whole });
            Ok(is_whole)
        })
        .await
    }

    fn verdict(&self) -> Option<Verdict> {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verdict_of(&self, stamp: Stamp) -> Option<bool> {
        self.verdict().filter(|verdict| verdict.stamp == stamp).map(|verdict| verdict.is_whole)
    }
}

fn open(path: &Path) -> io::Result<(File, Stamp)> {
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    Ok((file, stamp))
}

/// The digest of the first `n_bytes` of a file, read from where it stands.
pub(super) fn digest_of(file: &File, n_bytes: u64, algorithm: Algorithm) -> io::Result<Digest> {
    let mut digester = Digester::new(algorithm);
    let mut buffer = vec![0; HASH_BYTES];
    let mut rest = file.take(n_bytes);
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(digester.finish()),
            n => digester.update(&buffer[..n]),
        }
    }
}
