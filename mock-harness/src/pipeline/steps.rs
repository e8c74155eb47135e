//! The steps of a stage, and the step groups that run in containers of their own.

use testbed::yaml::Node;

use super::{
    infrastructure::{pull_policy, read_container_infrastructure},
    model::{Stage, Step},
    reader::{Place, Reader},
};

/// What runs in containers of its own in a stage that is not CI, each as a stage of its own: step groups with a
/// `stepGroupInfra`, and steps of the type `Container`.
pub(super) fn read_step_groups(
    reader: &mut Reader<'_>,
    list: &Place<'_>,
    path: &str,
    stage: &Stage,
    stages: &mut Vec<Stage>,
) {
    for element in list.elements() {
        let element = Place { node: element, path: String::from(path) };
        if let Some(parallel) = element.get("parallel") {
            read_step_groups(reader, &parallel, path, stage, stages);
        } else if let Some(group) = element.get("stepGroup") {
            read_step_group(reader, &element, group, stage, stages);
        } else if let Some(step) = element.get("step") {
            read_container_step(reader, &element, &step, stage, stages);
        }
    }
}

fn read_step_group(
    reader: &mut Reader<'_>,
    element: &Place<'_>,
    mut group: Place<'_>,
    stage: &Stage,
    stages: &mut Vec<Stage>,
) {
    let Some(identifier) = reader.needed_text(&group, "identifier", "a step group") else { return };
    group.path = element.path_of(&identifier);
    if refuse_template(reader, &group, "the step group") {
        return;
    }
    let steps_at = reader.list(&group, "steps");
    let Some(infra) = reader.mapping(&group, "stepGroupInfra") else {
        if let Some(steps) = steps_at {
            read_step_groups(reader, &steps, &steps.path, stage, stages);
        }
        return;
    };
    let mut part = Stage { identifier: format!("{}.{identifier}", stage.identifier), ..stage.clone() };
    part.span = group.span_of("identifier");
    part.name = reader.text(&group, "name").unwrap_or_else(|| identifier.clone());
    match read_container_infrastructure(reader, &infra) {
        Ok(surroundings) => {
            surroundings.apply_to(&mut part);
            if let Some(list) = steps_at {
                read_steps(reader, &list, &list.path, &mut part.steps);
            }
        }
        Err(warning) => part.warnings.push(format!("step group `{identifier}` {warning}")),
    }
    stages.push(part);
}

/// A step of the type `Container`, which has an infrastructure of its own.
fn read_container_step(
    reader: &mut Reader<'_>,
    element: &Place<'_>,
    step: &Place<'_>,
    stage: &Stage,
    stages: &mut Vec<Stage>,
) {
    if step.node.get("type").and_then(Node::scalar_text) != Some("Container") {
        return;
    }
    let Some(identifier) = reader.needed_text(step, "identifier", "a step") else { return };
    let at = Place { node: step.node, path: element.path_of(&identifier) };
    let infra = reader.mapping(&at, "spec").and_then(|spec| reader.mapping(&spec, "infrastructure"));
    let Some(infra) = infra else { return };
    let mut part = Stage { identifier: format!("{}.{identifier}", stage.identifier), ..stage.clone() };
    part.span = at.span_of("identifier");
    part.name = reader.text(&at, "name").unwrap_or_else(|| identifier.clone());
    match read_container_infrastructure(reader, &infra) {
        Ok(surroundings) => {
            surroundings.apply_to(&mut part);
            read_step(reader, &Place { node: step.node, path: element.path.clone() }, &mut part.steps);
        }
        Err(warning) => part.warnings.push(format!("step `{identifier}` {warning}")),
    }
    stages.push(part);
}

/// The steps of a list, those of groups and parallel ones included.
pub(super) fn read_steps(reader: &mut Reader<'_>, list: &Place<'_>, path: &str, steps: &mut Vec<Step>) {
    for element in list.elements() {
        let element = Place { node: element, path: String::from(path) };
        if let Some(parallel) = element.get("parallel") {
            read_steps(reader, &parallel, path, steps);
        } else if let Some(mut group) = element.get("stepGroup") {
            if let Some(identifier) = reader.text(&group, "identifier") {
                group.path = element.path_of(&identifier);
            }
            if refuse_template(reader, &group, "the step group") {
                continue;
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

/// `serviceDependencies`: as steps, without a key in front of each.
pub(super) fn read_services(reader: &mut Reader<'_>, list: &Place<'_>, path: &str, steps: &mut Vec<Step>) {
    for element in list.elements() {
        let element = Place { node: element, path: String::from(path) };
        match element.get("parallel") {
            Some(parallel) => read_services(reader, &parallel, path, steps),
            None => read_step(reader, &element, steps),
        }
    }
}

fn read_step(reader: &mut Reader<'_>, at: &Place<'_>, steps: &mut Vec<Step>) {
    let Some(identifier) = reader.needed_text(at, "identifier", "a step") else { return };
    let at = Place { node: at.node, path: at.path_of(&identifier) };
    if refuse_template(reader, &at, "the step") {
        return;
    }
    let span = at.span_of("identifier");
    let kind = reader.text(&at, "type").unwrap_or_default();
    let name = reader.text(&at, "name").unwrap_or_else(|| identifier.clone());
    let brings_image = Step::brings_image(&kind);
    let spec = if brings_image { reader.mapping(&at, "spec") } else { None };
    let given = |reader: &mut Reader<'_>, key| {
        spec.as_ref().and_then(|spec| reader.text(spec, key)).filter(|text| !text.is_empty())
    };
    let (connector, image) = (given(reader, "connectorRef"), given(reader, "image"));
    let pull_policy = spec.as_ref().and_then(|spec| pull_policy(reader, spec));
    let own_connector = if brings_image {
        connector.clone()
    } else {
        at.get("spec").and_then(|spec| reader.known_text(&spec, "connectorRef"))
    };
    steps.push(Step { identifier, name, kind, connector, own_connector, image, pull_policy, span });
}

/// Complains if `at` is a template: its content is elsewhere.
pub(super) fn refuse_template(reader: &mut Reader<'_>, at: &Place<'_>, what: &str) -> bool {
    let Some(template) = at.get("template") else { return false };
    let message = format!("{what} is a template, which is not in this file");
    reader.complain(template.node, message, "put the template's content here");
    true
}
