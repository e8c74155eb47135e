//! Pulling a stage's images, in the order and with the texts of the place where it runs.
//!
//! In a pod the init container comes first: if its image cannot be pulled, the others are not tried. Then every other
//! image of the pod is tried, and the first failure decides the text. On VMs and hosted runners an image is pulled when
//! its step's turn comes, so the first failure ends the stage.
//!
//! Source: facts/harness A6, E; the wording of the pod's events as kubelet has them, and elsewhere as Docker has it.

use std::collections::HashSet;

use oci::ImageReference;
use testbed::{clock::Participant, net::Vantage, task::PullTask};

use super::record::{ImageOutcome, Pulled};
use crate::{pipeline::Stage, platform::Platform, resolve::ImageResolution};

/// An image that a place has.
pub(super) type Cached = (String, String);

pub(super) struct Pulls<'a> {
    pub(super) platform: &'a Platform,
    pub(super) participant: &'a Participant,
    pub(super) stage: &'a Stage,
    pub(super) from: Vantage,
    pub(super) cache: &'a mut HashSet<Cached>,
}

impl Pulls<'_> {
    pub(super) async fn pull_all(mut self, images: &[ImageResolution]) -> Vec<ImageOutcome> {
        let in_turn = !self.stage.infrastructure.is_kubernetes();
        let mut outcomes = Vec::new();
        for (n, image) in images.iter().enumerate() {
            let result = self.pull(image).await;
            let is_init = n == 0;
            let ends = result.is_err() && (in_turn || is_init);
            outcomes.push(ImageOutcome { resolution: image.clone(), result });
            if ends {
                break;
            }
        }
        outcomes
    }

    async fn pull(&mut self, image: &ImageResolution) -> Result<Pulled, String> {
        let name = &image.after;
        let cached = (String::from(self.from.name()), name.clone());
        let reference: ImageReference = name.parse().map_err(|_| self.in_words(Problem::InvalidName, name))?;
        match policy(image, &reference) {
            Policy::Never if !self.cache.contains(&cached) => {
                return Err(self.in_words(Problem::NeverPulled, name));
            }
            Policy::Never | Policy::IfNotPresent if self.cache.contains(&cached) => return Ok(Pulled::Cached),
            Policy::Never | Policy::IfNotPresent | Policy::Always => {}
        }
        let first = image.tried_first.as_ref().and_then(|name| name.parse::<ImageReference>().ok());
        let pulled = match first {
            Some(first) => match self.carry_out(first, image).await {
                Ok(pulled) => Ok(pulled),
                // A hosted runner then takes the original name.
                Err(_) => self.carry_out(reference, image).await,
            },
            None => self.carry_out(reference, image).await,
        };
        match pulled {
            Ok(pulled) => {
                self.cache.insert(cached);
                Ok(pulled)
            }
            Err(text) => Err(self.in_words(Problem::Refused(text), name)),
        }
    }

    async fn carry_out(&self, reference: ImageReference, image: &ImageResolution) -> Result<Pulled, String> {
        let Some(agent) = self.platform.agent() else {
            return Err(String::from("this platform was started without a pull agent"));
        };
        let task = PullTask {
            platform: self.stage.platform.clone(),
            credentials: image.login.clone(),
            ..PullTask::new(reference, self.from.clone())
        };
        agent.pull(self.participant, task).await.map(Pulled::Now).map_err(|failure| failure.message)
    }
}

impl Pulls<'_> {
    /// A problem with the image `name` in the words of the place: kubelet's for pods, Docker's for everything else.
    fn in_words(&self, problem: Problem, name: &str) -> String {
        let is_pod = self.stage.infrastructure.is_kubernetes();
        match problem {
            Problem::InvalidName if is_pod => format!(
                "InvalidImageName: Failed to apply default image tag \"{name}\": couldn't parse image reference \"{name}\": \
                 invalid reference format"
            ),
            Problem::InvalidName => String::from("Error response from daemon: invalid reference format"),
            Problem::NeverPulled if is_pod => {
                format!("ErrImageNeverPull: Container image \"{name}\" is not present with pull policy of Never")
            }
            Problem::NeverPulled => format!("Error response from daemon: No such image: {name}"),
            Problem::Refused(text) if is_pod => format!(
                "ErrImagePull: Failed to pull image \"{name}\": rpc error: code = Unknown desc = Error response from daemon: {text}"
            ),
            Problem::Refused(text) => format!("Error response from daemon: {text}"),
        }
    }
}

/// Why an image did not come.
enum Problem {
    /// The name is no image reference.
    InvalidName,
    /// It is not there, and may not be pulled.
    NeverPulled,
    /// The pull failed, with this text.
    Refused(String),
}

enum Policy {
    Always,
    Never,
    IfNotPresent,
}

/// What the container says, else as container runtimes have it: `latest` is always asked for.
fn policy(image: &ImageResolution, reference: &ImageReference) -> Policy {
    match image.pull_policy.as_deref() {
        Some("Always") => Policy::Always,
        Some("Never") => Policy::Never,
        Some("IfNotPresent") => Policy::IfNotPresent,
        _ if reference.digest().is_none() && reference.tag().is_some_and(|tag| tag.as_str() == "latest") => {
            Policy::Always
        }
        _ => Policy::IfNotPresent,
    }
}
