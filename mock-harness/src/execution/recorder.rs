//! Writing down how a stage goes while it goes: who asks meanwhile sees it.

use testbed::{Clock, Timestamp};

use super::{
    log::{LogLevel, LogLine},
    record::{Executions, StageRecord, Status, StepRecord},
};
use crate::{
    pipeline::Stage,
    platform::{Platform, epoch_ms},
    resolve::ImageResolution,
};

/// The pen for one stage of one execution.
#[derive(Clone)]
pub(super) struct Recorder {
    executions: Executions,
    clock: Clock,
    id: String,
    /// Which of the execution's stages.
    stage: usize,
}

/// A step that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepHandle(usize);

/// What a step is called.
pub(super) struct StepName<'a> {
    pub(super) identifier: &'a str,
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
    pub(super) delegate: Option<&'a str>,
}

impl<'a> StepName<'a> {
    /// What the step of `stage` is called that `image` is for.
    pub(super) fn of(stage: &'a Stage, image: &'a ImageResolution, delegate: Option<&'a str>) -> Self {
        let identifier = image.container.as_str();
        match stage.steps.iter().find(|step| step.identifier == identifier) {
            Some(step) => Self { identifier, name: &step.name, kind: &step.kind, delegate },
            None => Self { identifier: "harness-git-clone", name: "Clone codebase", kind: "GitClone", delegate },
        }
    }
}

impl Recorder {
    pub(super) fn new(platform: &Platform, id: &str, stage: usize) -> Self {
        let (executions, clock) = (platform.executions().clone(), platform.clock().clone());
        Self { executions, clock, id: String::from(id), stage }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn begin(&self) {
        let at_ms = epoch_ms(self.now());
        self.change(|stage| stage.begin(at_ms));
    }

    /// Ends the stage.
    pub(super) fn end(&self, message: Option<String>) {
        let at_ms = epoch_ms(self.now());
        let status = if message.is_some() { Status::Failed } else { Status::Success };
        self.change(|stage| stage.end(status, message, at_ms));
    }

    pub(super) fn begin_step(&self, name: &StepName<'_>) -> StepHandle {
        let StepName { identifier, name, kind, delegate } = *name;
        let started_ms = epoch_ms(self.now());
        let mut handle = StepHandle(0);
        self.executions.change(&self.id, |execution| {
            let Some(stage) = execution.stages.get(self.stage) else { return };
            let node = execution.node(&format!("step {}.{identifier}", stage.stage.identifier));
            let step = StepRecord {
                node,
                identifier: String::from(identifier),
                name: String::from(name),
                kind: String::from(kind),
                status: Status::Running,
                started_ms,
                ended_ms: None,
                message: None,
                delegate: delegate.map(String::from),
                log: Vec::new(),
            };
            if let Some(stage) = execution.stages.get_mut(self.stage) {
                handle = StepHandle(stage.steps.len());
                stage.steps.push(step);
            }
        });
        handle
    }

    pub(super) fn end_step(&self, StepHandle(n): StepHandle, message: Option<String>) {
        let at_ms = epoch_ms(self.now());
        let status = if message.is_some() { Status::Failed } else { Status::Success };
        self.change(|stage| {
            if let Some(step) = stage.steps.get_mut(n) {
                step.end(status, message, at_ms);
            }
        });
    }

    pub(super) fn log(&self, step: StepHandle, text: impl Into<String>) {
        self.line(step, LogLevel::Info, text.into());
    }

    pub(super) fn log_error(&self, step: StepHandle, text: impl Into<String>) {
        self.line(step, LogLevel::Error, text.into());
    }

    fn line(&self, StepHandle(n): StepHandle, level: LogLevel, text: String) {
        let line = LogLine { level, at: self.now(), text };
        self.change(|stage| {
            if let Some(step) = stage.steps.get_mut(n) {
                step.log.push(line);
            }
        });
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut StageRecord)) {
        self.executions.change(&self.id, |execution| {
            if let Some(stage) = execution.stages.get_mut(self.stage) {
                change(stage);
            }
        });
    }
}
