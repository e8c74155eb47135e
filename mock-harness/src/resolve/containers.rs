//! Which containers a stage has, in the order in which their images are pulled, and whose images they are.
//!
//! Source: facts/harness A6.

use testbed::diagnostic::Span;

use super::InternalImages;
use crate::{
    config::CloudDriver,
    pipeline::{Infrastructure, Stage, Step},
};

/// A container, and where its image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    /// `setup-addon`, `lite-engine`, `clone`, or the step's identifier.
    pub(super) name: String,
    /// The image's name as the step or the platform says it.
    pub(super) image: String,
    /// Where it comes from.
    pub(super) origin: Origin,
    /// `imagePullPolicy`: the step's, else the infrastructure's.
    pub(super) pull_policy: Option<String>,
    /// Where the stage or the step is written that it is for.
    pub(super) span: Span,
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Through the connector for Harness's own images.
    Internal,
    /// Through the step's own connector, if it has one.
    Step {
        connector: Option<String>,
        /// The Plugin step on VMs: the name is passed on as it is.
        as_is: bool,
    },
}

/// The containers of `stage`. On Kubernetes all of one pod: the init container, then the others in order.
pub(super) fn list_containers(stage: &Stage, images: &InternalImages<'_>) -> Vec<Container> {
    let internal = |name: &str, field: &str, span| {
        Some(Container {
            name: String::from(name),
            image: String::from(images.get(field)?),
            origin: Origin::Internal,
            pull_policy: stage.pull_policy.clone(),
            span,
        })
    };
    // On VMs and local runners the addon and the lite-engine are no images.
    let first = [("setup-addon", "addonTag"), ("lite-engine", "liteEngineTag")]
        .map(|(name, field)| internal(name, field, stage.span));
    let clone = stage.clone_codebase.then(|| internal("clone", "gitCloneTag", stage.span)).flatten();
    // What a step brings itself comes before what Harness would run for it: IaCM steps may do either.
    let steps = stage.steps.iter().filter_map(|step| match InternalImages::field_of_step(&step.kind) {
        Some(field) if step.image.is_none() => internal(&step.identifier, field, step.span),
        _ => own_image(step, stage),
    });
    first.into_iter().flatten().chain(clone).chain(steps).collect()
}

fn own_image(step: &Step, stage: &Stage) -> Option<Container> {
    let image = step.image.clone()?;
    let as_is = step.kind == "Plugin" && !stage.infrastructure.is_kubernetes();
    let origin = match &step.connector {
        // Only a connector of its own takes an IaCM step out of Harness's hands.
        None if step.is_iacm() => Origin::Internal,
        connector => Origin::Step { connector: connector.clone(), as_is },
    };
    let pull_policy = step.pull_policy.clone().or_else(|| stage.pull_policy.clone());
    Some(Container { name: step.identifier.clone(), image, origin, pull_policy, span: step.span })
}

/// Whether it is known which image `step` runs, or that it runs none.
pub(super) fn is_image_known(step: &Step, images: &InternalImages<'_>) -> bool {
    /// Steps that the platform, a delegate or the machine itself does.
    const WITHOUT_IMAGE: [&str; 22] = [
        "Action",
        "Barrier",
        "Bitrise",
        "CustomApproval",
        "Email",
        "FlagConfiguration",
        "HarnessApproval",
        "Http",
        "IACMApproval",
        "JiraApproval",
        "JiraCreate",
        "JiraUpdate",
        "Policy",
        "Queue",
        "ResourceConstraint",
        "ServiceNowApproval",
        "ServiceNowCreate",
        "ServiceNowImportSet",
        "ServiceNowUpdate",
        "ShellScript",
        "Verify",
        "Wait",
    ];
    let kind = step.kind.as_str();
    step.image.is_some()
        || (Step::brings_image(kind) && !step.is_iacm())
        || InternalImages::field_of_step(kind).is_some_and(|field| images.get(field).is_some())
        || WITHOUT_IMAGE.contains(&kind)
}

/// The name that a hosted runner tries before `image`, in Harness's public registry, if no login goes with it.
///
/// Source: facts/harness A6, lite-engine's rewriting.
pub(super) fn rewrite_on_hosted(driver: CloudDriver, infrastructure: &Infrastructure, image: &str) -> Option<String> {
    const NAMES: [&str; 15] = [
        "harness/drone-git",
        "plugins/docker",
        "plugins/acr",
        "plugins/ecr",
        "plugins/gcr",
        "plugins/gar",
        "plugins/gcs",
        "plugins/s3",
        "plugins/artifactory",
        "plugins/cache",
        "harness/sto-plugin",
        "harness/ssca-plugin",
        "harness/slsa-plugin",
        "harness/ssca-compliance-plugin",
        "harness/harness-cache-server",
    ];
    // A name with a digest is none of them: what has one colon at most is compared up to there.
    let name = image.split(':').next().unwrap_or(image);
    let is_plain = image.matches(':').count() <= 1;
    let is_rewritten = *infrastructure == Infrastructure::Cloud && is_plain && NAMES.contains(&name);
    let registry = match driver {
        CloudDriver::Google => "us-docker.pkg.dev/gar-prod-setup/harness-public",
        CloudDriver::Amazon => "public.ecr.aws/harness",
    };
    is_rewritten.then(|| format!("{registry}/{image}"))
}
