//! Blobs that are being pushed: sessions with a bound on their number and size.
//!
//! Clients go away without a word, so where the most sessions are open, the one that was idle for longest makes way for a
//! new one: its upload is unknown from then on, as after the purge of a real registry.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use oci::{Algorithm, Digest, Digester, RepositoryName, UploadId};
use rand_chacha::ChaCha8Rng;
use testbed::Seed;

use super::room::{Held, Room};
use crate::error::RegistryError;

/// The largest blob that can be pushed.
pub(crate) const MAX_BLOB_BYTES: u64 = 2 << 30;
/// How many uploads may be open.
const MAX_SESSIONS: usize = 1_000;

/// The open uploads of a registry. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Uploads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    room: Room,
}

#[derive(Debug)]
struct State {
    open: HashMap<UploadId, Open>,
    random: ChaCha8Rng,
    /// How often a session was opened or found: the order in which they were used.
    n_uses: u64,
}

#[derive(Debug)]
struct Open {
    owner: RepositoryName,
    session: Arc<tokio::sync::Mutex<Session>>,
    last_use: u64,
}

/// One upload: the bytes so far, and their digest.
#[derive(Debug)]
pub(crate) struct Session {
    data: BytesMut,
    digester: Digester,
    held: Held,
    /// Whether its bytes were taken out: who waited for it meanwhile comes too late.
    is_done: bool,
}

/// How far a session was, to go back to.
#[derive(Debug)]
pub(crate) struct Mark {
    n_bytes: usize,
    digester: Digester,
}

impl Uploads {
    /// No uploads; their ids are drawn from `seed`, their bytes are kept in `room`.
    pub(crate) fn new(seed: Seed, room: Room) -> Self {
        let state = State { open: HashMap::new(), random: seed.stream("uploads"), n_uses: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), room }))
    }

    /// Opens an upload to `repository`; drops the one that was idle for longest if too many are open.
    ///
    /// # Errors
    /// Too many are open, and something arrives in each of them at this moment.
    pub(crate) fn open(&self, repository: &RepositoryName) -> Result<UploadId, RegistryError> {
        let too_many = || RegistryError::TooManyUploads { max: MAX_SESSIONS };
        let session = Arc::new(tokio::sync::Mutex::new(self.session()));
        let mut state = self.state();
        if state.open.len() >= MAX_SESSIONS {
            let evicted = state.longest_idle().ok_or_else(too_many)?;
            state.open.remove(&evicted);
        }
        let mut bytes = [0; 16];
        rand::Rng::fill_bytes(&mut state.random, &mut bytes);
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
        let id: UploadId = id.parse().map_err(|_| too_many())?;
        let last_use = state.next_use();
        state.open.insert(id.clone(), Open { owner: repository.clone(), session, last_use });
        Ok(id)
    }

    /// A session of its own, for a blob that comes in one request.
    pub(crate) fn session(&self) -> Session {
        Session {
            data: BytesMut::new(),
            digester: Digester::new(Algorithm::Sha256),
            held: self.0.room.hold(),
            is_done: false,
        }
    }

    /// The open upload `id` to `repository`.
    pub(crate) fn find(&self, repository: &RepositoryName, id: &UploadId) -> Option<Arc<tokio::sync::Mutex<Session>>> {
        let mut state = self.state();
        let now = state.next_use();
        let open = state.open.get_mut(id).filter(|open| open.owner == *repository)?;
        open.last_use = now;
        Some(Arc::clone(&open.session))
    }

    /// Ends the upload; false if there is none.
    pub(crate) fn close(&self, repository: &RepositoryName, id: &UploadId) -> bool {
        let mut state = self.state();
        let is_owned = state.open.get(id).is_some_and(|open| open.owner == *repository);
        is_owned && state.open.remove(id).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_use(&mut self) -> u64 {
        self.n_uses += 1;
        self.n_uses
    }

    /// The session that no request holds, least recently used.
    fn longest_idle(&self) -> Option<UploadId> {
        let idle = self.open.iter().filter(|(_, open)| Arc::strong_count(&open.session) == 1);
        idle.min_by_key(|(_, open)| open.last_use).map(|(id, _)| id.clone())
    }
}

impl Session {
    /// How many bytes have arrived.
    ///
    /// # Errors
    /// The upload is finished.
    pub(crate) fn size_bytes(&self) -> Result<u64, RegistryError> {
        if self.is_done { Err(RegistryError::UploadUnknown) } else { Ok(self.data.len() as u64) }
    }

