//! Which connectors a pipeline writes down, wherever it does.

use std::collections::BTreeSet;

use testbed::yaml::{Node, NodeValue};

/// Connector references anywhere in the tree, expressions aside.
pub(crate) fn named_connectors(node: &Node) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_connectors(node, &mut found);
    found
}

fn collect_connectors(node: &Node, found: &mut BTreeSet<String>) {
    match &node.value {
        NodeValue::Mapping(entries) => {
            for (key, value) in entries.iter() {
                let is_reference = matches!(key.scalar_text(), Some("connectorRef" | "harnessImageConnectorRef"));
                match value.scalar_text() {
                    Some(text) if is_reference && !text.is_empty() && !text.contains("<+") => {
                        found.insert(String::from(text));
                    }
                    _ => collect_connectors(value, found),
                }
            }
        }
        NodeValue::Sequence(elements) => elements.iter().for_each(|element| collect_connectors(element, found)),
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Float(_)
        | NodeValue::String { .. } => {}
    }
}
