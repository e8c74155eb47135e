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
    if let Some(pipeline) = root.get("pipeline") {
        collect_values(pipeline, "", &mut values);
    }
    Ok(values)
}

fn collect_values(node: &Node, path: &str, values: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { String::from(key) } else { format!("{path}.{key}") };
    match &node.value {
        NodeValue::Mapping(entries) => {
            for (key, value) in entries.iter() {
                collect_values(value, &below(key.scalar_text().unwrap_or_default()), values);
            }
        }
        NodeValue::Sequence(elements) if elements.iter().all(|element| element.scalar_text().is_some()) => {
            let texts: Vec<_> = elements.iter().filter_map(Node::scalar_text).collect();
            if !texts.iter().any(|text| text.contains("<+")) {
                values.insert(String::from(path), texts.join(","));
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
