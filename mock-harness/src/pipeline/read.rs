//! From a file to a [`Pipeline`]: walks the tree by hand, because users extend every part of it.

use std::collections::BTreeMap;

use testbed::{
    diagnostic::{Diagnostic, Source},
    yaml::{self, Node},
};

use super::{
    infrastructure::{read_infrastructure, read_platform},
    inputs::InputSet,
    model::{Infrastructure, Pipeline, Stage},
    named_connectors::named_connectors,
    reader::{Place, Reader},
    steps::{read_services, read_step_groups, read_steps, refuse_template},
};
use crate::account::Scope;

pub(super) fn read(source: &Source, inputs: &BTreeMap<String, String>) -> Result<Pipeline, Vec<Diagnostic>> {
    let root = yaml::parse(source)?;
    read_with(Reader::new(source, inputs, &root), &root)
}

/// Reads a pipeline with an input set, of which every value must be one for the pipeline.
///
/// # Errors
/// As [`Pipeline::parse`]; the input set gives something that the pipeline does not ask for.
pub(crate) fn read_to_run(source: &Source, inputs: &InputSet<'_>) -> Result<Pipeline, Vec<Diagnostic>> {
    let root = yaml::parse(source)?;
    let strangers = inputs.strangers(&root);
    if !strangers.is_empty() {
        return Err(strangers);
    }
    read_with(Reader::new(source, inputs.values(), &root), &root)
}

/// Reads a pipeline that is to be saved: its runtime inputs and expressions need no values yet.
///
/// # Errors
/// As [`Pipeline::parse`], inputs and expressions aside.
pub(crate) fn read_to_save(source: &Source, root: &Node) -> Result<Pipeline, Vec<Diagnostic>> {
    read_with(Reader::new(source, &BTreeMap::new(), root).tolerating_inputs(), root)
}

fn read_with<'a>(mut reader: Reader<'a>, root: &'a Node) -> Result<Pipeline, Vec<Diagnostic>> {
    let pipeline = read_pipeline(&mut reader, root);
    if pipeline.is_none() && !reader.has_complaints() {
        reader.complain(root, "the pipeline's `identifier` is an expression", "write the identifier itself");
    }
    reader.finish(pipeline)
}

/// What else is exported as YAML.
const OTHERS: [&str; 8] =
    ["inputSet", "overlayInputSet", "template", "connector", "trigger", "secret", "environment", "service"];

fn read_pipeline(reader: &mut Reader<'_>, root: &Node) -> Option<Pipeline> {
    let file = Place { node: root, path: String::new() };
    let Some(mut at) = reader.mapping(&file, "pipeline") else {
        if root.get("pipeline").is_none() {
            let kind = OTHERS.into_iter().find(|key| root.get(key).is_some());
            let (message, hint) = match kind {
                Some(kind) => (format!("this is no pipeline, but `{kind}`"), "give a pipeline's YAML in its place"),
                None => (
                    String::from("this is no pipeline: it has no key `pipeline`"),
                    "export the pipeline's YAML from Harness",
                ),
            };
            reader.complain(root, message, hint);
        }
        return None;
    };
    // Places are told from the pipeline on: `stages.build…`.
    at.path = String::new();
    if refuse_template(reader, &at, "the pipeline") {
        return None;
    }
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
    let codebase_connector = read_codebase_connector(reader, &at);
    reader.complain_of_inputs(&at);
    let identifier = identifier?;
    Some(Pipeline {
        name: reader.text(&at, "name").unwrap_or_else(|| identifier.clone()),
        identifier,
        scope: Scope::new(org.as_deref(), project.as_deref()),
        delegate_selectors: reader.texts(&at, "delegateSelectors"),
        codebase_connector,
        stages,
        named_connectors: named_connectors(at.node),
    })
}

fn read_codebase_connector(reader: &Reader<'_>, pipeline: &Place<'_>) -> Option<String> {
    let codebase = pipeline.get("properties")?.get("ci")?.get("codebase")?;
    reader.known_text(&codebase, "connectorRef")
}

