//! All repositories of a registry, in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use oci::{Digest, RepositoryName};
use testbed::Seed;

use super::{Repository, layer::Noise, synthetic::Synthetic};
use crate::image::ImageSpec;

/// All repositories of a registry. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    repositories: RwLock<BTreeMap<RepositoryName, Arc<Repository>>>,
    noise: Noise,
}

impl Store {
    /// An empty store, whose made-up images come from `seed`.
    pub(crate) fn new(seed: Seed) -> Self {
        Self(Arc::new(Shared { repositories: RwLock::default(), noise: Noise::new(seed) }))
    }

    /// The repository called `name`, if anything was ever put there.
    pub(crate) fn find(&self, name: &RepositoryName) -> Option<Arc<Repository>> {
        self.0.repositories.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The repository called `name`, made now if it is new.
    pub(crate) fn find_or_make(&self, name: &RepositoryName) -> Arc<Repository> {
        if let Some(repository) = self.find(name) {
            return repository;
        }
        let mut repositories = self.0.repositories.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(repositories.entry(name.clone()).or_default())
    }

    /// The names of all repositories, sorted.
    pub(crate) fn names(&self) -> Vec<RepositoryName> {
        self.0.repositories.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Puts a made-up image in; nothing of it is computed yet.
    pub(crate) fn add_later(&self, spec: &ImageSpec) {
        let image = Arc::new(Synthetic::new(&self.0.noise, spec));
        self.find_or_make(&spec.repository).put_later(spec.tag.clone(), image);
    }

    /// Which layer of its manifest a blob is, from 1, if that is known.
    pub(crate) fn layer_number(&self, name: &RepositoryName, digest: &Digest) -> Option<usize> {
        self.find(name)?.layer_number(digest)
    }
}
