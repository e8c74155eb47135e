//! What a pipeline says about images and delegates.
//!
//! Source: facts/harness A2 (where the override may live), E (layouts).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use oci::Platform;
use testbed::diagnostic::{Diagnostic, Source, Span};

use crate::account::Scope;

/// A pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Its identifier.
    pub identifier: String,
    /// Its name.
    pub name: String,
    /// The organisation and project it names; references are read relative to them.
    pub scope: Scope,
    /// Selectors for the delegates of stages that have none of their own.
    pub delegate_selectors: Vec<String>,
    /// The connector of its codebase: `properties.ci.codebase.connectorRef`.
    pub codebase_connector: Option<String>,
    /// Its stages in order, parallel ones one after the other.
    pub stages: Vec<Stage>,
    /// Every connector reference that it writes down, anywhere: what protects connectors from being deleted.
    pub named_connectors: BTreeSet<String>,
}

/// A part of a pipeline that runs in one place: a CI stage, or a container step group of another stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its identifier; for a container step group `stage.group`.
    pub identifier: String,
    /// Its name.
    pub name: String,
    /// The type of the stage: `CI`, `Deployment`.
    pub kind: String,
    /// Its turn, from 0: stages in one `parallel` have the same, and run at the same time.
    pub turn: usize,
    /// Selectors for its delegate.
    pub delegate_selectors: Vec<String>,
    /// Where it runs.
    pub infrastructure: Infrastructure,
    /// What it runs on; `linux/amd64` unless it says so.
    pub platform: Platform,
    /// `imagePullPolicy` of a Kubernetes infrastructure: for the containers that have none of their own.
    pub pull_policy: Option<String>,
    /// The namespace of its pod.
    pub namespace: Option<String>,
    /// `initTimeout`: how long its pod or machine may take to be ready; none is 8 minutes.
    pub init_timeout: Option<Duration>,
    /// Whether the code is cloned first.
    pub clone_codebase: bool,
    /// Its steps in order, those of groups and parallel ones included.
    pub steps: Vec<Step>,
    /// What may matter and was not understood.
    pub warnings: Vec<String>,
    /// Where its identifier is written.
    pub span: Span,
}

/// Where a stage runs, with its `harnessImageConnectorRef` if it has one. An empty text is kept: it does not mean the same
/// everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Infrastructure {
    /// `KubernetesDirect`.
    Kubernetes {
        /// The cluster's connector.
        cluster: Option<String>,
        /// "Override Image Connector".
        image_connector: Option<String>,
    },
    /// `VM` with a pool.
    VmPool {
        /// "Override Image Connector".
        image_connector: Option<String>,
    },
    /// A Docker runtime on a local runner.
    Docker {
        /// The field is in newer schemas only.
        image_connector: Option<String>,
    },
    /// Harness Cloud. It has no such field.
    Cloud,
    /// A step group of a CD or custom stage that runs in containers of its own.
    ContainerStepGroup {
        /// The cluster's connector.
        cluster: Option<String>,
        /// "Override Image Connector".
        image_connector: Option<String>,
    },
    /// A CI stage that says nothing.
    Missing,
    /// A stage that needs no containers.
    NoContainers,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its identifier.
    pub identifier: String,
    /// Its name.
    pub name: String,
    /// Its type: `Run`.
    pub kind: String,
    /// Where its own image comes from: its `connectorRef`, read for steps that bring their own image.
    pub connector: Option<String>,
    /// Its own `connectorRef`, whatever it is for: images, or credentials to push with. None if it is an expression and the
    /// step brings no image.
    pub own_connector: Option<String>,
    /// Its own image, read for steps that bring one.
    pub image: Option<String>,
    /// Its own `imagePullPolicy`.
    pub pull_policy: Option<String>,
    /// Where its identifier is written.
    pub span: Span,
}

