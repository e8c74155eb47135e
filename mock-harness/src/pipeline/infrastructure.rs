//! Where a stage runs, as its `infrastructure` or `runtime` says.
//!
//! Source: facts/harness A2, E.

use std::time::Duration;

use oci::Platform;

use super::{
    model::{Infrastructure, Stage},
    reader::{Place, Reader},
};

/// What an infrastructure says.
pub(super) struct Surroundings {
    pub(super) infrastructure: Infrastructure,
    pull_policy: Option<String>,
    namespace: Option<String>,
    init_timeout: Option<Duration>,
}

impl Surroundings {
    fn bare(infrastructure: Infrastructure) -> Self {
        Self { infrastructure, pull_policy: None, namespace: None, init_timeout: None }
    }

    /// What the pod's `spec` says beside its connectors.
    fn of_pod(reader: &mut Reader<'_>, spec: Option<&Place<'_>>, infrastructure: Infrastructure) -> Self {
        let Some(spec) = spec else { return Self::bare(infrastructure) };
        Self {
            infrastructure,
            pull_policy: pull_policy(reader, spec),
            namespace: reader.text(spec, "namespace").filter(|text| !text.is_empty()),
            init_timeout: init_timeout(reader, spec),
        }
    }

    pub(super) fn apply_to(self, stage: &mut Stage) {
        stage.infrastructure = self.infrastructure;
        stage.pull_policy = self.pull_policy;
        stage.namespace = self.namespace;
        stage.init_timeout = self.init_timeout;
    }
}

/// The infrastructure of a CI stage.
pub(super) fn read_infrastructure(reader: &mut Reader<'_>, spec: &Place<'_>, earlier: &[Stage]) -> Surroundings {
    let missing = || Surroundings::bare(Infrastructure::Missing);
    let Some((at, what)) = reader
        .mapping(spec, "infrastructure")
        .map(|at| (at, "infrastructure"))
        .or_else(|| Some((reader.mapping(spec, "runtime")?, "runtime")))
    else {
        return missing();
    };
    if at.get("useFromStage").is_some() {
        return use_from(reader, &at, earlier).unwrap_or_else(missing);
    }
    let Some(kind) = reader.needed_text(&at, "type", what) else { return missing() };
    let details = reader.mapping(&at, "spec");
    let text = |reader: &mut Reader<'_>, at: Option<&Place<'_>>, key| at.and_then(|at| reader.text(at, key));
    let details = details.as_ref();
    match kind.as_str() {
        "KubernetesDirect" | "KubernetesHosted" => {
            let infrastructure = Infrastructure::Kubernetes {
                cluster: text(reader, details, "connectorRef"),
                image_connector: text(reader, details, "harnessImageConnectorRef"),
            };
            Surroundings::of_pod(reader, details, infrastructure)
        }
        "VM" => {
            let pool = details.and_then(|details| reader.mapping(details, "spec"));
            let image_connector = text(reader, pool.as_ref(), "harnessImageConnectorRef");
            let init_timeout = pool.and_then(|pool| init_timeout(reader, &pool));
            Surroundings { init_timeout, ..Surroundings::bare(Infrastructure::VmPool { image_connector }) }
        }
        "Docker" | "DOCKER" => Surroundings::bare(Infrastructure::Docker {
            image_connector: text(reader, details, "harnessImageConnectorRef"),
        }),
        "Cloud" | "HostedVm" => Surroundings::bare(Infrastructure::Cloud),
        "UseFromStage" => match details.and_then(|details| use_from(reader, details, earlier)) {
            Some(found) => found,
            None => {
                if details.is_none_or(|details| details.get("useFromStage").is_none()) {
                    let hint = "write `useFromStage: STAGE` beside it, with the identifier of an earlier stage";
                    reader.complain(at.node, "`UseFromStage` without a stage", hint);
                }
                missing()
            }
        },
        other => {
            let hint = "KubernetesDirect and VM are types of `infrastructure`, Docker and Cloud of `runtime`";
            reader.complain(at.node, format!("`{what}` is of the unknown type `{other}`"), hint);
            missing()
        }
    }
}

