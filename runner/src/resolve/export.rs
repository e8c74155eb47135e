//! Connectors as Harness gives them away: answers of its API (`GET` of one, `listV2`), `connector` objects, lists of them, and
//! the YAML that its user interface exports.

use mock_harness::account::ConnectorDraft;
use serde_json::{Value, json};
use testbed::{
    diagnostic::{Diagnostic, Severity, Source, Span},
    yaml::{self, Node, NodeValue},
};

/// What was read of a file.
#[derive(Debug, Default)]
pub(super) struct Exported {
    /// Connector objects as the API's request bodies have them, each with its place.
    pub(super) connectors: Vec<(Value, Span)>,
    /// What is odd about the file.
    pub(super) notes: Vec<Diagnostic>,
}

/// Whether a file is one of connectors, and no account file.
pub(super) fn is_export(root: &Node) -> bool {
    let has = |key| root.get(key).is_some();
    let is_error = root.get("status").and_then(Node::scalar_text).is_some_and(|status| status != "SUCCESS");
    matches!(root.value, NodeValue::Sequence(_))
        || has("connector")
        || has("data")
        || has("content")
        || is_connector(root)
        || (is_error && has("message"))
}

/// Reads a file of connectors.
///
/// # Errors
/// All complaints about it.
pub(super) fn read_export(source: &Source, root: &Node) -> Result<Exported, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let mut complaints = Vec::new();
    let mut exported = Exported::default();
    collect(source, root, &mut found, &mut complaints, &mut exported.notes);
    for node in found {
        match yaml::from_node::<Value>(source, node) {
            Ok(connector) => exported.take(source, node, connector),
            Err(more) => complaints.extend(more),
        }
    }
    if complaints.is_empty() { Ok(exported) } else { Err(complaints) }
}

impl Exported {
    fn take(&mut self, source: &Source, node: &Node, connector: Value) {
        let span = node.get("identifier").unwrap_or(node).span;
        // Every account has the built-in secret manager, under a name that nobody else may have; no image comes through it.
        if connector["identifier"] == "harnessSecretManager" {
            return;
        }
        let kind = connector["type"].as_str().unwrap_or_default();
        let probe = json!({ "name": "x", "identifier": "x", "type": kind, "spec": {} });
        let is_known = kind.is_empty() || kind == "DockerRegistry" || read(&probe).is_some();
        if !is_known {
            let message = format!("connectors of type `{kind}` are not known, and this one is left out");
            self.notes.push(note(source, node.get("type").unwrap_or(node).span, message));
            return;
        }
        self.connectors.push((connector, span));
    }
}

/// The connector that a body describes, if it keeps the rules.
pub(super) fn read(connector: &Value) -> Option<ConnectorDraft> {
    ConnectorDraft::read_connector(connector.as_object()?).ok()
}

/// Something that is odd, and no error.
pub(super) fn note(source: &Source, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::at(source, span, message).severity(Severity::Warning)
}

fn is_connector(node: &Node) -> bool {
    node.get("identifier").is_some() && node.get("type").is_some()
}

