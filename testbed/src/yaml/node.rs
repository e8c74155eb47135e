//! The tree of a file: values with their places.

use std::sync::Arc;

use crate::diagnostic::Span;

/// A value and its place. Clones share what is below.
///
/// Where an alias stands (`*name`), the node has the alias's place and the nodes below it have theirs at the anchor.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: NodeValue,
    /// Where it is written, without anchor and tag.
    pub span: Span,
    /// Where it is written itself: for an alias, the anchor's value.
    home: Span,
    /// How a scalar that is not text was written: `0x1F`, `3.10`, `~`.
    written: Option<Arc<str>>,
}

/// What a node is, by the YAML 1.2 core schema.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number from `i64::MIN` to `u64::MAX`; what is larger is a float.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    String {
        /// The text, with quotes and escapes resolved.
        text: Arc<str>,
        /// Written without quotes, and not as a block (`|`, `>`).
        plain: bool,
    },
    /// A list.
    Sequence(Arc<[Node]>),
    /// Keys, which are scalars and all different, with their values, in the file's order.
    Mapping(Arc<[(Node, Node)]>),
}

impl Node {
    pub(super) fn new(value: NodeValue, span: Span) -> Self {
        Self { value, span, home: span, written: None }
    }

    pub(super) fn scalar(value: NodeValue, span: Span, written: Arc<str>) -> Self {
        Self { value, span, home: span, written: Some(written) }
    }

    /// The same value at an alias's place.
    pub(super) fn moved_to(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// Where it is written itself: for an alias, the anchor's value.
    pub(super) fn home(&self) -> Span {
        self.home
    }

    /// What a complaint calls it: `text`, `a list`.
    pub fn kind(&self) -> &'static str {
        match self.value {
            NodeValue::Null => "nothing",
            NodeValue::Bool(_) => "a truth value",
            NodeValue::Integer(_) | NodeValue::Float(_) => "a number",
            NodeValue::String { .. } => "text",
            NodeValue::Sequence(_) => "a list",
            NodeValue::Mapping(_) => "a mapping",
        }
    }

    /// The text of a scalar: as written, or with quotes and escapes resolved. `None` for lists and mappings.
    pub fn scalar_text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::String { text, .. } => Some(text),
            _ => self.written.as_deref(),
        }
    }

    /// The value of a mapping's key; `None` also where this is no mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let NodeValue::Mapping(entries) = &self.value else { return None };
        entries.iter().find(|(candidate, _)| candidate.scalar_text() == Some(key)).map(|(_, value)| value)
    }
}
