//! Running a pipeline, as far as images go: each stage is resolved, gets its delegate, and its images are pulled.
//!
//! Steps do nothing here: a stage whose images were pulled has succeeded. The first stage that fails ends the pipeline.
//! Images are pulled from the delegate's address. Every execution starts with an empty image cache; within one, an image
//! that a place has pulled is not pulled there again, unless its pull policy says so.
//!
//! Source: facts/harness A7, E.

use std::collections::HashSet;

use testbed::{
    Event, Seed,
    clock::Participant,
    journal::{DelegateSelected, ExecutionEnded, StageResolved},
};

use super::{
    images::{Cached, Pulls},
    record::{Execution, StageOutcome},
};
use crate::{
    pipeline::{Infrastructure, Pipeline, Stage},
    platform::{Platform, epoch_ms},
    resolve::{StageResolution, resolve_stage},
};

/// Runs `pipeline` in the background and returns the execution's record as it is at the start.
pub(crate) fn start(platform: &Platform, pipeline: Pipeline) -> Execution {
    let id = platform.next_entity_id();
    let execution = Execution::new(id.clone(), &pipeline, epoch_ms(platform.clock().now()));
    let n = platform.executions().add(execution.clone());
    let seed = platform.seed().child(&format!("execution {n}"));
    let platform_ = platform.clone();
    platform.spawn(|participant| async move {
        run(&platform_, &participant, &id, &pipeline, seed).await;
    });
    execution
}

async fn run(platform: &Platform, participant: &Participant, id: &str, pipeline: &Pipeline, seed: Seed) {
    let mut run = Run { platform, participant, id, pipeline, seed, cache: HashSet::new() };
    let mut failure = None;
    for stage in &pipeline.stages {
        let outcome = run_stage(&mut run, stage).await;
        failure = outcome.message.clone();
        platform.executions().change(id, |execution| execution.stages.push(outcome));
        if failure.is_some() {
            break;
        }
    }
    let now = epoch_ms(platform.clock().now());
    let ended =
        ExecutionEnded { execution: String::from(id), pipeline: pipeline.identifier.clone(), failure: failure.clone() };
    platform.executions().change(id, |execution| execution.end(failure, now));
    platform.journal().record(Event::ExecutionEnded(ended));
}

/// What the stages of one execution share.
struct Run<'a> {
    platform: &'a Platform,
    participant: &'a Participant,
    id: &'a str,
    pipeline: &'a Pipeline,
    seed: Seed,
    cache: HashSet<Cached>,
}

async fn run_stage(run: &mut Run<'_>, stage: &Stage) -> StageOutcome {
    let Run { platform, participant, id, pipeline, seed, cache } = run;
    if stage.infrastructure == Infrastructure::NoContainers {
        return StageOutcome::without_images(stage);
    }
    let resolution = resolve_stage(pipeline, stage, platform.account(), *seed);
    tell(platform, id, pipeline, &resolution);
    if let Some(message) = resolution.error() {
        return StageOutcome::failed_early(stage, resolution, message);
    }
    let delegate = resolution.delegate.clone().ok().flatten();
    if let Some(delegate) = &delegate {
        platform.journal().record(Event::DelegateSelected(DelegateSelected {
            execution: Some(String::from(*id)),
            task: format!("initialize of stage {}", stage.identifier),
            delegate: delegate.clone(),
            address: platform.places().of(Some(delegate)).address(),
        }));
    }
    let from = platform.places().of(delegate.as_deref()).clone();
    let pulls = Pulls { platform, participant, stage, from, cache };
    let outcomes = pulls.pull_all(&resolution.images).await;
    StageOutcome::after_pulls(stage, resolution, outcomes)
}

fn tell(platform: &Platform, id: &str, pipeline: &Pipeline, resolution: &StageResolution) {
    // What fails after the choice, and before any pull, is a stage without images too.
    let failure = resolution.failure.as_ref().map(ToString::to_string);
    let outcome = match (&resolution.choice, failure) {
        (Err(error), _) => Err(error.to_string()),
        (Ok(_), Some(text)) => Err(text),
        (Ok(choice), None) => Ok(choice.clone()),
    };
    platform.journal().record(Event::StageResolved(StageResolved {
        execution: Some(String::from(id)),
        pipeline: pipeline.identifier.clone(),
        stage: resolution.stage.clone(),
        outcome,
        images: resolution.images.iter().map(|image| image.after.clone()).collect(),
    }));
}