impl Pipeline {
    /// Reads a pipeline file.
    ///
    /// # Errors
    /// It is no YAML; a key that is needed is missing or of the wrong kind; a value that is needed is a runtime input
    /// (`<+input>`) or another expression. All complaints at once.
    ///
    /// ```
    /// use mock_harness::Pipeline;
    /// use testbed::diagnostic::Source;
    ///
    /// let file = Source::new("ci.yaml", "
    /// pipeline:
    ///   identifier: ci
    ///   orgIdentifier: default
    ///   projectIdentifier: demo
    ///   stages:
    ///     - stage:
    ///         identifier: build
    ///         type: CI
    ///         spec:
    ///           infrastructure: { type: KubernetesDirect, spec: { harnessImageConnectorRef: account.mirror } }
    ///           execution: { steps: [] }
    /// ");
    /// let pipeline = Pipeline::parse(&file).map_err(|complaints| complaints[0].clone())?;
    /// assert_eq!(pipeline.stages[0].identifier, "build");
    /// # Ok::<(), testbed::diagnostic::Diagnostic>(())
    /// ```
    pub fn parse(source: &Source) -> Result<Self, Vec<Diagnostic>> {
        Self::parse_with_inputs(source, &BTreeMap::new())
    }

    /// Reads a pipeline file with values for its runtime inputs, each by its place:
    /// `stages.build.spec.infrastructure.spec.harnessImageConnectorRef`. Stages and steps are named by identifier.
    ///
    /// # Errors
    /// As [`Pipeline::parse`].
    pub fn parse_with_inputs(source: &Source, inputs: &BTreeMap<String, String>) -> Result<Self, Vec<Diagnostic>> {
        super::read::read(source, inputs)
    }
}

impl Infrastructure {
    /// The kind as reports write it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kubernetes { .. } => "kubernetes",
            Self::VmPool { .. } => "vm-pool",
            Self::Docker { .. } => "docker",
            Self::Cloud => "cloud",
            Self::ContainerStepGroup { .. } => "container-step-group",
            Self::Missing => "missing",
            Self::NoContainers => "no-containers",
        }
    }

    /// Whether its containers are pods.
    pub fn is_kubernetes(&self) -> bool {
        matches!(self, Self::Kubernetes { .. } | Self::ContainerStepGroup { .. })
    }

    /// The connector of its cluster.
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::Kubernetes { cluster, .. } | Self::ContainerStepGroup { cluster, .. } => cluster.as_deref(),
            Self::VmPool { .. } | Self::Docker { .. } | Self::Cloud | Self::Missing | Self::NoContainers => None,
        }
    }
}

impl Stage {
    /// A stage without steps.
    pub(super) fn bare(identifier: String, name: String, infrastructure: Infrastructure) -> Self {
        Self {
            identifier,
            name,
            kind: String::new(),
            turn: 0,
            delegate_selectors: Vec::new(),
            infrastructure,
            platform: Platform::linux_amd64(),
            pull_policy: None,
            namespace: None,
            init_timeout: None,
            clone_codebase: false,
            steps: Vec::new(),
            warnings: Vec::new(),
            span: Span::default(),
        }
    }
}

impl Stage {
    /// The identifier of the stage in the pipeline that this is, or is a part of.
    pub(crate) fn in_pipeline(&self) -> &str {
        self.identifier.split('.').next().unwrap_or(&self.identifier)
    }
}

const IACM: &str = "IACM";

impl Step {
    /// Whether the step runs an image that the user names, so that its own `connectorRef` is the image's source.
    pub(crate) fn brings_image(kind: &str) -> bool {
        matches!(kind, "Run" | "RunTests" | "Test" | "Plugin" | "Background" | "Service" | "Container")
            || kind.starts_with(IACM)
    }

    /// Whether it is a step of Infrastructure as Code Management: Harness's own unless it has a connector.
    pub(crate) fn is_iacm(&self) -> bool {
        self.kind.starts_with(IACM)
    }
}
