//! Secrets that no type tells of: they are found by their keys and hidden in the source before anybody reads the tree.
//!
//! A [`Secret`](crate::Secret) hides itself when it is read. But a mapping may never be read, because it stands below a
//! misspelt key, and JSON bodies are read as what they are. Here the keys tell, as in [`redact`](crate::redact).
//!
//! Not found are secrets at other keys, in comments, and in lists below such a key. Messages are not looked through either,
//! except for keys like `password:hunter2`, where a blank is missing.

use super::node::{Node, NodeValue};
use crate::{
    diagnostic::{Source, Span},
    redact::{has_secret_value, is_secret_key, secret_value_start},
};

/// Keys that hold a secret beside certain others: how requests of a scenario log in.
const BESIDE_REQUEST: &[&str] = &["basic", "key"];
const REQUEST_METHODS: &[&str] = &["get", "head", "post", "put", "delete"];

/// Hides the value of a key that tells of a secret.
pub(super) fn hide_by_key(source: &Source, key: &Node, value: &Node) {
    if key.scalar_text().is_some_and(is_secret_key) {
        hide_value(source, value);
    }
}

/// Hides the value of a key that was probably meant as one that tells of a secret.
pub(super) fn hide_by_meant_key(source: &Source, meant: &str, value: &Node) {
    if may_be_secret(meant) {
        hide_value(source, value);
    }
}

/// Hides what is a secret because of the keys beside it.
pub(super) fn hide_beside(source: &Source, entries: &[(Node, Node)]) {
    let keys = || entries.iter().filter_map(|(key, _)| key.scalar_text());
    let is_of_secret = has_secret_value(keys());
    let is_of_request = keys().any(|key| REQUEST_METHODS.contains(&key));
    for (key, value) in entries {
        let Some(key) = key.scalar_text() else { continue };
        if is_of_secret && key.eq_ignore_ascii_case("value") || is_of_request && BESIDE_REQUEST.contains(&key) {
            hide_value(source, value);
        }
    }
}

/// Hides the secrets within a scalar: of a URL, or its path and query, the values of secret parameters, user name and
/// password; of JSON all behind the first key that tells of one; and `hunter2` in `password:hunter2`, where a blank is
/// missing.
pub(super) fn hide_in_scalar(source: &Source, span: Span) {
    let text = source.slice(span);
    let hide = |start: usize, end: usize| source.hide(Span::new(span.start + start, span.start + end));
    let unquoted = text.trim_start_matches(['"', '\'']);
    let is_json = unquoted.trim_start().starts_with(['{', '[']);
    let colon = if is_json { secret_colon(text) } else { secret_name(unquoted).and_then(|_| text.find(':')) };
    if let Some(colon) = colon {
        hide(colon + 1, text.len());
    }
    for (at, scheme) in text.match_indices("://") {
        let start = at + scheme.len();
        let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |length| start + length);
        if let Some(length) = text[start..end].rfind('@') {
            hide(start, start + length);
        }
    }
    let mut at = 0;
    for pair in text.split('&') {
        if let Some(start) = secret_value_start(pair) {
            hide(at + start, at + pair.trim_end_matches(['"', '\'']).len());
        }
        at += pair.len() + 1;
    }
}

/// Hides what may be a secret in a text that is not YAML: the rest of each line behind a key that tells of one, and the
/// lines of a block. Rather too much than too little.
pub(super) fn hide_in_text(source: &Source) {
    let mut at = 0;
    let mut block_indent = None;
    for line in source.text().split_inclusive('\n') {
        let end = at + line.trim_end().len();
        let indent = line.len() - line.trim_start().len();
        if block_indent.is_some_and(|block| indent > block || at + indent >= end) {
            source.hide(Span::new(at, end));
        } else {
            block_indent = None;
            if let Some(colon) = secret_colon(line) {
                source.hide(Span::new(at + colon + 1, end));
                let is_block = line[colon + 1..].trim_start().starts_with(['|', '>']);
                block_indent = is_block.then_some(indent);
            }
        }
        at += line.len();
    }
}

/// The secret's name in a key like `password:hunter2`, where a blank is missing.
pub(super) fn secret_name(key: &str) -> Option<&str> {
    key.split_once(':').map(|(name, _)| name).filter(|name| is_secret_key(name))
}

/// Truth values are let be: `automountServiceAccountToken: true`.
fn hide_value(source: &Source, value: &Node) {
    if matches!(value.value, NodeValue::String { .. } | NodeValue::Integer(_) | NodeValue::Float(_)) {
        source.hide(value.home());
    }
}

/// Whether a key tells of a secret, or may do so beside others.
fn may_be_secret(key: &str) -> bool {
    is_secret_key(key) || key == "value" || BESIDE_REQUEST.contains(&key)
}

