//! What was decided about a stage, as data for reports.

use oci::Principal;
use serde::{Serialize, Serializer, ser::SerializeMap};
use testbed::{diagnostic::Span, journal::ConnectorChoice, task::Credentials};

use super::{DelegateVerdict, ResolveError, RuleTried, Warning};

/// What was decided about one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageResolution {
    /// The stage's identifier; a container step group's is `stage.group`.
    pub stage: String,
    /// The stage's name.
    pub name: String,
    /// Where its identifier is written.
    #[serde(skip)]
    pub span: Span,
    /// Where it runs: `kubernetes`, `vm-pool`, `docker`, `cloud`, `container-step-group`, `missing`.
    pub infrastructure: &'static str,
    /// The connector for Harness's own images and why, or the failure.
    #[serde(serialize_with = "choice")]
    pub choice: Result<ConnectorChoice, ResolveError>,
    /// The rules of the decision table that were tried, the last of which decided.
    pub rules: Vec<RuleTried>,
    /// A failure that comes after the choice, and before anything is pulled.
    pub failure: Option<ResolveError>,
    /// The images in the order in which they are pulled; those that were known before a failure.
    pub images: Vec<ImageResolution>,
    /// The delegate, or none if the stage works through the platform, or the text of the failure.
    #[serde(serialize_with = "delegate")]
    pub delegate: Result<Option<String>, String>,
    /// The selectors that its delegate must have, all of them.
    pub selectors: Vec<String>,
    /// What says so: `stage`, `pipeline`, `cluster-connector`, or `nothing`.
    pub selectors_from: &'static str,
    /// What is odd, and often not meant.
    pub warnings: Vec<Warning>,
    /// How all of this came about, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// How the decisions about a stage came about, beside its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Each image, in their order.
    pub images: Vec<ImageExplanation>,
    /// Each delegate of the account; empty if the stage needs none.
    pub delegates: Vec<DelegateVerdict>,
    /// On Harness Cloud: each connector that is held to going through the platform, and whether it does.
    pub hosted: Vec<String>,
}

/// How the decisions about an image came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageExplanation {
    /// Its container.
    pub container: String,
    /// How its name was composed, step by step.
    pub name: Vec<String>,
    /// Where its login comes from, or why it has none.
    pub credentials: String,
}

/// A login as the container runtime is given it. Source: facts/harness A7.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PullSecret {
    /// The secret in the cluster, of type `kubernetes.io/dockercfg`; `<pod>` stands for the pod's name. None outside of
    /// clusters.
    pub name: Option<String>,
    /// The key that the login has in it: the URL as the connector has it, or on VMs nearly.
    pub key: String,
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
    /// Why this connector: as for the stage, or `step-connector`, `no-step-connector`.
    pub because: &'static str,
    /// What it did to the name.
    pub how: &'static str,
    /// The host that the runtime asks: `registry-1.docker.io`; none if the name is no image reference.
    pub host: Option<String>,
    /// The path that it asks for: `/v2/harness/ci-addon/manifests/1.18.27`.
    pub path: Option<String>,
    /// Who the pull is.
    pub credentials: Principal,
    /// How the container runtime is given the connector's login, if it has one.
    pub pull_secret: Option<PullSecret>,
    /// Where the stage or the step is written that it is for.
    #[serde(skip)]
    pub span: Span,
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
