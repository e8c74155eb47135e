//! A mapping while it is composed: duplicate keys and merges.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    message::quote_key,
    node::{Node, NodeValue},
    secrets::{hide_beside, hide_by_key},
};
use crate::diagnostic::{Diagnostic, Source};

/// What of a mapping has been read.
#[derive(Default)]
pub(super) struct MappingContent {
    pub(super) entries: Vec<(Node, Node)>,
    /// A key that waits for its value.
    pub(super) key: Option<Node>,
    /// Where each key was first seen.
    seen: HashMap<Arc<str>, usize>,
    /// What `<<` names: mappings whose entries are added at the end.
    merged: Vec<Arc<[(Node, Node)]>>,
}

impl MappingContent {
    /// Adds an entry, or complains and leaves it out.
    pub(super) fn insert(&mut self, source: &Source, key: Node, value: Node) -> Result<(), Diagnostic> {
        hide_by_key(source, &key, &value);
        let at_key = |message: String| Diagnostic::at(source, key.span, message);
        let Some(text) = key.scalar_text() else {
            return Err(at_key(format!("a key is text, and this is {}", key.kind())));
        };
        if text.is_empty() && key.value == NodeValue::Null {
            return Err(at_key("a key is missing here".to_owned()));
        }
        if let Some(first) = self.seen.get(text) {
            let (line, _) = source.line_col(*first);
            let note = format!("the first {} is at line {line}", quote_key(text));
            return Err(at_key(format!("key {} is given twice", quote_key(text))).note(note));
        }
        self.seen.insert(text.into(), key.span.start);
        if matches!(&key.value, NodeValue::String { text, plain: true } if &**text == "<<") {
            return self.merge(source, &value);
        }
        self.entries.push((key, value));
        Ok(())
    }

    /// `<<: *base` and `<<: [*first, *second]`.
    fn merge(&mut self, source: &Source, value: &Node) -> Result<(), Diagnostic> {
        let candidates = match &value.value {
            NodeValue::Sequence(elements) => elements,
            _ => std::slice::from_ref(value),
        };
        for candidate in candidates {
            let NodeValue::Mapping(entries) = &candidate.value else {
                let message = format!("`<<` merges a mapping, or a list of mappings, and this is {}", candidate.kind());
                return Err(Diagnostic::at(source, candidate.span, message));
            };
            self.merged.push(entries.clone());
        }
        Ok(())
    }

    /// The mapping's own entries, then those merged that it does not have itself; the first merged wins.
    pub(super) fn finish(mut self, source: &Source) -> Arc<[(Node, Node)]> {
        hide_beside(source, &self.entries);
        let mut seen: HashSet<Arc<str>> = self.seen.into_keys().collect();
        let merged = self.merged.iter().flat_map(|entries| entries.iter());
        let is_new = |(key, _): &&(Node, Node)| key.scalar_text().is_some_and(|text| seen.insert(text.into()));
        self.entries.extend(merged.filter(is_new).cloned());
        self.entries.into()
    }
}
