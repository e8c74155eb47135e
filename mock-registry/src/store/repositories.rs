//! All repositories of a registry.

use std::{
    collections::BTreeMap,
    ops::Bound,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use oci::{Digest, RepositoryName};
use testbed::Seed;

use super::{
    Folder, Memory, Repository, Room, StoreError,
    medium::{Medium, run},
    synthetic::{Noise, Synthetic},
};
use crate::image::ImageSpec;

/// All repositories of a registry. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    repositories: RwLock<BTreeMap<RepositoryName, Arc<Repository>>>,
    medium: Arc<dyn Medium>,
    room: Room,
    noise: Noise,
}

impl Store {
    /// A store that ends with the process. Its made-up images come from `seed`.
    pub(crate) fn in_memory(seed: Seed) -> Self {
        let room = Room::default();
        Self::new(Arc::new(Memory::new(room.clone())), room, Vec::new(), seed)
    }

    /// The store of the registry called `name` in `folder`, with the repositories that are there. Its made-up images come from
    /// `seed`.
    ///
    /// # Errors
    /// `folder` is none, cannot be written, or is in use; `name` cannot be that of a folder.
    pub(crate) async fn in_folder(folder: &Path, name: &str, seed: Seed) -> Result<Self, StoreError> {
        let (folder, name) = (folder.to_path_buf(), name.to_owned());
        let (medium, names) = run(false, move || Folder::open(&folder, &name)).await?;
        Ok(Self::new(Arc::new(medium), Room::default(), names, seed))
    }

    fn new(medium: Arc<dyn Medium>, room: Room, names: Vec<RepositoryName>, seed: Seed) -> Self {
        let unread = |name: RepositoryName| (name.clone(), Arc::new(Repository::new(name, Arc::clone(&medium))));
        let repositories = RwLock::new(names.into_iter().map(unread).collect());
        Self(Arc::new(Shared { repositories, medium, room, noise: Noise::new(seed) }))
    }

    /// Where what is pushed to it is kept.
    pub(crate) fn medium(&self) -> Arc<dyn Medium> {
        Arc::clone(&self.0.medium)
    }

    /// How much may be held in memory of what is pushed.
    pub(crate) fn room(&self) -> &Room {
        &self.0.room
    }

    /// Whether anything was ever put into the repository called `name`.
    pub(crate) fn has(&self, name: &RepositoryName) -> bool {
        self.known(name).is_some()
    }

    /// The repository called `name`, if anything was ever put there.
    ///
    /// # Errors
    /// What an earlier life left there cannot be read.
    pub(crate) async fn find(&self, name: &RepositoryName) -> Result<Option<Arc<Repository>>, StoreError> {
        match self.known(name) {
            Some(repository) => repository.ready().await.map(Some),
            None => Ok(None),
        }
    }

    /// The repository called `name`, made now if it is new.
    ///
    /// # Errors
    /// What an earlier life left there cannot be read.
    pub(crate) async fn find_or_make(&self, name: &RepositoryName) -> Result<Arc<Repository>, StoreError> {
        self.entry(name).ready().await
    }

    /// Takes a blob of the repository `from` over into `to`, which is made now if it is new; false if it is not there, or is
    /// not to be had without its bytes being pushed.
    ///
    /// # Errors
    /// What an earlier life left there cannot be read; the medium cannot keep it.
    pub(crate) async fn mount(
        &self,
        digest: &Digest,
        from: &RepositoryName,
        to: &RepositoryName,
    ) -> Result<bool, StoreError> {
        let Some(from) = self.find(from).await? else { return Ok(false) };
        // Opened too, because what is damaged must not spread.
        if from.blob(digest).await?.is_none() {
            return Ok(false);
        }
        let Some(blob) = from.kept_blob(digest).await else { return Ok(false) };
        self.find_or_make(to).await?.link_blob(digest, blob).await
    }

    /// The names of all repositories, sorted.
    pub(crate) fn names(&self) -> Vec<RepositoryName> {
        self.0.repositories.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The first `n` names behind `last`, which need not be one, sorted.
    pub(crate) fn names_after(&self, last: Option<&str>, n: usize) -> Vec<RepositoryName> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        let repositories = self.0.repositories.read().unwrap_or_else(PoisonError::into_inner);
        repositories.range::<str, _>((start, Bound::Unbounded)).take(n).map(|(name, _)| name.clone()).collect()
    }

    /// The repositories that are known to have a blob, sorted. Images that are not composed yet are not searched.
    pub(crate) fn names_with(&self, digest: &Digest) -> Vec<RepositoryName> {
        let repositories = self.0.repositories.read().unwrap_or_else(PoisonError::into_inner);
        repositories.iter().filter(|(_, has)| has.knows_blob(digest)).map(|(name, _)| name.clone()).collect()
    }

    /// Puts a made-up image in; nothing of it is computed yet.
    pub(crate) fn add_later(&self, spec: &ImageSpec) {
        let image = Arc::new(Synthetic::new(&self.0.noise, spec));
        self.entry(&spec.repository).put_later(spec.tag.clone(), image);
    }

    /// Which layer of its manifest a blob is, from 1, if that is known.
    pub(crate) fn layer_number(&self, name: &RepositoryName, digest: &Digest) -> Option<usize> {
        self.known(name)?.layer_number(digest)
    }

    fn known(&self, name: &RepositoryName) -> Option<Arc<Repository>> {
        self.0.repositories.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn entry(&self, name: &RepositoryName) -> Arc<Repository> {
        if let Some(repository) = self.known(name) {
            return repository;
        }
        let mut repositories = self.0.repositories.write().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Repository::new(name.clone(), Arc::clone(&self.0.medium)));
        Arc::clone(repositories.entry(name.clone()).or_insert_with(make))
    }
}
