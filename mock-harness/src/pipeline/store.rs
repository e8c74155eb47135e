//! The pipelines that were saved: their text. It is read anew for each execution, with that one's inputs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use testbed::Timestamp;

use crate::account::{EntityRef, Scope};

/// A saved pipeline.
#[derive(Clone, Debug)]
pub(crate) struct StoredPipeline {
    /// Its YAML as it came.
    pub(crate) yaml: Arc<str>,
    /// Its name.
    pub(crate) name: String,
    /// The names of its stages, in order.
    pub(crate) stages: Vec<String>,
    /// When it was saved first.
    pub(crate) created_at: Timestamp,
    /// When it was saved last.
    pub(crate) updated_at: Timestamp,
    /// How often it was saved, from 1.
    pub(crate) version: u64,
}

/// A handle to the saved pipelines. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipelines(Arc<Mutex<BTreeMap<EntityRef, StoredPipeline>>>);

impl Pipelines {
    /// The pipeline that `reference` means.
    pub(crate) fn get(&self, reference: &EntityRef) -> Option<StoredPipeline> {
        self.lock().get(reference).cloned()
    }

    /// Saves a pipeline that is new; false if there is one already.
    pub(crate) fn create(&self, reference: &EntityRef, pipeline: StoredPipeline) -> bool {
        let mut pipelines = self.lock();
        if pipelines.contains_key(reference) {
            return false;
        }
        pipelines.insert(reference.clone(), pipeline);
        true
    }

    /// Saves a pipeline again; false if there is none.
    pub(crate) fn update(&self, reference: &EntityRef, pipeline: StoredPipeline) -> bool {
        match self.lock().get_mut(reference) {
            Some(stored) => {
                let StoredPipeline { created_at, version, .. } = *stored;
                *stored = StoredPipeline { created_at, version: version + 1, ..pipeline };
                true
            }
            None => false,
        }
    }

    /// Removes a pipeline; false if there is none.
    pub(crate) fn delete(&self, reference: &EntityRef) -> bool {
        self.lock().remove(reference).is_some()
    }

    /// Removes the pipelines of `outer` and of the scopes within it, and tells which they were.
    pub(crate) fn delete_within(&self, outer: &Scope) -> Vec<EntityRef> {
        let mut pipelines = self.lock();
        let removed = pipelines.extract_if(.., |reference, _| outer.contains(&reference.scope));
        removed.map(|(reference, _)| reference).collect()
    }

    /// Those that live in `scope` itself, the last saved first.
    pub(crate) fn list(&self, scope: &Scope) -> Vec<(EntityRef, StoredPipeline)> {
        let pipelines = self.lock();
        let here = pipelines.iter().filter(|(reference, _)| reference.scope == *scope);
        let mut found: Vec<_> = here.map(|(reference, stored)| (reference.clone(), stored.clone())).collect();
        found.sort_by_key(|(_, stored)| std::cmp::Reverse(stored.updated_at));
        found
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<EntityRef, StoredPipeline>> {
        // No critical section can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
