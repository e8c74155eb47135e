//! The values that an input set gives, each by its place.

use std::collections::BTreeMap;

use testbed::{
    diagnostic::{Diagnostic, Source},
    yaml::{self, Node, NodeValue},
};

/// The scalar values of an input set's YAML, each by its place, as
/// [`Pipeline::parse_with_inputs`](super::Pipeline::parse_with_inputs) takes them. Those of a list are joined by commas.
///
/// # Errors
/// It is no YAML.
pub fn input_values(source: &Source) -> Result<BTreeMap<String, String>, Vec<Diagnostic>> {
    let root = yaml::parse(source)?;
    let mut values = BTreeMap::new();
    // As it is exported, an input set has a frame of its own.
    if let Some(pipeline) = root.get("inputSet").unwrap_or(&root).get("pipeline") {
        collect_values(pipeline, "", &mut values);
    }
    Ok(values)
}

fn collect_values(node: &Node, path: &str, values: &mut BTreeMap<String, String>) {
    each_value(node, path, &mut |path, value| match value {
        Value::Scalar(node) => {
            if let Some(text) = node.scalar_text().filter(|text| !text.contains("<+")) {
                values.insert(String::from(path), String::from(text));
            }
        }
        Value::Scalars(elements) => {
            let texts: Vec<_> = elements.iter().filter_map(Node::scalar_text).collect();
            if !texts.iter().any(|text| text.contains("<+")) {
                values.insert(String::from(path), texts.join(","));
            }
        }
    });
}

/// A value that has no places below it.
pub(super) enum Value<'a> {
    /// A scalar.
    Scalar(&'a Node),
    /// A list of scalars.
    Scalars(&'a [Node]),
}

/// Visits every value below `node`, which stands at `path`, by its place. Stages, steps and groups are named by their
/// identifiers, variables by their names, and what runs in parallel stands where its list does.
pub(super) fn each_value<'a>(node: &'a Node, path: &str, visit: &mut impl FnMut(&str, Value<'a>)) {
    let below = |key: &str| if path.is_empty() { String::from(key) } else { format!("{path}.{key}") };
    match &node.value {
        NodeValue::Mapping(entries) => {
            for (key, value) in entries.iter() {
                each_value(value, &below(key.scalar_text().unwrap_or_default()), visit);
            }
        }
        NodeValue::Sequence(elements) if elements.iter().all(|element| element.scalar_text().is_some()) => {
            visit(path, Value::Scalars(elements));
        }
        NodeValue::Sequence(elements) => {
            for element in elements.iter() {
                if let Some(parallel) = element.get("parallel") {
                    each_value(parallel, path, visit);
                    continue;
                }
                let inner = ["stage", "step", "stepGroup"].iter().find_map(|key| element.get(key)).unwrap_or(element);
                // Variables have a name only.
                let identifier = inner.get("identifier").or_else(|| inner.get("name"));
                if let Some(identifier) = identifier.and_then(Node::scalar_text) {
                    each_value(inner, &below(identifier), visit);
                }
            }
        }
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::String { .. } => visit(path, Value::Scalar(node)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_and_lists_of_them_are_told_by_place() {
        let set = "
pipeline:
  identifier: ci
  delegateSelectors: [linux, dc-east]
  stages:
    - stage:
        identifier: build
        delegateSelectors: []
        spec:
          execution:
            steps:
              - step: { identifier: push, spec: { tags: [latest, 1.2], labels: [<+input>], repo: x } }
";
        let told: Vec<_> = input_values(&Source::new("inputs.yaml", set)).unwrap().into_iter().collect();
        let told: Vec<_> = told.iter().map(|(place, value)| (place.as_str(), value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("delegateSelectors", "linux,dc-east"),
                ("identifier", "ci"),
                ("stages.build.delegateSelectors", ""),
                ("stages.build.identifier", "build"),
                ("stages.build.spec.execution.steps.push.identifier", "push"),
                ("stages.build.spec.execution.steps.push.spec.repo", "x"),
                ("stages.build.spec.execution.steps.push.spec.tags", "latest,1.2"),
            ]
        );
    }
}
