//! The folder of one registry: its lock, its uploads, its repositories.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use oci::RepositoryName;

use super::{
    layout::Layout,
    names::{find_all, path_of},
    read::Buffers,
    scratch::{FileIntake, Scratch},
};
use crate::store::{
    StoreError,
    medium::{Found, Intake, Keeper, Medium},
};

/// The largest blob that can be pushed; the disk is usually smaller.
const MAX_BLOB_BYTES: u64 = 1 << 40;

/// How often the lock is asked for, and how long to wait in between: a registry that was stopped in this process may still be
/// writing what a client gave up.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

const LOCK: &str = "_lock";
const UPLOADS: &str = "_uploads";

/// Keeps what is pushed to one registry in a folder.
#[derive(Debug)]
pub(crate) struct Folder(Arc<Shared>);

/// What everything in the folder has in common.
#[derive(Debug)]
pub(super) struct Shared {
    root: PathBuf,
    buffers: Buffers,
    /// Locked until it is dropped.
    _lock: File,
}

impl Folder {
    /// The folder of the registry called `name` in `store`, made now if it is new, and the repositories in it.
    ///
    /// # Errors
    /// `store` is no folder, cannot be written, or is in use; `name` is none for a folder.
    pub(crate) fn open(store: &Path, name: &str) -> Result<(Self, Vec<RepositoryName>), StoreError> {
        let is_plain =
            Path::new(name).components().count() == 1 && !name.starts_with(['.', '_']) && !name.contains('/');
        if !is_plain {
            return Err(StoreError::Name { name: name.to_owned() });
        }
        if store.exists() && !store.is_dir() {
            return Err(StoreError::NotAFolder { path: store.to_path_buf() });
        }
        let root = store.join(name);
        fs::create_dir_all(&root).map_err(StoreError::io("make", &root))?;
        let lock = lock(&root)?;
        let uploads = root.join(UPLOADS);
        sweep(&uploads)?;
        let repositories = find_all(&root)?;
        let shared = Shared { root, buffers: Buffers::default(), _lock: lock };
        Ok((Self(Arc::new(shared)), repositories))
    }
}

/// Locks the folder for one registry.
fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join(LOCK);
    let file = File::create(&path).map_err(StoreError::io("write", &path))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(StoreError::io("lock", &path)(source)),
        }
    }
    Err(StoreError::InUse { path: root.to_path_buf() })
}

/// Removes what an earlier life was receiving when it ended.
fn sweep(uploads: &Path) -> Result<(), StoreError> {
    if uploads.exists() {
        fs::remove_dir_all(uploads).map_err(StoreError::io("remove", uploads))?;
    }
    fs::create_dir(uploads).map_err(StoreError::io("make", uploads))
}

impl Shared {
    /// Where the layout of a repository is.
    pub(super) fn layout_of(&self, repository: &RepositoryName) -> PathBuf {
        path_of(&self.root, repository)
    }

    /// A path that nobody else has.
    pub(super) fn scratch(&self) -> Scratch {
        // One count for all folders: where one is used again, what was dropped before may still be on its way out.
        static N_SCRATCH: AtomicU64 = AtomicU64::new(0);
        let n = N_SCRATCH.fetch_add(1, Ordering::Relaxed);
        Scratch::new(self.root.join(UPLOADS).join(n.to_string()))
    }

    /// The buffers that its files are read into.
    pub(super) fn buffers(&self) -> Buffers {
        self.buffers.clone()
    }
}

impl Medium for Folder {
    fn is_immediate(&self) -> bool {
        false
    }

    fn max_blob_bytes(&self) -> u64 {
        MAX_BLOB_BYTES
    }

    fn open(&self, repository: &RepositoryName) -> Result<(Box<dyn Keeper>, Found), StoreError> {
        let (layout, found) = Layout::open(Arc::clone(&self.0), repository)?;
        Ok((Box::new(layout), found))
    }

    fn intake(&self) -> Box<dyn Intake> {
        Box::new(FileIntake::new(Arc::clone(&self.0)))
    }
}
