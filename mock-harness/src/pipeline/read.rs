//! From a file to a [`Pipeline`]: walks the tree by hand, because users extend every part of it.

use std::collections::{BTreeMap, BTreeSet};

use oci::Platform;
use testbed::{
    diagnostic::{Diagnostic, Source},
    yaml::{self, Node, NodeValue},
};

use super::{
    model::{Infrastructure, Pipeline, Stage, Step},
    reader::{Place, Reader},
};
use crate::account::Scope;

pub(super) fn read(source: &Source, inputs: &BTreeMap<String, String>) -> Result<Pipeline, Vec<Diagnostic>> {
    let root = yaml::parse(source)?;
    let mut reader = Reader::new(source, inputs);
    let pipeline = read_pipeline(&mut reader, &root);
    reader.finish(pipeline)
}

/// The scalar values of an input set's YAML, each by its place, as [`Pipeline::parse_with_inputs`] takes them.
///
/// # Errors
/// It is no YAML.
pub fn input_values(source: &Source) -> Result<BTreeMap<String, String>, Vec<Diagnostic>> {
    let root = yaml::parse(source)?;
    let mut values = BTreeMap::new();
    if let Some(pipeline) = root.get("pipeline") {
        collect_values(pipeline, "", &mut values);
    }
    Ok(values)
}

fn read_pipeline(reader: &mut Reader<'_>, root: &Node) -> Option<Pipeline> {
    let file = Place { node: root, path: String::new() };
    let Some(mut at) = reader.mapping(&file, "pipeline") else {
        if root.get("pipeline").is_none() {
            reader.complain(
                root,
                "this is no pipeline: it has no key `pipeline`",
                "export the pipeline's YAML from Harness",
            );
        }
        return None;
    };
    // Places are told from the pipeline on: `stages.build…`.
    at.path = String::new();
    let identifier = reader.needed_text(&at, "identifier", "the pipeline");
    let org = reader.text(&at, "orgIdentifier");
    let project = reader.text(&at, "projectIdentifier");
    let mut stages = Vec::new();
    match reader.list(&at, "stages") {
        Some(list) => read_stages(reader, &list, &list.path, &mut stages),
        None if at.get("stages").is_none() => {
            reader.complain(at.node, "the pipeline has no `stages`", "add `stages:` with at least one stage");
        }
        None => {}
    }
    let identifier = identifier?;
    Some(Pipeline {
        name: reader.text(&at, "name").unwrap_or_else(|| identifier.clone()),
        identifier,
        scope: Scope::new(org.as_deref(), project.as_deref()),
        delegate_selectors: reader.texts(&at, "delegateSelectors"),
        stages,
        named_connectors: named_connectors(at.node),
    })
}

fn read_stages(reader: &mut Reader<'_>, list: &Place<'_>, path: &str, stages: &mut Vec<Stage>) {
    for element in list.elements() {
        let element = Place { node: element, path: String::from(path) };
        if let Some(parallel) = element.get("parallel") {
            read_stages(reader, &parallel, path, stages);
        } else if let Some(mut stage) = reader.mapping(&element, "stage") {
            let Some(identifier) = reader.needed_text(&stage, "identifier", "a stage") else { continue };
            stage.path = element.path_of(&identifier);
            read_stage(reader, &stage, identifier, stages);
        } else if element.get("stage").is_none() {
            reader.complain(element.node, "this is no stage", "a list of stages has `- stage:` and `- parallel:`");
        }
    }
}