/// The first colon that stands behind a key which may tell of a secret.
fn secret_colon(text: &str) -> Option<usize> {
    let is_of_name = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    text.match_indices(':').map(|(colon, _)| colon).find(|colon| {
        let before = text[..*colon].trim_end().trim_end_matches(['"', '\'', '\\']);
        may_be_secret(&before[before.trim_end_matches(is_of_name).len()..])
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::{
        Secret,
        diagnostic::Diagnostic,
        yaml::{Spanned, from_str, parse},
    };

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only how it is complained about is of interest")]
    struct Account {
        name: String,
        code: Secret,
        limit: Option<u8>,
        token: Option<String>,
        more: Option<Vec<Spanned<Secret>>>,
    }

    /// The whole text as complaints show it.
    fn shown(source: &Source) -> String {
        let mut at = 0;
        let lines = source.text().split_inclusive('\n').map(|line| {
            let whole = Diagnostic::at(source, Span::new(at, at + line.len()), "odd").render(false);
            at += line.len();
            whole.lines().nth(3).and_then(|line| line.split_once(" | ")).unwrap_or_default().1.to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_read_as_a_secret_is_hidden_however_reading_ends() {
        for (yaml, expected) in [
            ("{name: a, code: hunter2, limit: 300}", "{name: a, code: *******, limit: 300}"),
            ("{name: a, code: 'hunter2', limitt: 3}", "{name: a, code: *********, limitt: 3}"),
            ("{name: a, cod: hunter2, password: x, extra: y}", "{name: a, cod: hunter2, password: *, extra: y}"),
            ("{name: a, tokn: hunter2, lmit: 4}", "{name: a, tokn: *******, lmit: 4}"),
            ("{name: a, code: 0x1F}", "{name: a, code: ****}"),
            ("{nam: a, code: true, more: [é, \"ö\", 3]}", "{nam: a, code: ****, more: [*, ***, *]}"),
            ("{name: a, code: [hunter2, x]}", "{name: a, code: ************}"),
            ("name: a\ncode: |\n  hunter2\n  rest\nlimit: x", "name: a\ncode: |\n  *******\n******\nlimit: x"),
            ("name: &n hunter2\ncode: *n\nlimit: x", "name: &n *******\ncode: *n\nlimit: x"),
        ] {
            let source = Source::new("x.yaml", yaml);
            drop(from_str::<Account>(&source));
            assert_eq!(shown(&source), expected);
        }
    }

    #[test]
    fn what_a_key_tells_of_is_hidden_unread() {
        for (yaml, expected) in [
            ("{password: hunter2, Passwd: 7, a: b}", "{password: *******, Passwd: *, a: b}"),
            ("{X-Api-Key: \"k\", Authorization: Bearer k}", "{X-Api-Key: ***, Authorization: ********}"),
            ("{token: {expires: 5m}, secret: [a]}", "{token: {expires: 5m}, secret: [a]}"),
            (
                "{passwordRef: r, automountServiceAccountToken: true}",
                "{passwordRef: r, automountServiceAccountToken: true}",
            ),
            ("{value: hunter2, valueType: Inline}", "{value: *******, valueType: Inline}"),
            ("{secretManagerIdentifier: m, value: hunter2}", "{secretManagerIdentifier: m, value: *******}"),
            ("{name: n, value: v}", "{name: n, value: v}"),
            ("{get: /x, key: pat, basic: 'a:b'}", "{get: /x, key: ***, basic: *****}"),
            ("{key: k, operator: In}", "{key: k, operator: In}"),
            ("{password:hunter2, a: b}", "{password:*******, a: b}"),
            ("[password:hunter2, harness/addon:1.2, a:1]", "[password:*******, harness/addon:1.2, a:1]"),
            (r#"{body: '{"a": 1, "password": "h,i"}', x: y}"#, r#"{body: '{"a": 1, "password":********, x: y}"#),
            (r#"{body: "{\"access_token\": 7}", x: y}"#, r#"{body: "{\"access_token\":****, x: y}"#),
            ("password: a\npassword: hunter2", "password: *\npassword: *******"),
            ("[/t?account=a&password=h;1&x=y, '/t?a=b;sig=h']", "[/t?account=a&password=***&x=y, '/t?a=b;sig=*']"),
            ("password=h&n=1", "password=*&n=1"),
            ("[\"http://jö:h@hub.test/a?b=c\", a@b://c]", "[\"http://****@hub.test/a?b=c\", a@b://c]"),
            ("base: &b {token: t}\nmore: {<<: *b, x: 1}", "base: &b {token: *}\nmore: {<<: *b, x: 1}"),
        ] {
            let source = Source::new("x.yaml", yaml);
            drop(parse(&source));
            assert_eq!(shown(&source), expected);
        }
    }

    #[test]
    fn text_that_is_no_yaml_is_hidden_by_its_lines() {
        for (yaml, expected) in [
            ("a: b\n- {x: y, password: 'hunter2}\nc: d", "a: b\n- {x: y, password:**********\nc: d"),
            ("token: a: b", "token:*****"),
            ("\"password\": a: b", "\"password\":*****"),
            ("é token: |\n  a\n\n  b\nc: d\ne: [", "é token:**\n***\n\n***\nc: d\ne: ["),
        ] {
            let source = Source::new("x.yaml", yaml);
            assert!(parse(&source).is_err(), "{yaml:?}");
            assert_eq!(shown(&source), expected);
        }
    }

    #[test]
    fn a_secret_stuck_to_its_key_is_not_repeated() {
        let source = Source::new("x.yaml", "{name: a, code: b, password:hunter2}");
        let complaints = from_str::<Account>(&source).unwrap_err();
        assert_eq!(complaints[0].to_string(), "x.yaml:1:20: unknown key `password:..` in an account");
        assert!(!complaints[0].render(false).contains("hunter2"));
    }

    #[test]
    fn a_secret_key_is_text_like_any_other() {
        let source = Source::new("x.yaml", "3.10: a\ntrue: 3.10\n");
        let read: BTreeMap<String, Secret> = from_str(&source).unwrap();
        assert_eq!(read["true"].expose(), "3.10");
        let nothing = from_str::<Secret>(&Source::new("x.yaml", "~")).unwrap_err();
        assert_eq!(nothing[0].message, "expected text, found nothing");
    }
}
