//! Blobs that are being pushed: sessions with a bound on their number and size.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::BytesMut;
use oci::{Algorithm, Digest, Digester, RepositoryName, UploadId};
use rand_chacha::ChaCha8Rng;
use testbed::Seed;

use crate::error::RegistryError;

/// The largest blob that can be pushed.
pub(crate) const MAX_BLOB_BYTES: u64 = 2 << 30;
/// How much all pushed blobs of a registry may have together, those that are not finished included.
const MAX_TOTAL_BYTES: u64 = 8 << 30;
/// How many uploads may be open.
const MAX_SESSIONS: usize = 1_000;

/// The open uploads of a registry. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Uploads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    total_bytes: Arc<AtomicU64>,
}

#[derive(Debug)]
struct State {
    open: HashMap<UploadId, (RepositoryName, Arc<tokio::sync::Mutex<Session>>)>,
    random: ChaCha8Rng,
}

/// One upload: the bytes so far, and their digest.
#[derive(Debug)]
pub(crate) struct Session {
    data: BytesMut,
    digester: Digester,
    total_bytes: Arc<AtomicU64>,
    is_kept: bool,
}

impl Uploads {
    /// No uploads; their ids are drawn from `seed`.
    pub(crate) fn new(seed: Seed) -> Self {
        let state = State { open: HashMap::new(), random: seed.stream("uploads") };
        Self(Arc::new(Shared { state: Mutex::new(state), total_bytes: Arc::default() }))
    }

    /// Opens an upload to `repository`.
    ///
    /// # Errors
    /// Too many are open.
    pub(crate) fn open(&self, repository: &RepositoryName) -> Result<UploadId, RegistryError> {
        let mut state = self.state();
        if state.open.len() >= MAX_SESSIONS {
            return Err(RegistryError::TooManyUploads { max: MAX_SESSIONS });
        }
        let mut bytes = [0; 16];
        rand::Rng::fill_bytes(&mut state.random, &mut bytes);
        let id: UploadId = uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
            .parse()
            .map_err(|_| RegistryError::TooManyUploads { max: MAX_SESSIONS })?;
        let session = Arc::new(tokio::sync::Mutex::new(self.session()));
        state.open.insert(id.clone(), (repository.clone(), session));
        Ok(id)
    }

    /// A session of its own, for a blob that comes in one request.
    pub(crate) fn session(&self) -> Session {
        Session {
            data: BytesMut::new(),
            digester: Digester::new(Algorithm::Sha256),
            total_bytes: Arc::clone(&self.0.total_bytes),
            is_kept: false,
        }
    }

    /// The open upload `id` to `repository`.
    pub(crate) fn find(&self, repository: &RepositoryName, id: &UploadId) -> Option<Arc<tokio::sync::Mutex<Session>>> {
        let state = self.state();
        let (owner, session) = state.open.get(id)?;
        (owner == repository).then(|| Arc::clone(session))
    }

    /// Ends the upload; false if there is none.
    pub(crate) fn close(&self, repository: &RepositoryName, id: &UploadId) -> bool {
        let mut state = self.state();
        let is_owned = state.open.get(id).is_some_and(|(owner, _)| owner == repository);
        is_owned && state.open.remove(id).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// How many bytes have arrived.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.data.len() as u64
    }

    /// Appends what arrived.
    ///
    /// # Errors
    /// The blob, or all blobs together, become too large.
    pub(crate) fn append(&mut self, piece: &[u8]) -> Result<(), RegistryError> {
        let n = piece.len() as u64;
        let total = self.total_bytes.load(Ordering::Relaxed);
        if self.size_bytes() + n > MAX_BLOB_BYTES || total + n > MAX_TOTAL_BYTES {
            return Err(RegistryError::BlobTooLarge { max_bytes: MAX_BLOB_BYTES });
        }
        self.total_bytes.fetch_add(n, Ordering::Relaxed);
        self.digester.update(piece);
        self.data.extend_from_slice(piece);
        Ok(())
    }

    /// The bytes, if they have the digest that was promised.
    ///
    /// # Errors
    /// They have another digest.
    pub(crate) fn finish(&mut self, expected: &Digest) -> Result<bytes::Bytes, RegistryError> {
        let actual = match expected.algorithm() {
            Algorithm::Sha256 => self.digester.clone().finish(),
            Algorithm::Sha512 => Digest::of_with(Algorithm::Sha512, &self.data),
        };
        if actual != *expected {
            return Err(RegistryError::DigestMismatch { expected: expected.clone(), actual });
        }
        self.is_kept = true;
        Ok(std::mem::take(&mut self.data).freeze())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What was kept stays in the total; what was given up makes room.
        if !self.is_kept {
            self.total_bytes.fetch_sub(self.data.len() as u64, Ordering::Relaxed);
        }
    }
}