fn read_stage(reader: &mut Reader<'_>, at: &Place<'_>, identifier: String, stages: &mut Vec<Stage>) {
    if let Some(template) = at.get("template") {
        reader.complain(
            template.node,
            "the stage is a template, which is not in this file",
            "put the template's content here",
        );
        return;
    }
    let kind = reader.text(at, "type").unwrap_or_default();
    let name = reader.text(at, "name").unwrap_or_else(|| identifier.clone());
    let is_ci = kind == "CI";
    let infrastructure = if is_ci { Infrastructure::Missing } else { Infrastructure::NoContainers };
    let mut stage = Stage::bare(identifier, name, infrastructure);
    stage.delegate_selectors = reader.texts(at, "delegateSelectors");
    let Some(spec) = reader.mapping(at, "spec") else {
        stages.push(stage);
        return;
    };
    let execution = reader.mapping(&spec, "execution");
    let list = execution.and_then(|execution| reader.list(&execution, "steps"));
    if !is_ci {
        let n_before = stages.len();
        if let Some(list) = list {
            read_step_groups(reader, &list, &list.path, &stage, stages);
        }
        if stages.len() == n_before {
            stages.push(stage);
        }
        return;
    }
    stage.infrastructure = read_infrastructure(reader, &spec, stages);
    if let Some(platform) = reader.mapping(&spec, "platform") {
        stage.platform = read_platform(reader, &platform);
    }
    if let Some(details) = spec.get("infrastructure").and_then(|infrastructure| infrastructure.get("spec")) {
        stage.pull_policy = reader.text(&details, "imagePullPolicy");
    }
    if let Some(services) = reader.list(&spec, "serviceDependencies") {
        for service in services.elements() {
            read_step(reader, &Place { node: service, path: services.path.clone() }, &mut stage.steps);
        }
    }
    if let Some(list) = list {
        read_steps(reader, &list, &list.path, &mut stage.steps);
    }
    stage.clone_codebase = reader.flag(&spec, "cloneCodebase");
    stages.push(stage);
}

fn read_platform(reader: &mut Reader<'_>, at: &Place<'_>) -> Platform {
    let os = reader.text(at, "os").map_or_else(|| String::from("linux"), |os| os.to_ascii_lowercase());
    let arch = reader.text(at, "arch").map_or_else(|| String::from("amd64"), |arch| arch.to_ascii_lowercase());
    // What Harness calls MacOS, image platforms call darwin.
    Platform::new(if os == "macos" { String::from("darwin") } else { os }, arch)
}

fn read_infrastructure(reader: &mut Reader<'_>, spec: &Place<'_>, earlier: &[Stage]) -> Infrastructure {
    let Some((at, what)) = reader
        .mapping(spec, "infrastructure")
        .map(|at| (at, "infrastructure"))
        .or_else(|| Some((reader.mapping(spec, "runtime")?, "runtime")))
    else {
        return Infrastructure::Missing;
    };
    if let Some(stage) = reader.text(&at, "useFromStage") {
        return match earlier.iter().find(|candidate| candidate.identifier == stage) {
            Some(found) => found.infrastructure.clone(),
            None => {
                reader.complain(
                    at.node,
                    format!("there is no earlier stage `{stage}`"),
                    "name a CI stage that stands before",
                );
                Infrastructure::Missing
            }
        };
    }
    let Some(kind) = reader.needed_text(&at, "type", what) else { return Infrastructure::Missing };
    let details = reader.mapping(&at, "spec");
    let image_connector = |reader: &mut Reader<'_>, details: Option<&Place<'_>>| {
        details.and_then(|details| reader.text(details, "harnessImageConnectorRef"))
    };
    match kind.as_str() {
        "KubernetesDirect" | "KubernetesHosted" => Infrastructure::Kubernetes {
            cluster: details.as_ref().and_then(|details| reader.text(details, "connectorRef")),
            image_connector: image_connector(reader, details.as_ref()),
        },
        "VM" => {
            let pool = details.as_ref().and_then(|details| reader.mapping(details, "spec"));
            Infrastructure::VmPool { image_connector: image_connector(reader, pool.as_ref()) }
        }
        "Docker" | "DOCKER" => Infrastructure::Docker { image_connector: image_connector(reader, details.as_ref()) },
        "Cloud" | "HostedVm" => Infrastructure::Cloud,
        other => {
            let hint = "KubernetesDirect and VM are types of `infrastructure`, Docker and Cloud of `runtime`";
            reader.complain(at.node, format!("`{what}` is of the unknown type `{other}`"), hint);
            Infrastructure::Missing
        }
    }
}

