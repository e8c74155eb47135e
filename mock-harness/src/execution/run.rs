//! Running a pipeline, as far as images go: each stage is resolved, gets its delegate, and its images are pulled.
//!
//! Steps do nothing here: a stage whose images were pulled has succeeded. Stages in one `parallel` run at the same time, and
//! see nothing of each other's images. After a stage that failed nothing more begins. Images are pulled from the delegate's
//! address. Every execution starts with an empty image cache; within one, an image that a place has pulled is not pulled
//! there again, unless its pull policy says so.
//!
//! A connector that cannot be looked up, although it exists, is looked up again: up to six times, two seconds apart.
//!
//! Source: facts/harness A3 (retries), A7, E.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use rand::RngExt as _;
use testbed::{
    Event, Seed,
    clock::Participant,
    journal::{DelegateSelected, ExecutionEnded, StageResolved},
};

use super::{
    machine::Machine,
    pod::{Pod, pod_name},
    pull::{Cache, Pulls},
    pull_secret::pull_secret,
    record::{Execution, ImageOutcome, Interrupt, Status},
    recorder::{Recorder, StepName},
};
use crate::{
    pipeline::{Infrastructure, Pipeline, Stage},
    platform::{Platform, epoch_ms},
    resolve::{ImageResolution, ResolveError, StageResolution, resolve_stage},
};

const MAX_LOOKUPS: u32 = 6;
const BETWEEN_LOOKUPS: Duration = Duration::from_secs(2);

/// Runs `pipeline` in the background and returns the execution's record as it is at the start.
pub(crate) fn start(platform: &Platform, pipeline: Pipeline, principal: &str) -> Execution {
    let id = platform.next_entity_id();
    let mut execution = Execution::new(id.clone(), &pipeline, principal, epoch_ms(platform.clock().now()));
    let (n, interrupt) = platform.executions().add(&mut execution);
    let seed = platform.seed().child(&format!("execution {n}"));
    let platform_ = platform.clone();
    platform.spawn(|participant| async move {
        let run = Run { platform: &platform_, id: &id, pipeline: &pipeline, seed };
        run.run(&participant, &interrupt).await;
    });
    execution
}

/// What the stages of one execution share.
#[derive(Clone, Copy)]
struct Run<'a> {
    platform: &'a Platform,
    id: &'a str,
    pipeline: &'a Pipeline,
    seed: Seed,
}

/// A stage, and which of the pipeline's it is.
type Numbered<'a> = (usize, &'a Stage);

