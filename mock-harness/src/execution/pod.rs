//! Starting a pod: its images are pulled as kubelet pulls them, and the delegate waits until it runs, or its time is over.
//!
//! The init container comes first: the others are not tried before its image is there. Of these every one is tried. An image
//! that could not be pulled is tried again after 10 seconds, then 20, 40, 80, 160, and 300 from then on: so a registry that
//! throttles for a minute does not keep the pod from starting, and one that throttles for an hour does. Until its time is
//! over (`initTimeout`, else 8 minutes) the pod has not failed, whatever its images' trouble is; the switch
//! `image-pull-back-off` ends that wait at the first failure. All times are policy time.
//!
//! Source: facts/harness E (log lines, timeout, the failure's text), A6 (which container is the init container); kubelet's
//! image manager for the events' texts, the back-off, and that a name which cannot be read, and a policy of `Never`, wait
//! like everything else. From v1.32 on a container in back-off tells why.

use std::{collections::HashMap, time::Duration};

use testbed::{Timestamp, clock::after, task::PulledImage};

use super::{
    pull::{Plan, Pulls},
    record::{ImageOutcome, Pulled},
    recorder::{Recorder, StepHandle},
};
use crate::{config::ImagePullBackOff, resolve::ImageResolution};

/// How long a pod may take to start, unless its infrastructure says so.
const INIT_TIMEOUT: Duration = Duration::from_secs(8 * 60);

const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
const MAX_BACK_OFF: Duration = Duration::from_secs(300);

/// A pod that is being started.
pub(super) struct Pod<'a> {
    pub(super) pulls: Pulls<'a>,
    pub(super) recorder: &'a Recorder,
    /// *Initialize*, where everything is logged.
    pub(super) step: StepHandle,
    pub(super) name: String,
    /// Images in back-off, by name.
    pub(super) back_offs: HashMap<String, BackOff>,
}

/// Until when an image is not tried again.
pub(super) struct BackOff {
    delay: Duration,
    until: Timestamp,
    /// Why the last pull failed.
    cause: String,
}

/// Why a container does not run yet.
struct Waiting {
    reason: &'static str,
    message: String,
    /// When to look again; never if that cannot help.
    again: Option<Timestamp>,
}

impl Pod<'_> {
    /// Starts it, and tells of each image that was tried, and why it did not start.
    pub(super) async fn start(mut self, images: &[ImageResolution]) -> (Vec<ImageOutcome>, Option<String>) {
        let namespace = self.pulls.stage.namespace.clone().unwrap_or_else(|| String::from("default"));
        let name = self.name.clone();
        self.log(format!("Starting job to create pod {name} on {namespace} namespace"));
        let timeout = self.pulls.stage.init_timeout.unwrap_or(INIT_TIMEOUT);
        let deadline = after(self.recorder.now(), timeout);
        let mut states: Vec<Option<Result<Pulled, Waiting>>> = images.iter().map(|_| None).collect();
        loop {
            self.try_all(images, &mut states).await;
            if states.iter().all(|state| matches!(state, Some(Ok(_)))) {
                self.log(format!("Pod {name} is now in running status on {namespace} namespace"));
                return (outcomes(images, states), None);
            }
            let waiting = || states.iter().filter_map(|state| state.as_ref()?.as_ref().err());
            let next = waiting().filter_map(|waiting| waiting.again).min();
            let is_patient = match self.pulls.platform.account().behaviour().image_pull_back_off {
                ImagePullBackOff::UntilTimeout => true,
                ImagePullBackOff::FirstFailure => false,
            };
            match next.filter(|next| *next < deadline && is_patient) {
                Some(next) => self.sleep_until(next).await,
                None => {
                    if is_patient {
                        self.sleep_until(deadline).await;
                        self.back_off(images, &mut states);
                    }
                    break;
                }
            }
        }
        self.recorder.log(self.step, format!("Pod {name} has failed to start on {namespace} namespace"));
        let waiting = states.iter().filter_map(|state| state.as_ref()?.as_ref().err());
        let told: Vec<_> = waiting.map(|Waiting { reason, message, .. }| format!("{reason}: {message}")).collect();
        (outcomes(images, states), Some(told.join(", ")))
    }

    /// One round over the containers that do not run: the init container, and if that is done the others.
    async fn try_all(&mut self, images: &[ImageResolution], states: &mut [Option<Result<Pulled, Waiting>>]) {
        for (n, (image, state)) in images.iter().zip(states).enumerate() {
            if !matches!(state, Some(Ok(_))) {
                *state = Some(self.try_once(image).await);
            }
            let is_init = n == 0;
            if is_init && !matches!(state, Some(Ok(_))) {
                return;
            }
        }
    }

    async fn try_once(&mut self, image: &ImageResolution) -> Result<Pulled, Waiting> {
        let name = &image.after;
        match self.pulls.plan(image) {
            Plan::Present => {
                self.log(format!("Container image \"{name}\" already present on machine"));
                Ok(Pulled::Cached)
            }
            Plan::InvalidName => {
                let message = format!(
                    "Failed to apply default image tag \"{name}\": couldn't parse image reference \"{name}\": invalid reference format"
                );
                Err(self.refused("InvalidImageName", message))
            }
            Plan::Never => {
                let message = format!("Container image \"{name}\" is not present with pull policy of Never");
                Err(self.refused("ErrImageNeverPull", message))
            }
            Plan::Pull(reference) => {
                if let Some(waiting) = self.in_back_off(name) {
                    return Err(waiting);
                }
                self.log(format!("Pulling image \"{name}\""));
                let before = self.recorder.now();
                match self.pulls.pull(reference, image).await {
                    Ok(pulled) => {
                        self.back_offs.remove(name);
                        let took = self.recorder.now().duration_since(before);
                        self.log(successfully_pulled(name, took.try_into().unwrap_or_default(), &pulled));
                        Ok(pulled)
                    }
                    Err(problem) => Err(self.failed(name, &problem.text)),
                }
            }
        }
    }

    fn refused(&self, reason: &'static str, message: String) -> Waiting {
        self.log(message.clone());
        self.log(format!("Error: {reason}"));
        Waiting { reason, message, again: None }
    }

    fn failed(&mut self, name: &str, text: &str) -> Waiting {
        let message = format!(
            "Failed to pull image \"{name}\": rpc error: code = Unknown desc = Error response from daemon: {text}"
        );
        self.log(message.clone());
        self.log("Error: ErrImagePull");
        self.log(format!("Back-off pulling image \"{name}\""));
        self.log("Error: ImagePullBackOff");
        let delay = self.back_offs.get(name).map_or(FIRST_BACK_OFF, |before| (before.delay * 2).min(MAX_BACK_OFF));
        let until = after(self.recorder.now(), delay);
        self.back_offs.insert(String::from(name), BackOff { delay, until, cause: message.clone() });
        Waiting { reason: "ErrImagePull", message, again: Some(until) }
    }

    fn in_back_off(&self, name: &str) -> Option<Waiting> {
        let BackOff { until, cause, .. } = self.back_offs.get(name)?;
        let waiting = Waiting {
            reason: "ImagePullBackOff",
            message: format!("Back-off pulling image \"{name}\": ErrImagePull: {cause}"),
            again: Some(*until),
        };
        (self.recorder.now() < *until).then_some(waiting)
    }

    /// What failed a while ago is in back-off by now.
    fn back_off(&self, images: &[ImageResolution], states: &mut [Option<Result<Pulled, Waiting>>]) {
        for (image, state) in images.iter().zip(states) {
            if let (Some(Err(waiting)), Some(now)) = (state, self.in_back_off(&image.after)) {
                *waiting = now;
            }
        }
    }

    async fn sleep_until(&self, at: Timestamp) {
        let left = at.duration_since(self.recorder.now());
        self.pulls.participant.sleep(left.try_into().unwrap_or_default()).await;
    }

    fn log(&self, text: impl Into<String>) {
        self.recorder.log(self.step, text);
    }
}