/// Container step groups of a stage that is not CI, each as a stage of its own.
fn read_step_groups(reader: &mut Reader<'_>, list: &Place<'_>, path: &str, stage: &Stage, stages: &mut Vec<Stage>) {
    for element in list.elements() {
        let element = Place { node: element, path: String::from(path) };
        if let Some(parallel) = element.get("parallel") {
            read_step_groups(reader, &parallel, path, stage, stages);
            continue;
        }
        let Some(mut group) = element.get("stepGroup") else { continue };
        let Some(identifier) = reader.needed_text(&group, "identifier", "a step group") else { continue };
        group.path = element.path_of(&identifier);
        let steps_at = reader.list(&group, "steps");
        let Some(infra) = reader.mapping(&group, "stepGroupInfra") else {
            if let Some(steps) = steps_at {
                read_step_groups(reader, &steps, &steps.path, stage, stages);
            }
            continue;
        };
        let details = reader.mapping(&infra, "spec");
        let mut steps = Vec::new();
        if let Some(list) = steps_at {
            read_steps(reader, &list, &list.path, &mut steps);
        }
        let text = |reader: &mut Reader<'_>, key| details.as_ref().and_then(|details| reader.text(details, key));
        stages.push(Stage {
            identifier: format!("{}.{identifier}", stage.identifier),
            name: reader.text(&group, "name").unwrap_or(identifier),
            infrastructure: Infrastructure::ContainerStepGroup {
                cluster: text(reader, "connectorRef"),
                image_connector: text(reader, "harnessImageConnectorRef"),
            },
            steps,
            ..stage.clone()
        });
    }
}

fn read_steps(reader: &mut Reader<'_>, list: &Place<'_>, path: &str, steps: &mut Vec<Step>) {
    for element in list.elements() {
        let element = Place { node: element, path: String::from(path) };
        if let Some(parallel) = element.get("parallel") {
            read_steps(reader, &parallel, path, steps);
        } else if let Some(mut group) = element.get("stepGroup") {
            if let Some(identifier) = reader.text(&group, "identifier") {
                group.path = element.path_of(&identifier);
            }
            if let Some(list) = reader.list(&group, "steps") {
                read_steps(reader, &list, &list.path, steps);
            }
        } else if let Some(step) = element.get("step") {
            read_step(reader, &Place { node: step.node, path: element.path }, steps);
        }
        // What is neither (`insert`, …) is let through.
    }
}

fn read_step(reader: &mut Reader<'_>, at: &Place<'_>, steps: &mut Vec<Step>) {
    let Some(identifier) = reader.needed_text(at, "identifier", "a step") else { return };
    let at = Place { node: at.node, path: at.path_of(&identifier) };
    let kind = reader.text(&at, "type").unwrap_or_default();
    let spec = if Step::brings_image(&kind) { reader.mapping(&at, "spec") } else { None };
    let given = |reader: &mut Reader<'_>, key| {
        spec.as_ref().and_then(|spec| reader.text(spec, key)).filter(|text| !text.is_empty())
    };
    let (connector, image) = (given(reader, "connectorRef"), given(reader, "image"));
    let pull_policy = given(reader, "imagePullPolicy");
    steps.push(Step { identifier, kind, connector, image, pull_policy });
}

/// Connector references anywhere in the tree, expressions aside.
pub(crate) fn named_connectors(node: &Node) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_connectors(node, &mut found);
    found
}

fn collect_connectors(node: &Node, found: &mut BTreeSet<String>) {
    match &node.value {
        NodeValue::Mapping(entries) => {
            for (key, value) in entries.iter() {
                let is_reference = matches!(key.scalar_text(), Some("connectorRef" | "harnessImageConnectorRef"));
                match value.scalar_text() {
                    Some(text) if is_reference && !text.is_empty() && !text.contains("<+") => {
                        found.insert(String::from(text));
                    }
                    _ => collect_connectors(value, found),
                }
            }
        }
        NodeValue::Sequence(elements) => elements.iter().for_each(|element| collect_connectors(element, found)),
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::String { .. } => {}
    }
}

fn collect_values(node: &Node, path: &str, values: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { String::from(key) } else { format!("{path}.{key}") };
    match &node.value {
        NodeValue::Mapping(entries) => {
            for (key, value) in entries.iter() {
                collect_values(value, &below(key.scalar_text().unwrap_or_default()), values);
            }
        }
        NodeValue::Sequence(elements) => {
            for element in elements.iter() {
                if let Some(parallel) = element.get("parallel") {
                    collect_values(parallel, path, values);
                    continue;
                }
                let inner = ["stage", "step", "stepGroup"].iter().find_map(|key| element.get(key)).unwrap_or(element);
                if let Some(identifier) = inner.get("identifier").and_then(Node::scalar_text) {
                    collect_values(inner, &below(identifier), values);
                }
            }
        }
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::String { .. } => {
            if let Some(text) = node.scalar_text().filter(|text| !text.contains("<+")) {
                values.insert(String::from(path), String::from(text));
            }
        }
    }
}
