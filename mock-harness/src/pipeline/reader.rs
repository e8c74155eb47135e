//! Reading single values of a pipeline: text or not, runtime input or not, and where.

use std::collections::BTreeMap;

use testbed::{
    diagnostic::{Diagnostic, Source, Span},
    yaml::{Node, NodeValue},
};

use super::inputs::{Value, each_value};

const INPUT: &str = "<+input>";

/// Reads values and collects complaints.
pub(super) struct Reader<'a> {
    source: &'a Source,
    inputs: &'a BTreeMap<String, String>,
    complaints: Vec<Diagnostic>,
    /// Whether inputs without a value and expressions are let through.
    tolerates_inputs: bool,
    /// How many there were.
    n_inputs: usize,
}

/// A mapping and its place in the pipeline: `stages.build.spec`.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pub(super) node: &'a Node,
    pub(super) path: String,
}

impl<'a> Place<'a> {
    /// The value of `key`, if it is there and not null.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let node = self.node.get(key).filter(|node| node.value != NodeValue::Null)?;
        Some(Self { node, path: self.path_of(key) })
    }

    /// The elements of a list; none if this is no list.
    pub(super) fn elements(&self) -> &'a [Node] {
        match &self.node.value {
            NodeValue::Sequence(elements) => elements,
            _ => &[],
        }
    }

    /// Where the value of `key` is written, or without one the whole.
    pub(super) fn span_of(&self, key: &str) -> Span {
        self.node.get(key).unwrap_or(self.node).span
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { String::from(key) } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source, inputs: &'a BTreeMap<String, String>) -> Self {
        Self { source, inputs, complaints: Vec::new(), tolerates_inputs: false, n_inputs: 0 }
    }

    /// The same, that complains of no input without a value and of no expression.
    pub(super) fn tolerating_inputs(self) -> Self {
        Self { tolerates_inputs: true, ..self }
    }

    pub(super) fn has_complaints(&self) -> bool {
        !self.complaints.is_empty()
    }

    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Vec<Diagnostic>> {
        self.complaints.sort_by_key(|complaint| complaint.span);
        match value {
            Some(value) if self.complaints.is_empty() => Ok(value),
            _ => Err(self.complaints),
        }
    }

    pub(super) fn complain(&mut self, node: &Node, message: impl Into<String>, hint: impl Into<String>) {
        let (message, hint): (String, String) = (message.into(), hint.into());
        self.complaints.push(Diagnostic::at(self.source, node.span, message).hint(hint));
    }

    fn complain_of_input(&mut self, node: &Node, message: String, hint: String) {
        self.n_inputs += 1;
        if !self.tolerates_inputs {
            self.complain(node, message, hint);
        }
    }

    fn complain_of_missing(&mut self, node: &Node, key: &str, path: &str) {
        let message = format!("`{key}` is a runtime input, and no value is given for it");
        self.complain_of_input(node, message, format!("give it: `--input {path}=VALUE`, or `inputs:` of the step"));
    }

    /// Complains of every runtime input below `pipeline` that has no value, also where nothing else reads it: Harness runs
    /// no pipeline while one is missing.
    pub(super) fn complain_of_missing_inputs(&mut self, pipeline: &Place<'_>) {
        let mut missing = Vec::new();
        each_value(pipeline.node, &pipeline.path, &mut |path, value| {
            let nodes = match value {
                Value::Scalar(node) => std::slice::from_ref(node),
                Value::Scalars(nodes) => nodes,
            };
            let is_missing = |node: &&Node| {
                let rest = node.scalar_text().and_then(|text| text.strip_prefix(INPUT));
                rest.is_some_and(|rest| default_of(rest).is_none())
            };
            missing.extend(nodes.iter().filter(is_missing).map(|node| (String::from(path), node)));
        });
        for (path, node) in missing {
            let below = format!("{path}.");
            let is_given = self.inputs.keys().any(|given| *given == path || given.starts_with(&below));
            let is_told = self.complaints.iter().any(|complaint| complaint.span == Some(node.span));
            if !is_given && !is_told {
                self.complain_of_missing(node, path.rsplit('.').next().unwrap_or(&path), &path);
            }
        }
    }

    /// The value of `key`, which must be a mapping if it is there.
    pub(super) fn mapping<'n>(&mut self, at: &Place<'n>, key: &str) -> Option<Place<'n>> {
        let found = at.get(key)?;
        if matches!(found.node.value, NodeValue::Mapping(_)) {
            return Some(found);
        }
        self.wrong_kind(&found, key, "a mapping");
        None
    }

    /// The value of `key`, which must be a list if it is there.
    pub(super) fn list<'n>(&mut self, at: &Place<'n>, key: &str) -> Option<Place<'n>> {
        let found = at.get(key)?;
        if matches!(found.node.value, NodeValue::Sequence(_)) {
            return Some(found);
        }
        self.wrong_kind(&found, key, "a list");
        None
    }

    /// The text of `key` if it is there, with a runtime input replaced.
    pub(super) fn text(&mut self, at: &Place<'_>, key: &str) -> Option<String> {
        // An input may be given for a key that the file leaves out: input sets do that.
        let path = at.path_of(key);
        let Some(found) = at.get(key) else {
            return self.inputs.get(&path).cloned();
        };
        let Some(text) = found.node.scalar_text() else {
            self.wrong_kind(&found, key, "text");
            return None;
        };
        if !text.contains("<+") {
            return Some(String::from(text));
        }
        if let Some(given) = self.inputs.get(&path) {
            return Some(given.clone());
        }
        if let Some(rest) = text.strip_prefix(INPUT) {
            if let Some(default) = default_of(rest) {
                return Some(default);
            }
            self.complain_of_missing(found.node, key, &path);
            return None;
        }
        let hint = format!("write the value itself, or give it: `--input {path}=VALUE`");
        let message = format!("`{key}` is an expression, which only Harness itself can evaluate");
        self.complain_of_input(found.node, message, hint);
        None
    }

    /// The text of `key` if it is there and known: an expression that no value is given for is none, and no complaint.
    pub(super) fn known_text(&self, at: &Place<'_>, key: &str) -> Option<String> {
        let given = self.inputs.get(&at.path_of(key)).cloned();
        let text = given.or_else(|| at.get(key)?.node.scalar_text().map(String::from))?;
        Some(text).filter(|text| !text.is_empty() && !text.contains("<+"))
    }

    /// As [`Reader::text`], where the key must be there.
    pub(super) fn needed_text(&mut self, at: &Place<'_>, key: &str, of: &str) -> Option<String> {
        let n_before = self.complaints.len() + self.n_inputs;
        let text = self.text(at, key).filter(|text| !text.is_empty());
        if text.is_none() && self.complaints.len() + self.n_inputs == n_before {
            self.complain(
                at.node,
                format!("{of} has no `{key}`"),
                format!("add `{key}: …`, as an exported pipeline has it"),
            );
        }
        text
    }

    /// A truth value; false if it is not there.
    pub(super) fn flag(&mut self, at: &Place<'_>, key: &str) -> bool {
        let Some(text) = self.text(at, key) else { return false };
        match text.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => {
                if let Some(found) = at.get(key) {
                    self.complain(found.node, format!("`{key}` is `{text}`"), "write `true` or `false`");
                }
                false
            }
        }
    }

    /// The texts of a list; expressions among them are complained about.
    pub(super) fn texts(&mut self, at: &Place<'_>, key: &str) -> Vec<String> {
        let Some(list) = at.get(key).filter(|list| list.node.scalar_text().is_none()) else {
            // A list may be one runtime input as a whole, or be given for a key that is left out: values separated by commas.
            let text = self.text(at, key).unwrap_or_default();
            return text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(String::from).collect();
        };
        let mut texts = Vec::new();
        for element in list.elements() {
            match element.scalar_text() {
                Some(text) if text.contains("<+") => {
                    let message = format!("`{key}` has an expression in it");
                    self.complain_of_input(element, message, String::from("write the value itself"));
                }
                Some(text) => texts.push(String::from(text)),
                None => {
                    self.complain(element, format!("`{key}` lists texts, and this is {}", element.kind()), "write text")
                }
            }
        }
        texts
    }

    fn wrong_kind(&mut self, found: &Place<'_>, key: &str, wanted: &str) {
        if found.node.scalar_text().is_some_and(|text| text.starts_with(INPUT)) {
            let message = format!("`{key}` is a runtime input as a whole");
            let hint = format!("write {wanted} here, with inputs inside it if need be");
            self.complain_of_input(found.node, message, hint);
        } else {
            let message = format!("`{key}` is {wanted}, and this is {}", found.node.kind());
            self.complain(found.node, message, format!("write {wanted}"));
        }
    }
}

/// `x` of `.default(x)`.
fn default_of(rest: &str) -> Option<String> {
    let (_, after) = rest.split_once(".default(")?;
    let (value, _) = after.split_once(')')?;
    Some(String::from(value))
}
