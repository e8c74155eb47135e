//! Pulling on a machine: each image when its step's turn comes, as lite-engine has Docker do it.
//!
//! A pull is tried three times, 50 ms apart, unless the answer leaves no hope. Where the name of one of Harness's own images
//! was rewritten, the rewritten one is tried so, and then the original. The first image that does not come ends the stage.
//!
//! Source: facts/harness A6 (lite-engine); the wording as Docker has it.

use std::time::Duration;

use oci::ImageReference;
use testbed::task::FailureKind;

use super::{
    pull::{Plan, Problem, Pulls},
    record::{ImageOutcome, Pulled},
    recorder::{Recorder, StepHandle, StepName},
};
use crate::resolve::ImageResolution;

const MAX_ATTEMPTS: u32 = 3;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);

/// The machine of a stage.
pub(super) struct Machine<'a> {
    pub(super) pulls: Pulls<'a>,
    pub(super) recorder: &'a Recorder,
    pub(super) delegate: Option<&'a str>,
}

impl Machine<'_> {
    /// Pulls what the steps need, and tells of each image that was tried, and why the stage ended early.
    pub(super) async fn run(mut self, images: &[ImageResolution]) -> (Vec<ImageOutcome>, Option<String>) {
        let mut outcomes = Vec::new();
        for image in images {
            let step = self.recorder.begin_step(&StepName::of(self.pulls.stage, image, self.delegate));
            let result = self.fetch(image, step).await;
            let failure = result.as_ref().err().cloned();
            if let Some(text) = &failure {
                self.recorder.log_error(step, text.clone());
            }
            self.recorder.end_step(step, failure.clone());
            outcomes.push(ImageOutcome { resolution: image.clone(), result, secret: None });
            if failure.is_some() {
                return (outcomes, failure);
            }
        }
        (outcomes, None)
    }

    async fn fetch(&mut self, image: &ImageResolution, step: StepHandle) -> Result<Pulled, String> {
        let name = &image.after;
        let reference = match self.pulls.plan(image) {
            Plan::Present => return Ok(Pulled::Cached),
            Plan::InvalidName => return Err(String::from("Error response from daemon: invalid reference format")),
            Plan::Never => return Err(format!("Error response from daemon: No such image: {name}")),
            Plan::Pull(reference) => reference,
        };
        let first = image.tried_first.as_ref().and_then(|name| name.parse::<ImageReference>().ok());
        if let Some(first) = first
            && let Ok(pulled) = self.pull_with_retries(first, image, step).await
        {
            return Ok(pulled);
        }
        let pulled = self.pull_with_retries(reference, image, step).await;
        pulled.map_err(|problem| format!("Error response from daemon: {}", problem.text))
    }

    async fn pull_with_retries(
        &mut self,
        reference: ImageReference,
        image: &ImageResolution,
        step: StepHandle,
    ) -> Result<Pulled, Problem> {
        let mut attempt = 1;
        loop {
            let tag = reference.tag().map_or_else(|| reference.reference().to_string(), ToString::to_string);
            self.recorder.log(step, format!("{tag}: Pulling from {}", reference.repository()));
            let result = self.pulls.pull(reference.clone(), image).await;
            match result {
                Ok(pulled) => {
                    if let Pulled::Now(image) = &pulled {
                        self.recorder.log(step, format!("Digest: {}", image.digest));
                        self.recorder.log(step, format!("Status: Downloaded newer image for {reference}"));
                    }
                    return Ok(pulled);
                }
                Err(problem) if attempt < MAX_ATTEMPTS && may_help(&problem) => {
                    attempt += 1;
                    self.pulls.participant.sleep(BETWEEN_ATTEMPTS).await;
                }
                Err(problem) => return Err(problem),
            }
        }
    }
}

/// Whether Docker's answer is none of those after which lite-engine does not ask again.
fn may_help(problem: &Problem) -> bool {
    match problem.failure.as_ref().map(|failure| failure.kind) {
        Some(FailureKind::NotFound | FailureKind::Unauthorized) | None => false,
        Some(
            FailureKind::RateLimited
            | FailureKind::Egress
            | FailureKind::DigestMismatch
            | FailureKind::Network
            | FailureKind::Protocol
            | FailureKind::Status
            | FailureKind::Local,
        ) => true,
    }
}
