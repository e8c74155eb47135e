//! Expressions that need no server: variables, and what a pipeline says about itself.
//!
//! `<+pipeline.variables.x>`, `<+pipeline.stages.s.variables.x>`, `<+stage.variables.x>`; `.identifier` and `.name` of the
//! pipeline and of stages; `<+org.identifier>`, `<+project.identifier>`. They may stand inside longer texts, and variables may
//! refer to others. What is not `<+…>` (`${…}`) is left alone.

use std::collections::BTreeMap;

use testbed::yaml::{Node, NodeValue};

use super::input::Input;

/// The most values looked up, one inside the other too, and the largest text, for one value. Variables that refer twice to the next one grow fast.
const MAX_LOOKUPS: usize = 1_000;
const MAX_DEPTH: usize = 50;
const MAX_BYTES: usize = 64 << 10;

/// Finds values of expressions in a pipeline's tree.
pub(super) struct Evaluator<'a> {
    /// Values of runtime inputs, by their places.
    pub(super) inputs: &'a BTreeMap<String, String>,
    /// What stands below `pipeline:`.
    pub(super) pipeline: Option<&'a Node>,
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A runtime input has none, at this place.
    Missing { path: String },
    /// Only Harness knows.
    Unknown { expression: String },
    /// Nobody has a variable of this name.
    NoVariable { expression: String },
    /// A variable refers to itself, by way of these.
    Cycle { trail: Vec<String> },
    /// There is no end of it.
    TooLarge,
}

/// What was looked up on the way to a value.
#[derive(Default)]
struct Way {
    trail: Vec<String>,
    n_lookups: usize,
}