fn read_stages(reader: &mut Reader<'_>, list: &Place<'_>, path: &str, stages: &mut Vec<Stage>) {
    for (turn, element) in list.elements().iter().enumerate() {
        let n_before = stages.len();
        read_stage_or_parallel(reader, element, path, stages);
        for stage in stages.iter_mut().skip(n_before) {
            stage.turn = turn;
        }
    }
}

fn read_stage_or_parallel(reader: &mut Reader<'_>, element: &Node, path: &str, stages: &mut Vec<Stage>) {
    let element = Place { node: element, path: String::from(path) };
    if element.get("parallel").is_some() {
        if let Some(parallel) = reader.list(&element, "parallel") {
            for element in parallel.elements() {
                read_stage_or_parallel(reader, element, path, stages);
            }
        }
    } else if let Some(mut stage) = reader.mapping(&element, "stage") {
        let Some(identifier) = reader.needed_text(&stage, "identifier", "a stage") else { return };
        if stages.iter().any(|before| before.in_pipeline() == identifier) {
            let message = format!("there are two stages `{identifier}`");
            reader.complain(stage.node, message, "every stage has an identifier of its own");
        }
        stage.path = element.path_of(&identifier);
        read_stage(reader, &stage, identifier, stages);
    } else if element.get("stage").is_none() {
        reader.complain(element.node, "this is no stage", "a list of stages has `- stage:` and `- parallel:`");
    }
}

fn read_stage(reader: &mut Reader<'_>, at: &Place<'_>, identifier: String, stages: &mut Vec<Stage>) {
    if refuse_template(reader, at, "the stage") {
        return;
    }
    let kind = reader.text(at, "type").unwrap_or_default();
    let name = reader.text(at, "name").unwrap_or_else(|| identifier.clone());
    // Security tests and IaCM run on the same infrastructure as CI does.
    let is_ci = matches!(kind.as_str(), "CI" | "SecurityTests" | "IACM");
    let infrastructure = if is_ci { Infrastructure::Missing } else { Infrastructure::NoContainers };
    let mut stage = Stage::bare(identifier, name, infrastructure);
    stage.kind.clone_from(&kind);
    stage.span = at.span_of("identifier");
    stage.delegate_selectors = reader.texts(at, "delegateSelectors");
    let Some(spec) = reader.mapping(at, "spec") else {
        stages.push(stage);
        return;
    };
    let execution = reader.mapping(&spec, "execution");
    let list = execution.and_then(|execution| reader.list(&execution, "steps"));
    if !is_ci {
        stage.warnings.extend(warn_of_infrastructure(&spec, &kind));
        let n_before = stages.len();
        if let Some(list) = list {
            read_step_groups(reader, &list, &list.path, &stage, stages);
        }
        if stages.len() == n_before {
            stages.push(stage);
        }
        return;
    }
    read_infrastructure(reader, &spec, stages).apply_to(&mut stage);
    if let Some(platform) = reader.mapping(&spec, "platform") {
        stage.platform = read_platform(reader, &platform);
    }
    if let Some(services) = reader.list(&spec, "serviceDependencies") {
        read_services(reader, &services, &services.path, &mut stage.steps);
    }
    if let Some(list) = list {
        read_steps(reader, &list, &list.path, &mut stage.steps);
    }
    stage.clone_codebase = reader.flag(&spec, "cloneCodebase");
    stages.push(stage);
}

/// A stage of a kind that is not known to run steps in containers, and that says where it does. CD stages have a mapping
/// `infrastructure` too, without a `type`.
fn warn_of_infrastructure(spec: &Place<'_>, kind: &str) -> Option<String> {
    let key = ["infrastructure", "runtime"]
        .into_iter()
        .find(|key| spec.get(key).is_some_and(|at| at.get("type").is_some()))?;
    Some(format!(
        "the stage is of type `{kind}` and has a key `{key}`: whether it pulls images is not known, and none is told"
    ))
}