/// The infrastructure of a container step group, or of a container step; a warning if it is none of a cluster.
pub(super) fn read_container_infrastructure(reader: &mut Reader<'_>, at: &Place<'_>) -> Result<Surroundings, String> {
    let kind = reader.text(at, "type").unwrap_or_else(|| String::from("KubernetesDirect"));
    let details = reader.mapping(at, "spec");
    if kind != "KubernetesDirect" {
        let has_override = details.is_some_and(|details| details.get("harnessImageConnectorRef").is_some());
        let and = if has_override { "; its `harnessImageConnectorRef` is in the schema only" } else { "" };
        return Err(format!(
            "runs on infrastructure of type `{kind}`: which images are pulled there is not known, and none is told{and}"
        ));
    }
    let mut text = |key| details.as_ref().and_then(|details| reader.text(details, key));
    let infrastructure = Infrastructure::ContainerStepGroup {
        cluster: text("connectorRef"),
        image_connector: text("harnessImageConnectorRef"),
    };
    Ok(Surroundings::of_pod(reader, details.as_ref(), infrastructure))
}

/// `imagePullPolicy`.
pub(super) fn pull_policy(reader: &mut Reader<'_>, at: &Place<'_>) -> Option<String> {
    let policy = reader.text(at, "imagePullPolicy").filter(|text| !text.is_empty())?;
    if matches!(policy.as_str(), "Always" | "Never" | "IfNotPresent") {
        return Some(policy);
    }
    if let Some(found) = at.get("imagePullPolicy") {
        let hint = "write `Always`, `Never` or `IfNotPresent`";
        reader.complain(found.node, format!("`imagePullPolicy` is `{policy}`"), hint);
    }
    None
}

fn init_timeout(reader: &mut Reader<'_>, at: &Place<'_>) -> Option<Duration> {
    let text = reader.text(at, "initTimeout").filter(|text| !text.is_empty())?;
    match testbed::duration::parse(&text) {
        Ok(timeout) => Some(timeout),
        Err(message) => {
            if let Some(found) = at.get("initTimeout") {
                reader.complain(found.node, message, "as Harness writes it: `10m`, `1h 30m`");
            }
            None
        }
    }
}

/// What the stage `useFromStage` has, which may itself have it from another. Stages of other kinds than CI, and container
/// step groups, are none to use from.
fn use_from(reader: &mut Reader<'_>, at: &Place<'_>, earlier: &[Stage]) -> Option<Surroundings> {
    let wanted = reader.text(at, "useFromStage")?;
    let is_ci = |stage: &&Stage| {
        !matches!(stage.infrastructure, Infrastructure::NoContainers | Infrastructure::ContainerStepGroup { .. })
    };
    match earlier.iter().filter(is_ci).find(|stage| stage.identifier == wanted) {
        Some(found) => Some(Surroundings {
            infrastructure: found.infrastructure.clone(),
            pull_policy: found.pull_policy.clone(),
            namespace: found.namespace.clone(),
            init_timeout: found.init_timeout,
        }),
        None => {
            let is_other = earlier.iter().any(|stage| stage.in_pipeline() == wanted);
            let why = match reader.stage_uses(&wanted) {
                _ if is_other => ": that one is no CI stage",
                _ if at.stage() == Some(wanted.as_str()) => ": that one is this stage itself",
                Some(uses) if at.stage() == Some(uses.as_str()) => ": that one uses this one's infrastructure",
                _ if reader.has_stage(&wanted) => ": that one stands later",
                _ => "",
            };
            let message = format!("there is no earlier CI stage `{wanted}`{why}");
            reader.complain(at.node, message, "name a CI stage that stands before");
            None
        }
    }
}

/// `platform` of a stage.
pub(super) fn read_platform(reader: &mut Reader<'_>, at: &Place<'_>) -> Platform {
    let os = reader.text(at, "os").map_or_else(|| String::from("linux"), |os| os.to_ascii_lowercase());
    let arch = reader.text(at, "arch").map_or_else(|| String::from("amd64"), |arch| arch.to_ascii_lowercase());
    // What Harness calls MacOS, image platforms call darwin.
    Platform::new(if os == "macos" { String::from("darwin") } else { os }, arch)
}