impl Evaluator<'_> {
    /// The value of `text`, which stands at `path`.
    pub(super) fn value(&self, text: &str, path: &str) -> Result<String, Trouble> {
        self.value_at(text, path, None, &mut Way::default())
    }

    /// The same for an element of a list, to which nothing can be given alone.
    pub(super) fn value_without_input(&self, text: &str, path: &str) -> Result<String, Trouble> {
        match Input::parse(text) {
            Some(Input { default: Some(default), .. }) => Ok(default),
            Some(_) => Err(Trouble::Missing { path: String::from(path) }),
            None => self.evaluate(text, path, &mut Way::default()),
        }
    }

    /// Whether the variable whose value stands at `path` has a `default` of its own.
    pub(super) fn has_default(&self, path: &str) -> bool {
        let Some(variable) = path.strip_suffix(".value") else { return false };
        let found = match variable.strip_prefix("variables.") {
            Some(name) => self.variable(None, name),
            None => variable
                .strip_prefix("stages.")
                .and_then(|rest| rest.split_once(".variables."))
                .and_then(|(stage, name)| self.variable(Some(stage), name)),
        };
        found.is_some_and(|variable| default_of(variable).is_some())
    }

    fn value_at(&self, text: &str, path: &str, default: Option<&str>, way: &mut Way) -> Result<String, Trouble> {
        let is_input = text.starts_with(super::input::INPUT);
        match self.inputs.get(path) {
            Some(given) if text.contains("<+") => return self.evaluate(given, path, way),
            _ => {}
        }
        if !is_input {
            return self.evaluate(text, path, way);
        }
        let own = Input::parse(text).and_then(|input| input.default);
        let missing = || Trouble::Missing { path: String::from(path) };
        let value = own.or_else(|| default.map(String::from)).ok_or_else(missing)?;
        self.evaluate(&value, path, way)
    }

    /// `text` with its expressions replaced.
    fn evaluate(&self, text: &str, path: &str, way: &mut Way) -> Result<String, Trouble> {
        let mut value = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("<+") {
            value.push_str(before);
            let end = end_of_expression(after).ok_or_else(|| Trouble::Unknown { expression: String::from(after) })?;
            let (expression, after) = after.split_at(end);
            value.push_str(&self.look_up(expression.trim(), path, way)?);
            if value.len() > MAX_BYTES {
                return Err(Trouble::TooLarge);
            }
            rest = after.strip_prefix('>').unwrap_or_default();
        }
        value.push_str(rest);
        Ok(value)
    }

    fn look_up(&self, expression: &str, path: &str, way: &mut Way) -> Result<String, Trouble> {
        way.n_lookups += 1;
        if way.n_lookups > MAX_LOOKUPS {
            return Err(Trouble::TooLarge);
        }
        let unknown = || Trouble::Unknown { expression: String::from(expression) };
        let parts: Vec<&str> = expression.split('.').collect();
        let here = path.strip_prefix("stages.").and_then(|rest| rest.split('.').next());
        let of_stage = |stage: Option<&'_ str>| stage.and_then(|stage| self.stage(stage)).ok_or_else(unknown);
        match *parts.as_slice() {
            ["pipeline", "variables", name] => self.variable_value(expression, None, name, way),
            ["stage", "variables", name] => match here {
                Some(stage) => self.variable_value(expression, Some(stage), name, way),
                None => Err(unknown()),
            },
            ["pipeline", "stages", stage, "variables", name] => self.variable_value(expression, Some(stage), name, way),
            ["pipeline", key @ ("identifier" | "name")] => {
                self.own_text(self.pipeline.ok_or_else(unknown)?, key, "", way)
            }
            ["stage", key @ ("identifier" | "name" | "type")] => {
                self.own_text(of_stage(here)?, key, &format!("stages.{}.", here.unwrap_or_default()), way)
            }
            ["pipeline", "stages", stage, key @ ("identifier" | "name" | "type")] => {
                self.own_text(of_stage(Some(stage))?, key, &format!("stages.{stage}."), way)
            }
            [key @ ("org" | "project"), "identifier"] => {
                let key = if key == "org" { "orgIdentifier" } else { "projectIdentifier" };
                self.own_text(self.pipeline.ok_or_else(unknown)?, key, "", way)
            }
            _ => Err(unknown()),
        }
    }

    fn variable_value(
        &self,
        expression: &str,
        stage: Option<&str>,
        name: &str,
        way: &mut Way,
    ) -> Result<String, Trouble> {
        let path = match stage {
            Some(stage) => format!("stages.{stage}.variables.{name}.value"),
            None => format!("variables.{name}.value"),
        };
        let variable = self.variable(stage, name);
        let written = variable.and_then(|variable| variable.get("value")).and_then(Node::scalar_text);
        let default = variable.and_then(default_of);
        let Some(text) = written.or(default) else {
            let given = self.inputs.get(&path).cloned();
            return given.ok_or_else(|| Trouble::NoVariable { expression: String::from(expression) });
        };
        self.through(&path, way, |way| self.value_at(text, &path, default, way))
    }

    /// The text of `key` of the pipeline or a stage.
    fn own_text(&self, of: &Node, key: &str, prefix: &str, way: &mut Way) -> Result<String, Trouble> {
        let path = format!("{prefix}{key}");
        // Without a name the identifier is one.
        let text = of.get(key).or_else(|| of.get("identifier").filter(|_| key == "name")).and_then(Node::scalar_text);
        let text = text.ok_or_else(|| Trouble::Unknown { expression: path.clone() })?;
        self.through(&path, way, |way| self.value_at(text, &path, None, way))
    }

    /// Notes that `path` is looked up while `then` is done.
    fn through(
        &self,
        path: &str,
        way: &mut Way,
        then: impl FnOnce(&mut Way) -> Result<String, Trouble>,
    ) -> Result<String, Trouble> {
        if way.trail.iter().any(|before| before == path) {
            let trail = way.trail.iter().map(String::as_str).chain([path]).map(name_in_trail).collect();
            return Err(Trouble::Cycle { trail });
        }
        if way.trail.len() >= MAX_DEPTH {
            return Err(Trouble::TooLarge);
        }
        way.trail.push(String::from(path));
        let value = then(way);
        way.trail.pop();
        value
    }

    fn variable(&self, stage: Option<&str>, name: &str) -> Option<&Node> {
        let owner = match stage {
            Some(stage) => self.stage(stage)?,
            None => self.pipeline?,
        };
        elements(owner.get("variables")?).iter().find(|variable| text_of(variable, "name") == Some(name))
    }

    /// The stage called `identifier`.
    pub(super) fn stage(&self, identifier: &str) -> Option<&Node> {
        find_stage(self.pipeline?.get("stages")?, identifier)
    }
}

fn find_stage<'n>(list: &'n Node, identifier: &str) -> Option<&'n Node> {
    elements(list).iter().find_map(|element| match element.get("parallel") {
        Some(parallel) => find_stage(parallel, identifier),
        None => element.get("stage").filter(|stage| text_of(stage, "identifier") == Some(identifier)),
    })
}

fn elements(list: &Node) -> &[Node] {
    match &list.value {
        NodeValue::Sequence(elements) => elements,
        _ => &[],
    }
}

fn text_of<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key).and_then(Node::scalar_text)
}

fn default_of(variable: &Node) -> Option<&str> {
    variable.get("default").filter(|node| node.value != NodeValue::Null).and_then(Node::scalar_text)
}

fn name_in_trail(path: &str) -> String {
    String::from(path.strip_suffix(".value").unwrap_or(path))
}

/// Where the expression ends whose `<+` stands before `text`: other expressions may be inside.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '+' if before == '<' => depth += 1,
            '>' if depth == 0 => return Some(at),
            '>' => depth -= 1,
            _ => {}
        }
        before = letter;
    }
    None
}
