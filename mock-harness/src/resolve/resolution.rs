//! What was decided about a stage, as data for reports.

use oci::Principal;
use serde::{Serialize, Serializer, ser::SerializeMap};
use testbed::{journal::ConnectorChoice, task::Credentials};

use super::ResolveError;

/// What was decided about one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageResolution {
    /// The stage's identifier; a container step group's is `stage.group`.
    pub stage: String,
    /// The stage's name.
    pub name: String,
    /// Where it runs: `kubernetes`, `vm-pool`, `docker`, `cloud`, `container-step-group`, `missing`.
    pub infrastructure: &'static str,
    /// The connector for Harness's own images and why, or the failure.
    #[serde(serialize_with = "choice")]
    pub choice: Result<ConnectorChoice, ResolveError>,
    /// A failure that comes after the choice, and before anything is pulled.
    pub failure: Option<ResolveError>,
    /// The images in the order in which they are pulled; those that were known before a failure.
    pub images: Vec<ImageResolution>,
    /// The delegate, or none if the stage works through the platform, or the text of the failure.
    #[serde(serialize_with = "delegate")]
    pub delegate: Result<Option<String>, String>,
    /// What is odd, and often not meant.
    pub warnings: Vec<String>,
}

/// What was decided about one container's image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageResolution {
    /// The container: `setup-addon`, `lite-engine`, `clone`, or a step's identifier.
    pub container: String,
    /// Whether it is one of Harness's own images.
    pub internal: bool,
    /// The image's name before.
    pub before: String,
    /// And as the container runtime is asked for it.
    pub after: String,
    /// On Harness Cloud: the name that is tried first, in Harness's public registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried_first: Option<String>,
    /// `imagePullPolicy`: the step's, else the infrastructure's; none is `IfNotPresent`, for `latest` `Always`.
    pub pull_policy: Option<String>,
    /// The connector it goes through: `account.harnessImage`.
    pub connector: Option<String>,
    /// Why this connector, and what it did to the name.
    pub because: String,
    /// The host that the runtime asks: `registry-1.docker.io`; none if the name is no image reference.
    pub host: Option<String>,
    /// The path that it asks for: `/v2/harness/ci-addon/manifests/1.18.27`.
    pub path: Option<String>,
    /// Who the pull is.
    pub credentials: Principal,
    /// The login itself. It is never written.
    #[serde(skip)]
    pub(crate) login: Option<Credentials>,
}

impl StageResolution {
    /// Why the stage fails before anything is pulled, if it does.
    pub fn error(&self) -> Option<String> {
        let resolve = self.choice.as_ref().err().or(self.failure.as_ref()).map(ToString::to_string);
        resolve.or_else(|| self.delegate.as_ref().err().cloned())
    }
}

fn choice<S: Serializer>(choice: &Result<ConnectorChoice, ResolveError>, serializer: S) -> Result<S::Ok, S::Error> {
    match choice {
        Ok(choice) => choice.serialize(serializer),
        Err(error) => failed(error, serializer),
    }
}

fn delegate<S: Serializer>(delegate: &Result<Option<String>, String>, serializer: S) -> Result<S::Ok, S::Error> {
    match delegate {
        Ok(delegate) => delegate.serialize(serializer),
        Err(text) => failed(text, serializer),
    }
}

/// `{"error": …}`.
fn failed<S: Serializer>(error: &impl Serialize, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry("error", error)?;
    map.end()
}