impl Run<'_> {
    async fn run(self, participant: &Participant, interrupt: &Interrupt) {
        let (status, failure) = tokio::select! {
            biased;
            status = interrupt.wait() => (status, None),
            failure = self.run_stages(participant) => {
                (if failure.is_some() { Status::Failed } else { Status::Success }, failure)
            }
        };
        let now = epoch_ms(self.platform.clock().now());
        let told = match status {
            Status::Aborted | Status::Expired => Some(status.name().to_lowercase()),
            _ => failure.clone(),
        };
        let (execution, pipeline) = (String::from(self.id), self.pipeline.identifier.clone());
        self.platform.executions().change(self.id, |execution| execution.end(status, failure, now));
        self.platform.journal().record(Event::ExecutionEnded(ExecutionEnded { execution, pipeline, failure: told }));
    }

    /// The stages in their turns, up to the first failure.
    async fn run_stages(self, participant: &Participant) -> Option<String> {
        let mut cache = Cache::new();
        let numbered: Vec<Numbered<'_>> = self.pipeline.stages.iter().enumerate().collect();
        for turn in numbered.chunk_by(|(_, one), (_, other)| one.turn == other.turn) {
            // Step groups of one stage come one after the other, whatever runs beside it.
            let lines: Vec<_> =
                turn.chunk_by(|(_, one), (_, other)| one.in_pipeline() == other.in_pipeline()).collect();
            let failure = match *lines {
                [line] => self.run_line(participant, line, &mut cache).await,
                _ => self.run_side_by_side(participant, &lines, &mut cache).await,
            };
            if failure.is_some() {
                return failure;
            }
        }
        None
    }

    async fn run_line(self, participant: &Participant, line: &[Numbered<'_>], cache: &mut Cache) -> Option<String> {
        for (n, stage) in line {
            let recorder = Recorder::new(self.platform, self.id, *n);
            recorder.begin();
            let failure = self.run_stage(participant, &recorder, stage, cache).await;
            recorder.end(failure.clone());
            if failure.is_some() {
                return failure;
            }
        }
        None
    }

    async fn run_side_by_side(
        self,
        participant: &Participant,
        lines: &[&[Numbered<'_>]],
        cache: &mut Cache,
    ) -> Option<String> {
        let n_left = AtomicUsize::new(lines.len());
        let lines = lines.iter().map(|line| {
            let (mut cache, place) = (cache.clone(), self.platform.enter());
            let n_left = &n_left;
            async move {
                let failure = self.run_line(&place, line, &mut cache).await;
                // The last one keeps its place on the clock until this one is back.
                let is_last = n_left.fetch_sub(1, Ordering::Relaxed) == 1;
                (failure, cache, is_last.then_some(place))
            }
        });
        let ended = participant.wait_for(join_all(lines.collect::<Vec<_>>())).await;
        let mut first = None;
        for (failure, seen, _place) in ended {
            cache.extend(seen);
            first = first.or(failure);
        }
        first
    }

    /// Runs one stage, and tells why it failed.
    async fn run_stage(
        self,
        participant: &Participant,
        recorder: &Recorder,
        stage: &Stage,
        cache: &mut Cache,
    ) -> Option<String> {
        if stage.infrastructure == Infrastructure::NoContainers {
            return None;
        }
        let resolution = self.resolve(participant, stage).await;
        self.tell(&resolution);
        recorder.change(|record| record.resolution = Some(resolution.clone()));
        let delegate = resolution.delegate.clone().ok().flatten();
        let initialize = StepName {
            identifier: "liteEngineTask",
            name: "Initialize",
            kind: "liteEngineTask",
            delegate: delegate.as_deref(),
        };
        let initialize = recorder.begin_step(&initialize);
        if let Some(message) = resolution.error() {
            recorder.log_error(initialize, message.clone());
            recorder.end_step(initialize, Some(message.clone()));
            return Some(message);
        }
        if let Some(delegate) = &delegate {
            self.platform.journal().record(Event::DelegateSelected(DelegateSelected {
                execution: Some(String::from(self.id)),
                task: format!("initialize of stage {}", stage.identifier),
                delegate: delegate.clone(),
                address: self.platform.places().of(Some(delegate)).address(),
            }));
        }
        let from = self.platform.places().of(delegate.as_deref()).clone();
        let pulls = Pulls { platform: self.platform, participant, stage, from, cache };
        let images = &resolution.images;
        let step_of = |image: &ImageResolution| stage.steps.iter().find(|step| step.identifier == image.container);
        let (mut outcomes, failure) = if stage.infrastructure.is_kubernetes() {
            let name = self.pod_name(stage);
            let pod = Pod { pulls, recorder, step: initialize, name: name.clone(), back_offs: HashMap::new() };
            let (mut outcomes, failure) = pod.start(images).await;
            recorder.end_step(initialize, failure.clone());
            self.add_secrets(&mut outcomes, Some(&name));
            if failure.is_none() {
                // What the steps do is not played; that each one had its turn is.
                for image in images.iter().filter(|image| step_of(image).is_some() || image.container == "clone") {
                    let step = recorder.begin_step(&StepName::of(stage, image, delegate.as_deref()));
                    recorder.end_step(step, None);
                }
            }
            return self.end_stage(recorder, outcomes, failure);
        } else {
            recorder.end_step(initialize, None);
            Machine { pulls, recorder, delegate: delegate.as_deref() }.run(images).await
        };
        self.add_secrets(&mut outcomes, None);
        self.end_stage(recorder, outcomes, failure)
    }

    fn end_stage(self, recorder: &Recorder, outcomes: Vec<ImageOutcome>, failure: Option<String>) -> Option<String> {
        recorder.change(|record| record.images = outcomes);
        failure
    }

    async fn resolve(self, participant: &Participant, stage: &Stage) -> StageResolution {
        for _ in 1..MAX_LOOKUPS {
            let resolution = resolve_stage(self.pipeline, stage, self.platform.account(), self.seed);
            let error = resolution.choice.as_ref().err().or(resolution.failure.as_ref());
            if !matches!(error, Some(ResolveError::Lookup { .. })) {
                return resolution;
            }
            participant.sleep(BETWEEN_LOOKUPS).await;
        }
        resolve_stage(self.pipeline, stage, self.platform.account(), self.seed)
    }

    fn pod_name(self, stage: &Stage) -> String {
        const LETTERS: &[u8] = b"123456789bcdfghjklmnpqrstvwxyz";
        let mut random = self.seed.stream(&format!("pod of stage {}", stage.identifier));
        let letter = |_| LETTERS.get(random.random_range(0..LETTERS.len())).copied().map_or('0', char::from);
        let drawn: String = (0..8).map(letter).collect();
        let prefix = match stage.infrastructure {
            Infrastructure::ContainerStepGroup { .. } => "harnesscd",
            _ => "harnessci",
        };
        pod_name(prefix, stage.identifier.rsplit('.').next().unwrap_or_default(), &drawn)
    }

    fn add_secrets(self, outcomes: &mut [ImageOutcome], pod: Option<&str>) {
        for outcome in outcomes {
            let ImageResolution { connector: Some(connector), container, .. } = &outcome.resolution else { continue };
            outcome.secret = pull_secret(self.platform.account(), &self.pipeline.scope, connector, container, pod);
        }
    }

    fn tell(self, resolution: &StageResolution) {
        // What fails after the choice, and before any pull, is a stage without images too.
        let failure = resolution.failure.as_ref().map(ToString::to_string);
        let outcome = match (&resolution.choice, failure) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), Some(text)) => Err(text),
            (Ok(choice), None) => Ok(choice.clone()),
        };
        self.platform.journal().record(Event::StageResolved(StageResolved {
            execution: Some(String::from(self.id)),
            pipeline: self.pipeline.identifier.clone(),
            stage: resolution.stage.clone(),
            outcome,
            images: resolution.images.iter().map(|image| image.after.clone()).collect(),
        }));
    }
}