fn collect<'a>(
    source: &Source,
    node: &'a Node,
    found: &mut Vec<&'a Node>,
    complaints: &mut Vec<Diagnostic>,
    notes: &mut Vec<Diagnostic>,
) {
    if let NodeValue::Sequence(elements) = &node.value {
        for element in elements.iter() {
            collect(source, element, found, complaints, notes);
        }
        return;
    }
    let text = |key| node.get(key).and_then(Node::scalar_text);
    if let Some(connector) = node.get("connector").filter(|inner| matches!(inner.value, NodeValue::Mapping(_))) {
        found.push(connector);
    } else if is_connector(node) {
        found.push(node);
    } else if let Some(message) = text("message").filter(|_| text("status").is_some_and(|status| status != "SUCCESS")) {
        let complaint = Diagnostic::at(source, first(node), format!("this is an answer that refuses: {message}"));
        complaints.push(complaint.hint("ask the API again, with another key or another scope"));
    } else if let Some(inner) = node.get("content").or_else(|| node.get("data")) {
        let count = |key| text(key).and_then(|text| text.parse::<u64>().ok());
        if let Some(n_pages) = count("totalPages").filter(|n_pages| *n_pages > 1) {
            let page = count("pageIndex").unwrap_or(0) + 1;
            let message =
                format!("this is page {page} of {n_pages}; give the others too, or ask with a larger `pageSize`");
            notes.push(note(source, first(node), message));
        }
        collect(source, inner, found, complaints, notes);
    } else if matches!(node.value, NodeValue::Null) {
        // `data: null`: nothing was found.
    } else {
        let complaint = Diagnostic::at(source, first(node), "this is no connector");
        complaints.push(complaint.hint(
            "give the API's answer to GET /ng/api/connectors/{identifier} or to POST /ng/api/connectors/listV2, or the YAML \
             that the user interface shows",
        ));
    }
}

/// The begin of a value: a caret under the whole of it would say nothing.
fn first(node: &Node) -> Span {
    match node.value {
        NodeValue::Mapping(_) | NodeValue::Sequence(_) => Span::new(node.span.start, node.span.start + 1),
        _ => node.span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = r#"{"identifier":"hub","name":"Hub","type":"DockerRegistry","spec":{}}"#;

    /// Reads `text`, and compares the identifiers that were found, or what was complained about, and the notes.
    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let source = Source::new("x.json", text);
        let root = yaml::parse(&source).unwrap();
        assert!(is_export(&root), "{text}");
        let told: Vec<_> = match read_export(&source, &root) {
            Ok(Exported { connectors, notes }) => {
                let connectors = connectors.iter().map(|(connector, _)| connector["identifier"].to_string());
                connectors.chain(notes.iter().map(ToString::to_string)).collect()
            }
            Err(complaints) => complaints.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(told, expect, "{text}");
    }

    #[test]
    fn every_form_of_an_export_is_read() {
        check(HUB, &["\"hub\""]);
        check(&format!(r#"{{"connector":{HUB}}}"#), &["\"hub\""]);
        check(&format!("[{HUB},{{\"connector\":{HUB}}}]"), &["\"hub\"", "\"hub\""]);
        check(
            &format!(r#"{{"status":"SUCCESS","data":{{"connector":{HUB},"createdAt":1}},"metaData":null}}"#),
            &["\"hub\""],
        );
        let page = format!(r#"{{"status":"SUCCESS","data":{{"totalPages":1,"content":[{{"connector":{HUB}}}]}}}}"#);
        check(&page, &["\"hub\""]);
        check("connector:\n  name: Hub\n  identifier: hub\n  type: DockerRegistry\n", &["\"hub\""]);
        check(r#"{"status":"SUCCESS","data":{"content":[],"totalPages":0}}"#, &[]);
    }

    #[test]
    fn what_is_odd_about_an_export_is_told() {
        check(
            &format!(r#"{{"status":"SUCCESS","data":{{"totalPages":3,"pageIndex":0,"content":[{HUB}]}}}}"#),
            &["\"hub\"", "x.json:1:28: this is page 1 of 3; give the others too, or ask with a larger `pageSize`"],
        );
        check(
            r#"[{"identifier":"harnessSecretManager","type":"GcpKms"},{"identifier":"n","type":"FromTheFuture"}]"#,
            &["x.json:1:81: connectors of type `FromTheFuture` are not known, and this one is left out"],
        );
        check(
            r#"{"status":"ERROR","code":"INVALID_TOKEN","message":"Token is not valid."}"#,
            &["x.json:1:1: this is an answer that refuses: Token is not valid."],
        );
        check(r#"[{"x":1}, 5]"#, &["x.json:1:2: this is no connector", "x.json:1:11: this is no connector"]);
    }
}
