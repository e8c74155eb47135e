//! The steps of a stage, and the step groups that run in containers of their own.

use super::{
    model::{Infrastructure, Stage, Step},
    reader::{Place, Reader},
};

/// Container step groups of a stage that is not CI, each as a stage of its own.
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
            continue;
        }
        let Some(mut group) = element.get("stepGroup") else { continue };
        let Some(identifier) = reader.needed_text(&group, "identifier", "a step group") else { continue };
        group.path = element.path_of(&identifier);
        if refuse_template(reader, &group, "the step group") {
            continue;
        }
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
            pull_policy: text(reader, "imagePullPolicy"),
            span: group.span_of("identifier"),
            steps,
            ..stage.clone()
        });
    }
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
    let brings_image = Step::brings_image(&kind);
    let spec = if brings_image { reader.mapping(&at, "spec") } else { None };
    let given = |reader: &mut Reader<'_>, key| {
        spec.as_ref().and_then(|spec| reader.text(spec, key)).filter(|text| !text.is_empty())
    };
    let (connector, image) = (given(reader, "connectorRef"), given(reader, "image"));
    let pull_policy = given(reader, "imagePullPolicy");
    let own_connector = if brings_image {
        connector.clone()
    } else {
        at.get("spec").and_then(|spec| reader.known_text(&spec, "connectorRef"))
    };
    steps.push(Step { identifier, kind, connector, own_connector, image, pull_policy, span });
}

/// Complains if `at` is a template: its content is elsewhere.
pub(super) fn refuse_template(reader: &mut Reader<'_>, at: &Place<'_>, what: &str) -> bool {
    let Some(template) = at.get("template") else { return false };
    let message = format!("{what} is a template, which is not in this file");
    reader.complain(template.node, message, "put the template's content here");
    true
}
