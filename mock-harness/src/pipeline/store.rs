//! The pipelines that were saved: their text. It is read anew for each execution, with that one's inputs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::account::EntityRef;

/// A saved pipeline.
#[derive(Clone, Debug)]
pub(crate) struct StoredPipeline {
    /// Its YAML as it came.
    pub(crate) yaml: Arc<str>,
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
    pub(crate) fn create(&self, reference: &EntityRef, yaml: &str) -> bool {
        let mut pipelines = self.lock();
        if pipelines.contains_key(reference) {
            return false;
        }
        pipelines.insert(reference.clone(), StoredPipeline { yaml: yaml.into(), version: 1 });
        true
    }

    /// Saves a pipeline again; false if there is none.
    pub(crate) fn update(&self, reference: &EntityRef, yaml: &str) -> bool {
        match self.lock().get_mut(reference) {
            Some(stored) => {
                *stored = StoredPipeline { yaml: yaml.into(), version: stored.version + 1 };
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<EntityRef, StoredPipeline>> {
        // No critical section can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
