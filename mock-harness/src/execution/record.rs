//! What is known about executions: plain data behind a handle.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use testbed::{Seed, task::PulledImage};
use tokio::sync::Notify;

use super::{log::LogLine, pull_secret::PullSecret};
use crate::{
    account::EntityRef,
    pipeline::{Pipeline, Stage},
    platform::entity_id,
    resolve::{ImageResolution, StageResolution},
};

/// The most executions kept; the oldest are forgotten.
const MAX_EXECUTIONS: usize = 10_000;

/// `status` of an execution, a stage or a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Status {
    /// Its turn has not come, or never came.
    NotStarted,
    /// Under way.
    Running,
    /// Every image was pulled.
    Success,
    /// Something was not.
    Failed,
    /// Somebody ended it.
    Aborted,
    /// Somebody ended it, as if its time were over.
    Expired,
}

/// An execution.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) pipeline: EntityRef,
    pub(crate) name: String,
    /// The how manieth of its pipeline it is, from 1.
    pub(crate) run_sequence: u64,
    /// Who started it.
    pub(crate) principal: String,
    pub(crate) status: Status,
    pub(crate) message: Option<String>,
    pub(crate) started_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    /// All stages, in the pipeline's order.
    pub(crate) stages: Vec<StageRecord>,
}

/// A stage, or a container step group of one.
#[derive(Clone, Debug)]
pub(crate) struct StageRecord {
    pub(crate) stage: Stage,
    pub(crate) status: Status,
    pub(crate) started_ms: Option<i64>,
    pub(crate) ended_ms: Option<i64>,
    /// Why it failed.
    pub(crate) message: Option<String>,
    /// None for a stage that needs no containers, and for one whose turn has not come.
    pub(crate) resolution: Option<StageResolution>,
    /// The images that were tried.
    pub(crate) images: Vec<ImageOutcome>,
    /// Its steps as far as it came, *Initialize* first.
    pub(crate) steps: Vec<StepRecord>,
}

/// A step that has begun.
#[derive(Clone, Debug)]
pub(crate) struct StepRecord {
    pub(crate) node: String,
    pub(crate) identifier: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) status: Status,
    pub(crate) started_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    pub(crate) message: Option<String>,
    pub(crate) delegate: Option<String>,
    pub(crate) log: Vec<LogLine>,
}

/// An image that was tried.
#[derive(Clone, Debug)]
pub(crate) struct ImageOutcome {
    pub(crate) resolution: ImageResolution,
    pub(crate) result: Result<Pulled, String>,
    /// What the container runtime logs in with.
    pub(crate) secret: Option<PullSecret>,
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
    by_id: BTreeMap<String, (Execution, Arc<Interrupt>)>,
    /// Identifiers, oldest first.
    order: VecDeque<String>,
    n_added: u64,
    n_of_pipeline: BTreeMap<EntityRef, u64>,
}

/// What ends an execution before its time.
#[derive(Debug, Default)]
pub(crate) struct Interrupt {
    status: Mutex<Option<Status>>,
    notify: Notify,
}

impl Interrupt {
    /// Waits for the interrupt, and says what becomes of the execution.
    pub(crate) async fn wait(&self) -> Status {
        self.notify.notified().await;
        self.status.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(Status::Aborted)
    }
}

impl Executions {
    /// Adds an execution, and tells its number, from 1, and what can interrupt it.
    pub(crate) fn add(&self, execution: &mut Execution) -> (u64, Arc<Interrupt>) {
        let mut kept = self.lock();
        if kept.order.len() >= MAX_EXECUTIONS
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.by_id.remove(&oldest);
        }
        let n = kept.n_of_pipeline.entry(execution.pipeline.clone()).or_default();
        *n += 1;
        execution.run_sequence = *n;
        let interrupt = Arc::new(Interrupt::default());
        kept.order.push_back(execution.id.clone());
        kept.by_id.insert(execution.id.clone(), (execution.clone(), Arc::clone(&interrupt)));
        kept.n_added += 1;
        (kept.n_added, interrupt)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Execution> {
        self.lock().by_id.get(id).map(|(execution, _)| execution.clone())
    }

