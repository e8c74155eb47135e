//! One image, pulled once: what the place has is not pulled, unless the pull policy says so.
//!
//! Source: facts/harness A7; `latest` is always asked for, as container runtimes have it.

use std::collections::HashSet;

use oci::ImageReference;
use testbed::{
    clock::Participant,
    net::Vantage,
    task::{PullFailure, PullTask},
};

use super::record::Pulled;
use crate::{pipeline::Stage, platform::Platform, resolve::ImageResolution};

/// The images that a place has, each with the place.
pub(super) type Cache = HashSet<(String, String)>;

pub(super) struct Pulls<'a> {
    pub(super) platform: &'a Platform,
    pub(super) participant: &'a Participant,
    pub(super) stage: &'a Stage,
    pub(super) from: Vantage,
    pub(super) cache: &'a mut Cache,
}

/// What is to be done about an image before anybody is asked.
pub(super) enum Plan {
    /// It is here.
    Present,
    /// It is to be pulled.
    Pull(ImageReference),
    /// The name is no image reference.
    InvalidName,
    /// It is not here, and may not be pulled.
    Never,
}

/// Why a pull failed.
pub(super) struct Problem {
    pub(super) text: String,
    /// None if nobody was there to pull.
    pub(super) failure: Option<PullFailure>,
}

impl Pulls<'_> {
    pub(super) fn plan(&self, image: &ImageResolution) -> Plan {
        let name = &image.after;
        let Ok(reference) = name.parse::<ImageReference>() else { return Plan::InvalidName };
        let is_here = self.cache.contains(&self.cached(name));
        match policy(image, &reference) {
            Policy::Never if !is_here => Plan::Never,
            Policy::Never | Policy::IfNotPresent if is_here => Plan::Present,
            Policy::Never | Policy::IfNotPresent | Policy::Always => Plan::Pull(reference),
        }
    }

    /// Pulls `reference` for `image`, which the place has from then on.
    pub(super) async fn pull(&mut self, reference: ImageReference, image: &ImageResolution) -> Result<Pulled, Problem> {
        let Some(agent) = self.platform.agent() else {
            let text = String::from("this platform was started without a pull agent");
            return Err(Problem { text, failure: None });
        };
        let task = PullTask {
            platform: self.stage.platform.clone(),
            credentials: image.login.clone(),
            ..PullTask::new(reference, self.from.clone())
        };
        match agent.pull(self.participant, task).await {
            Ok(pulled) => {
                self.cache.insert(self.cached(&image.after));
                Ok(Pulled::Now(pulled))
            }
            Err(failure) => Err(Problem { text: failure.message.clone(), failure: Some(failure) }),
        }
    }

    fn cached(&self, name: &str) -> (String, String) {
        (String::from(self.from.name()), String::from(name))
    }
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