    /// Appends what arrived.
    ///
    /// # Errors
    /// The upload is finished; the blob, or everything that was pushed together, becomes too large.
    pub(crate) fn append(&mut self, piece: &[u8]) -> Result<(), RegistryError> {
        let n_bytes = piece.len() as u64;
        if self.size_bytes()? + n_bytes > MAX_BLOB_BYTES {
            return Err(RegistryError::BlobTooLarge { max_bytes: MAX_BLOB_BYTES });
        }
        self.held.add(n_bytes)?;
        self.digester.update(piece);
        self.data.extend_from_slice(piece);
        Ok(())
    }

    /// Where it is now.
    pub(crate) fn mark(&self) -> Mark {
        Mark { n_bytes: self.data.len(), digester: self.digester.clone() }
    }

    /// Forgets what arrived since `mark`.
    pub(crate) fn go_back(&mut self, mark: Mark) {
        self.data.truncate(mark.n_bytes);
        self.digester = mark.digester;
        self.held.shrink_to(mark.n_bytes as u64);
    }

    /// The bytes, if they have the digest that was promised. The upload is finished either way.
    ///
    /// # Errors
    /// They have another digest; the upload is finished already.
    pub(crate) fn finish(&mut self, expected: &Digest) -> Result<Bytes, RegistryError> {
        self.size_bytes()?;
        self.is_done = true;
        let data = std::mem::take(&mut self.data).freeze();
        let digester = std::mem::replace(&mut self.digester, Digester::new(Algorithm::Sha256));
        let room = self.held.take();
        let actual = match expected.algorithm() {
            Algorithm::Sha256 => digester.finish(),
            Algorithm::Sha512 => Digest::of_with(Algorithm::Sha512, &data),
        };
        if actual != *expected {
            return Err(RegistryError::DigestMismatch { expected: expected.clone(), actual });
        }
        Ok(room.beside(data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploads() -> (Uploads, Room, RepositoryName) {
        let room = Room::default();
        (Uploads::new(Seed(1), room.clone()), room, "a/b".parse().unwrap())
    }

    #[tokio::test]
    async fn at_the_cap_the_upload_that_was_idle_for_longest_makes_way() {
        let (uploads, room, name) = uploads();
        let ids: Vec<_> = (0..MAX_SESSIONS).map(|_| uploads.open(&name).unwrap()).collect();
        // The first is in use, the second was used since, so the third is the one.
        let busy = uploads.find(&name, &ids[0]).unwrap();
        uploads.find(&name, &ids[1]).unwrap();
        uploads.find(&name, &ids[2]).unwrap().lock().await.append(b"abandoned").unwrap();
        for id in &ids[3..] {
            uploads.find(&name, id).unwrap();
        }
        uploads.find(&name, &ids[1]).unwrap();
        assert_eq!(room.taken_bytes(), 9);
        let new = uploads.open(&name).unwrap();
        assert!(uploads.find(&name, &ids[2]).is_none());
        assert_eq!(room.taken_bytes(), 0);
        assert!([&ids[0], &ids[1], &new].iter().all(|id| uploads.find(&name, id).is_some()));
        drop(busy);
    }

    #[test]
    fn a_finished_session_takes_and_gives_nothing_more() {
        let (uploads, room, _) = uploads();
        let mut session = uploads.session();
        session.append(b"hello").unwrap();
        let bytes = session.finish(&Digest::of(b"hello")).unwrap();
        assert!(matches!(session.append(b"x"), Err(RegistryError::UploadUnknown)));
        assert!(matches!(session.finish(&Digest::of(b"hello")), Err(RegistryError::UploadUnknown)));
        drop(session);
        assert_eq!(room.taken_bytes(), 5);
        drop(bytes);
        assert_eq!(room.taken_bytes(), 0);
    }

    #[test]
    fn going_back_forgets_bytes_digest_and_room() {
        let (uploads, room, _) = uploads();
        let mut session = uploads.session();
        session.append(b"hello").unwrap();
        let mark = session.mark();
        session.append(b" there").unwrap();
        session.go_back(mark);
        assert_eq!(room.taken_bytes(), 5);
        session.append(b" world").unwrap();
        assert_eq!(&session.finish(&Digest::of(b"hello world")).unwrap()[..], b"hello world");
    }
}
