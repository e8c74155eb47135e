//! Blobs that are being pushed: sessions with a bound on their number.
//!
//! Clients go away without a word, so where the most sessions are open, the one that was idle for longest makes way for a
//! new one: its upload is unknown from then on, as after the purge of a real registry.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use oci::{Algorithm, RepositoryName, UploadId};
use rand_chacha::ChaCha8Rng;
use testbed::Seed;

use super::{Medium, Session};
use crate::error::RegistryError;

/// How many uploads may be open.
const MAX_SESSIONS: usize = 1_000;

/// The open uploads of a registry. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Uploads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    medium: Arc<dyn Medium>,
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

impl Uploads {
    /// No uploads; their ids are drawn from `seed`, their bytes go to `medium`.
    pub(crate) fn new(seed: Seed, medium: Arc<dyn Medium>) -> Self {
        let state = State { open: HashMap::new(), random: seed.stream("uploads"), n_uses: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), medium }))
    }

    /// Opens an upload to `repository` of a blob whose digest is expected to be of `algorithm`; drops the one that was idle
    /// for longest if too many are open.
    ///
    /// # Errors
    /// Too many are open, and something arrives in each of them at this moment.
    pub(crate) fn open(&self, repository: &RepositoryName, algorithm: Algorithm) -> Result<UploadId, RegistryError> {
        let too_many = || RegistryError::TooManyUploads { max: MAX_SESSIONS };
        let session = Arc::new(tokio::sync::Mutex::new(self.session(algorithm)));
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
    pub(crate) fn session(&self, algorithm: Algorithm) -> Session {
        Session::new(&*self.0.medium, algorithm)
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::{Memory, Room};

    #[tokio::test]
    async fn at_the_cap_the_upload_that_was_idle_for_longest_makes_way() {
        let room = Room::default();
        let uploads = Uploads::new(Seed(1), Arc::new(Memory::new(room.clone())));
        let name = "a/b".parse().unwrap();
        let open = || uploads.open(&name, Algorithm::Sha256).unwrap();
        let ids: Vec<_> = (0..MAX_SESSIONS).map(|_| open()).collect();
        // The first is in use, the second was used since, so the third is the one.
        let busy = uploads.find(&name, &ids[0]).unwrap();
        uploads.find(&name, &ids[1]).unwrap();
        let third = uploads.find(&name, &ids[2]).unwrap();
        third.lock().await.receive().append(Bytes::from_static(b"abandoned")).await.unwrap();
        drop(third);
        for id in &ids[3..] {
            uploads.find(&name, id).unwrap();
        }
        uploads.find(&name, &ids[1]).unwrap();
        assert_eq!(room.taken_bytes(), 9);
        let new = open();
        assert!(uploads.find(&name, &ids[2]).is_none());
        assert_eq!(room.taken_bytes(), 0);
        assert!([&ids[0], &ids[1], &new].iter().all(|id| uploads.find(&name, id).is_some()));
        drop(busy);
    }
}
