//! The values that an input set gives, each by its place.

use std::collections::{BTreeMap, BTreeSet};

use testbed::{
    diagnostic::{Diagnostic, Source},
    yaml::{self, Node, NodeValue},
};

use super::input::{INPUT, Input};

/// The scalar values of an input set's YAML, each by its place, as
/// [`Pipeline::parse_with_inputs`](super::Pipeline::parse_with_inputs) takes them. Those of a list are joined by commas.
///
/// The YAML has `pipeline:` at its top, or is an `inputSet:` as Harness exports it, or is empty.
///
/// # Errors
/// It is no YAML, or no input set.
pub fn input_values(source: &Source) -> Result<BTreeMap<String, String>, Vec<Diagnostic>> {
    InputSet::parse(source).map(|set| set.values)
}

/// An input set: values for a pipeline's runtime inputs.
pub(crate) struct InputSet<'a> {
    source: &'a Source,
    /// What stands below `pipeline`, if anything does.
    pipeline: Option<Node>,
    values: BTreeMap<String, String>,
}

impl<'a> InputSet<'a> {
    /// Reads an input set.
    ///
    /// # Errors
    /// As [`input_values`].
    pub(crate) fn parse(source: &'a Source) -> Result<Self, Vec<Diagnostic>> {
        let root = yaml::parse(source)?;
        let complaint = |message: &str, hint: &str| vec![Diagnostic::at(source, root.span, message).hint(hint)];
        if root.get("overlayInputSet").is_some() {
            let hint = "give the values themselves: the input sets that it names are not in this file";
            return Err(complaint("an overlay of input sets has no values", hint));
        }
        let pipeline = root.get("pipeline").or_else(|| root.get("inputSet")?.get("pipeline"));
        let is_empty = match &root.value {
            NodeValue::Null => true,
            NodeValue::Mapping(entries) => entries.is_empty(),
            _ => false,
        };
        if pipeline.is_none() && !is_empty && root.get("inputSet").is_none() {
            let hint = "values stand below `pipeline:`, or below `inputSet:` and `pipeline:`";
            return Err(complaint("this is no input set: it has no key `pipeline`", hint));
        }
        let pipeline = pipeline.filter(|node| node.value != NodeValue::Null).cloned();
        let mut values = BTreeMap::new();
        if let Some(pipeline) = &pipeline {
            collect_values(pipeline, &mut values);
        }
        Ok(Self { source, pipeline, values })
    }

    /// The values, each by its place.
    pub(crate) fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// Complaints about values that the pipeline of `root` does not ask for: at a place that it does not have, or where it
    /// says something else itself. A key that it leaves out may be given.
    pub(crate) fn strangers(&self, root: &Node) -> Vec<Diagnostic> {
        let (Some(set), Some(pipeline)) = (&self.pipeline, root.get("pipeline")) else { return Vec::new() };
        let known = Known::of(pipeline);
        let mut complaints = Vec::new();
        each_value(set, "", &mut |path, value| {
            let nodes = match &value {
                Value::Scalar(node) => std::slice::from_ref(*node),
                Value::Scalars(nodes) => nodes,
            };
            let texts: Vec<_> = nodes.iter().filter_map(Node::scalar_text).collect();
            if !known.admits(path, &texts.join(",")) {
                let message = format!("`{path}`: Field either not present in pipeline or not a runtime input");
                let span = nodes.first().unwrap_or(set).span;
                let hint = "only what is `<+input>` in the pipeline can be given";
                complaints.push(Diagnostic::at(self.source, span, message).hint(hint));
            }
        });
        complaints
    }
}

/// The places of a pipeline.
struct Known {
    /// What has no places below it, with its text.
    values: BTreeMap<String, String>,
    /// What has.
    parents: BTreeSet<String>,
}

impl Known {
    fn of(pipeline: &Node) -> Self {
        let mut known = Self { values: BTreeMap::new(), parents: BTreeSet::from([String::new()]) };
        each_value(pipeline, "", &mut |path, value| {
            let nodes = match value {
                Value::Scalar(node) => std::slice::from_ref(node),
                Value::Scalars(nodes) => nodes,
            };
            let texts: Vec<_> = nodes.iter().filter_map(Node::scalar_text).collect();
            known.values.insert(String::from(path), texts.join(","));
            let mut parent = path;
            while let Some((above, _)) = parent.rsplit_once('.') {
                if !known.parents.insert(String::from(above)) {
                    break;
                }
                parent = above;
            }
        });
        known
    }

    fn admits(&self, path: &str, given: &str) -> bool {
        if let Some(written) = self.values.get(path) {
            return written.contains("<+") || written == given;
        }
        // Below something that is a runtime input as a whole anything may be given.
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('.') {
            if self.values.get(parent).is_some_and(|text| Input::parse(text).is_some()) {
                return true;
            }
            above = parent;
        }
        self.parents.contains(path.rsplit_once('.').map_or("", |(parent, _)| parent))
    }
}

fn collect_values(node: &Node, values: &mut BTreeMap<String, String>) {
    each_value(node, "", &mut |path, value| {
        let nodes = match value {
            Value::Scalar(node) => std::slice::from_ref(node),
            Value::Scalars(nodes) => nodes,
        };
        let is_list = !matches!(value, Value::Scalar(_));
        let texts: Vec<_> = nodes.iter().filter_map(Node::scalar_text).collect();
        // What the set leaves open itself is no value.
        let is_open = texts.iter().any(|text| text.starts_with(INPUT));
        if !is_open && (is_list || !texts.is_empty()) {
            values.insert(String::from(path), texts.join(","));
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
