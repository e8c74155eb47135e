//! What is known about executions: plain data behind a handle.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use testbed::task::PulledImage;

use crate::{
    pipeline::{Pipeline, Stage},
    resolve::{ImageResolution, StageResolution},
};

/// The most executions kept; the oldest are forgotten.
const MAX_EXECUTIONS: usize = 10_000;

/// `status` of an execution or a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Status {
    /// Under way.
    Running,
    /// Every image was pulled.
    Success,
    /// Something was not.
    Failed,
}

/// An execution.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) pipeline: String,
    pub(crate) name: String,
    pub(crate) status: Status,
    pub(crate) message: Option<String>,
    pub(crate) started_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    /// The stages that have ended.
    pub(crate) stages: Vec<StageOutcome>,
}

/// A stage that has ended.
#[derive(Clone, Debug)]
pub(crate) struct StageOutcome {
    pub(crate) stage: String,
    pub(crate) name: String,
    pub(crate) status: Status,
    /// Why it failed.
    pub(crate) message: Option<String>,
    /// None for a stage that needs no containers.
    pub(crate) resolution: Option<StageResolution>,
    /// The images that were tried.
    pub(crate) images: Vec<ImageOutcome>,
}

/// An image that was tried.
#[derive(Clone, Debug)]
pub(crate) struct ImageOutcome {
    pub(crate) resolution: ImageResolution,
    pub(crate) result: Result<Pulled, String>,
}

/// How an image came.
#[derive(Clone, Debug)]
pub(crate) enum Pulled {
    /// It was pulled.
    Now(PulledImage),
    /// The place had it.
    Cached,
}

/// A handle to the executions. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Executions(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    by_id: BTreeMap<String, Execution>,
    /// Identifiers, oldest first.
    order: std::collections::VecDeque<String>,
    n_added: u64,
}

impl Executions {
    /// Adds an execution and returns its number, from 1.
    pub(crate) fn add(&self, execution: Execution) -> u64 {
        let mut kept = self.lock();
        if kept.order.len() >= MAX_EXECUTIONS
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.by_id.remove(&oldest);
        }
        kept.order.push_back(execution.id.clone());
        kept.by_id.insert(execution.id.clone(), execution);
        kept.n_added += 1;
        kept.n_added
    }

    pub(crate) fn get(&self, id: &str) -> Option<Execution> {
        self.lock().by_id.get(id).cloned()
    }

    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Execution)) {
        if let Some(execution) = self.lock().by_id.get_mut(id) {
            change(execution);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // No critical section can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Execution {
    pub(crate) fn new(id: String, pipeline: &Pipeline, started_ms: i64) -> Self {
        Self {
            id,
            pipeline: pipeline.identifier.clone(),
            name: pipeline.name.clone(),
            status: Status::Running,
            message: None,
            started_ms,
            ended_ms: None,
            stages: Vec::new(),
        }
    }

    pub(crate) fn end(&mut self, failure: Option<String>, at_ms: i64) {
        self.status = if failure.is_some() { Status::Failed } else { Status::Success };
        self.message = failure;
        self.ended_ms = Some(at_ms);
    }
}

impl StageOutcome {
    pub(crate) fn without_images(stage: &Stage) -> Self {
        Self::new(stage, None, Vec::new(), None)
    }

    pub(crate) fn failed_early(stage: &Stage, resolution: StageResolution, message: String) -> Self {
        Self::new(stage, Some(resolution), Vec::new(), Some(message))
    }

    pub(crate) fn after_pulls(stage: &Stage, resolution: StageResolution, images: Vec<ImageOutcome>) -> Self {
        let message = images.iter().find_map(|image| image.result.as_ref().err().cloned());
        Self::new(stage, Some(resolution), images, message)
    }

    fn new(
        stage: &Stage,
        resolution: Option<StageResolution>,
        images: Vec<ImageOutcome>,
        message: Option<String>,
    ) -> Self {
        let status = if message.is_some() { Status::Failed } else { Status::Success };
        let (identifier, name) = (stage.identifier.clone(), stage.name.clone());
        Self { stage: identifier, name, status, message, resolution, images }
    }
}

impl fmt::Debug for Executions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Executions({})", self.lock().n_added)
    }
}