fn outcomes(images: &[ImageResolution], states: Vec<Option<Result<Pulled, Waiting>>>) -> Vec<ImageOutcome> {
    let outcome = |(image, state): (&ImageResolution, Option<Result<Pulled, Waiting>>)| {
        let in_words = |Waiting { reason, message, .. }: Waiting| format!("{reason}: {message}");
        Some(ImageOutcome { resolution: image.clone(), result: state?.map_err(in_words), secret: None })
    };
    images.iter().zip(states).filter_map(outcome).collect()
}

fn successfully_pulled(name: &str, took: Duration, pulled: &Pulled) -> String {
    let took = in_go(took);
    let size = match pulled {
        Pulled::Now(PulledImage { size_bytes, .. }) => format!(". Image size: {size_bytes} bytes."),
        Pulled::Cached => String::new(),
    };
    format!("Successfully pulled image \"{name}\" in {took} ({took} including waiting){size}")
}

/// A duration as Go writes it, to the millisecond: `250ms`, `1.5s`, `1m30s`.
fn in_go(duration: Duration) -> String {
    let ms = duration.as_millis();
    let seconds = |ms: u128| match ms % 1000 {
        0 => format!("{}s", ms / 1000),
        rest => format!("{}.{}s", ms / 1000, format!("{rest:03}").trim_end_matches('0')),
    };
    match (ms / 3_600_000, ms / 60_000 % 60) {
        (0, 0) if ms == 0 => String::from("0s"),
        (0, 0) if ms < 1000 => format!("{ms}ms"),
        (0, 0) => seconds(ms),
        (0, minutes) => format!("{minutes}m{}", seconds(ms % 60_000)),
        (hours, minutes) => format!("{hours}h{minutes}m{}", seconds(ms % 60_000)),
    }
}

/// The name of a pod of the stage `stage`: up to 15 of its letters and digits, and `random`, 8 characters.
pub(super) fn pod_name(prefix: &str, stage: &str, random: &str) -> String {
    let stage: String = stage.chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    format!("{prefix}-{}-{random}", stage.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        for (ms, expect) in
            [(0, "0s"), (250, "250ms"), (1500, "1.5s"), (1050, "1.05s"), (90_000, "1m30s"), (3_600_000, "1h0m0s")]
        {
            assert_eq!(in_go(Duration::from_millis(ms)), expect);
        }
    }

    #[test]
    fn pods_are_named_after_their_stage() {
        assert_eq!(pod_name("harnessci", "Build_and_Push_everything", "x1"), "harnessci-buildandpusheve-x1");
    }
}
