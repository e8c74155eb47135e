//! Where a stage runs, as its `infrastructure` or `runtime` says.

use oci::Platform;

use super::{
    model::{Infrastructure, Stage},
    reader::{Place, Reader},
};

/// The infrastructure of a CI stage, and its `imagePullPolicy`.
pub(super) fn read_infrastructure(
    reader: &mut Reader<'_>,
    spec: &Place<'_>,
    earlier: &[Stage],
) -> (Infrastructure, Option<String>) {
    let missing = (Infrastructure::Missing, None);
    let Some((at, what)) = reader
        .mapping(spec, "infrastructure")
        .map(|at| (at, "infrastructure"))
        .or_else(|| Some((reader.mapping(spec, "runtime")?, "runtime")))
    else {
        return missing;
    };
    if at.get("useFromStage").is_some() {
        return reader.text(&at, "useFromStage").map_or(missing, |stage| use_from(reader, &at, &stage, earlier));
    }
    let Some(kind) = reader.needed_text(&at, "type", what) else { return missing };
    let details = reader.mapping(&at, "spec");
    let text = |reader: &mut Reader<'_>, at: Option<&Place<'_>>, key| at.and_then(|at| reader.text(at, key));
    let details = details.as_ref();
    let mut pull_policy = None;
    let infrastructure = match kind.as_str() {
        "KubernetesDirect" | "KubernetesHosted" => {
            pull_policy = text(reader, details, "imagePullPolicy");
            Infrastructure::Kubernetes {
                cluster: text(reader, details, "connectorRef"),
                image_connector: text(reader, details, "harnessImageConnectorRef"),
            }
        }
        "VM" => {
            let pool = details.and_then(|details| reader.mapping(details, "spec"));
            Infrastructure::VmPool { image_connector: text(reader, pool.as_ref(), "harnessImageConnectorRef") }
        }
        "Docker" | "DOCKER" => {
            Infrastructure::Docker { image_connector: text(reader, details, "harnessImageConnectorRef") }
        }
        "Cloud" | "HostedVm" => Infrastructure::Cloud,
        other => {
            let hint = "KubernetesDirect and VM are types of `infrastructure`, Docker and Cloud of `runtime`";
            reader.complain(at.node, format!("`{what}` is of the unknown type `{other}`"), hint);
            Infrastructure::Missing
        }
    };
    (infrastructure, pull_policy)
}

/// What the stage `wanted` has. Stages of other kinds than CI, and container step groups, are none to use from.
fn use_from(
    reader: &mut Reader<'_>,
    at: &Place<'_>,
    wanted: &str,
    earlier: &[Stage],
) -> (Infrastructure, Option<String>) {
    let is_ci = |stage: &&Stage| {
        !matches!(stage.infrastructure, Infrastructure::NoContainers | Infrastructure::ContainerStepGroup { .. })
    };
    match earlier.iter().filter(is_ci).find(|stage| stage.identifier == wanted) {
        Some(found) => (found.infrastructure.clone(), found.pull_policy.clone()),
        None => {
            let message = format!("there is no earlier CI stage `{wanted}`");
            reader.complain(at.node, message, "name a CI stage that stands before");
            (Infrastructure::Missing, None)
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
