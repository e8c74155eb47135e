//! Reading single values of a pipeline: text or not, runtime input or not, and where.

use std::collections::BTreeMap;

use testbed::{
    diagnostic::{Diagnostic, Source, Span},
    yaml::{Node, NodeValue},
};

use super::{
    expression::{Evaluator, Trouble},
    input::{INPUT, Input},
    inputs::{Value, each_value},
};

/// Reads values and collects complaints.
pub(super) struct Reader<'a> {
    source: &'a Source,
    evaluator: Evaluator<'a>,
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

    /// The stage that it is in.
    pub(super) fn stage(&self) -> Option<&str> {
        self.path.strip_prefix("stages.")?.split('.').next()
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { String::from(key) } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Reader<'a> {
    /// For the file whose tree is `root`.
    pub(super) fn new(source: &'a Source, inputs: &'a BTreeMap<String, String>, root: &'a Node) -> Self {
        let evaluator = Evaluator { inputs, pipeline: root.get("pipeline") };
        Self { source, evaluator, complaints: Vec::new(), tolerates_inputs: false, n_inputs: 0 }
    }

    /// The same, that complains of no input without a value and of no expression.
    pub(super) fn tolerating_inputs(self) -> Self {
        Self { tolerates_inputs: true, ..self }
    }

    /// Whether the pipeline has a stage called `identifier`, anywhere.
    pub(super) fn has_stage(&self, identifier: &str) -> bool {
        self.evaluator.stage(identifier).is_some()
    }

    /// The stage whose infrastructure the stage `identifier` uses.
    pub(super) fn stage_uses(&self, identifier: &str) -> Option<String> {
        let spec = self.evaluator.stage(identifier)?.get("spec")?;
        let at = spec.get("infrastructure").or_else(|| spec.get("runtime"))?;
        at.get("useFromStage")?.scalar_text().map(String::from)
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

    /// Complains of every runtime input below `pipeline` that has no value, or one that is not allowed, also where nothing else
    /// reads it: Harness runs no pipeline while there is one.
    pub(super) fn complain_of_inputs(&mut self, pipeline: &Place<'_>) {
        let mut found = Vec::new();
        each_value(pipeline.node, &pipeline.path, &mut |path, value| {
            let nodes = match value {
                Value::Scalar(node) => std::slice::from_ref(node),
                Value::Scalars(nodes) => nodes,
            };
            let input = |node: &'_ Node| node.scalar_text().and_then(Input::parse);
            found.extend(nodes.iter().filter_map(|node| Some((String::from(path), node.clone(), input(node)?))));
        });
        for (path, node, input) in found {
            let key = path.rsplit('.').next().unwrap_or(&path);
            if self.complaints.iter().any(|complaint| complaint.span == Some(node.span)) {
                continue;
            }
            match self.evaluator.inputs.get(&path).or(input.default.as_ref()) {
                Some(value) => {
                    if let Some(problem) = input.problem_with(value) {
                        let hint = format!("give another: `--input {path}=VALUE`, or `inputs:` of the step");
                        self.complain(&node, format!("`{key}` is given `{value}`, {problem}"), hint);
                    }
                }
                None => {
                    let below = format!("{path}.");
                    let is_given_below = self.evaluator.inputs.keys().any(|given| given.starts_with(&below));
                    if !is_given_below && !self.evaluator.has_default(&path) {
                        self.complain_of_missing(&node, key, &path);
                    }
                }
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

    /// The text of `key` if it is there, with runtime inputs and expressions replaced.
    pub(super) fn text(&mut self, at: &Place<'_>, key: &str) -> Option<String> {
        // An input may be given for a key that the file leaves out: input sets do that.
        let path = at.path_of(key);
        let Some(found) = at.get(key) else {
            return self.evaluator.inputs.get(&path).cloned();
        };
        let Some(text) = found.node.scalar_text() else {
            self.wrong_kind(&found, key, "text");
            return None;
        };
        if !text.contains("<+") {
            return Some(String::from(text));
        }
        match self.evaluator.value(text, &path) {
            Ok(value) => Some(value),
            Err(trouble) => {
                self.complain_of_trouble(found.node, key, &path, trouble);
                None
            }
        }
    }

    fn complain_of_trouble(&mut self, node: &Node, key: &str, path: &str, trouble: Trouble) {
        match trouble {
            Trouble::Missing { path } => {
                let key = path.rsplit('.').next().unwrap_or(&path);
                self.complain_of_missing(node, key, &path);
            }
            Trouble::Unknown { expression } => {
                let hint = format!("write the value itself, or give it: `--input {path}=VALUE`");
                let message =
                    format!("`{key}` has the expression `<+{expression}>`, which only Harness itself can evaluate");
                self.complain_of_input(node, message, hint);
            }
            Trouble::NoVariable { expression } => {
                let message = format!("`{key}` has the expression `<+{expression}>`, and there is no such variable");
                self.complain_of_input(node, message, String::from("add it to `variables:`, or correct its name"));
            }
            Trouble::Cycle { trail } => {
                let message = format!("`{key}` refers to itself: {}", trail.join(" -> "));
                self.complain(node, message, "give one of them a value that refers to none of the others");
            }
            Trouble::TooLarge => {
                let message = format!("`{key}` has expressions whose values grow without end");
                self.complain(node, message, "write the value itself");
            }
        }
    }

    /// The text of `key` if it is there and known: what cannot be evaluated is none, and no complaint.
    pub(super) fn known_text(&self, at: &Place<'_>, key: &str) -> Option<String> {
        let path = at.path_of(key);
        let text = match at.get(key) {
            Some(found) => self.evaluator.value(found.node.scalar_text()?, &path).ok(),
            None => self.evaluator.inputs.get(&path).cloned(),
        };
        text.filter(|text| !text.is_empty())
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
            match element.scalar_text().map(|text| self.evaluator.value_without_input(text, &list.path)) {
                Some(Ok(text)) => texts.push(text),
                Some(Err(trouble)) => self.complain_of_trouble(element, key, &list.path, trouble),
                None => {
                    self.complain(
                        element,
                        format!("`{key}` lists texts, and this is {}", element.kind()),
                        "write text",
                    );
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