    /// Those that `wanted` chooses, the newest first.
    pub(crate) fn list(&self, wanted: impl Fn(&Execution) -> bool) -> Vec<Execution> {
        let kept = self.lock();
        let newest_first = kept.order.iter().rev().filter_map(|id| kept.by_id.get(id));
        newest_first.filter(|(execution, _)| wanted(execution)).map(|(execution, _)| execution.clone()).collect()
    }

    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Execution)) {
        if let Some((execution, _)) = self.lock().by_id.get_mut(id) {
            change(execution);
        }
    }

    /// Ends an execution that is under way; false if it is not.
    pub(crate) fn interrupt(&self, id: &str, becomes: Status) -> bool {
        let kept = self.lock();
        let Some((execution, interrupt)) = kept.by_id.get(id) else { return false };
        if execution.status != Status::Running {
            return false;
        }
        *interrupt.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(becomes);
        interrupt.notify.notify_one();
        true
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // No critical section can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Execution {
    pub(crate) fn new(id: String, pipeline: &Pipeline, principal: &str, started_ms: i64) -> Self {
        let stage = |stage: &Stage| StageRecord {
            stage: stage.clone(),
            status: Status::NotStarted,
            started_ms: None,
            ended_ms: None,
            message: None,
            resolution: None,
            images: Vec::new(),
            steps: Vec::new(),
        };
        Self {
            id,
            pipeline: EntityRef { scope: pipeline.scope.clone(), identifier: pipeline.identifier.clone() },
            name: pipeline.name.clone(),
            run_sequence: 0,
            principal: String::from(principal),
            status: Status::Running,
            message: None,
            started_ms,
            ended_ms: None,
            stages: pipeline.stages.iter().map(stage).collect(),
        }
    }

    /// Ends it, and with it what is still under way.
    pub(crate) fn end(&mut self, status: Status, message: Option<String>, at_ms: i64) {
        for stage in self.stages.iter_mut().filter(|stage| stage.status == Status::Running) {
            stage.end(status, None, at_ms);
        }
        self.status = status;
        self.message = message;
        self.ended_ms = Some(at_ms);
    }

    /// The identifier of one of its nodes: the same wherever it is asked for.
    pub(crate) fn node(&self, what: &str) -> String {
        entity_id(Seed(0).child(&format!("{} {what}", self.id)))
    }

    /// The key of a log: of the stage `stage`, of its step `step`, or of everything.
    pub(crate) fn log_key(&self, account: &str, below: &[&str]) -> String {
        let Self { id, pipeline, run_sequence, .. } = self;
        let below: String = below.iter().map(|part| format!("/{part}")).collect();
        format!("{account}/pipeline/{}/{run_sequence}/-{id}{below}", pipeline.identifier)
    }
}

impl StageRecord {
    pub(crate) fn begin(&mut self, at_ms: i64) {
        self.status = Status::Running;
        self.started_ms = Some(at_ms);
    }

    pub(crate) fn end(&mut self, status: Status, message: Option<String>, at_ms: i64) {
        for step in self.steps.iter_mut().filter(|step| step.status == Status::Running) {
            step.end(status, None, at_ms);
        }
        self.status = status;
        self.message = message;
        self.ended_ms = Some(at_ms);
    }
}

impl StepRecord {
    pub(crate) fn end(&mut self, status: Status, message: Option<String>, at_ms: i64) {
        self.status = status;
        self.message = message;
        self.ended_ms = Some(at_ms);
    }
}

impl Status {
    /// The status by its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "NotStarted",
            Self::Running => "Running",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
            Self::Expired => "Expired",
        }
    }
}

impl fmt::Debug for Executions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Executions({})", self.lock().n_added)
    }
}
