//! Checks of an HTTP answer.

use std::collections::BTreeMap;

use serde_json::Value;
use testbed::{diagnostic::Span, redact::is_secret_key};

use super::Checks;
use crate::format::{AnswerExpect, TextMatch, ValueMatch};

/// An HTTP answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers, names in lower case; several of one name are joined with `, `.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body as text.
    pub(crate) body: String,
    /// The body as JSON, if it is.
    pub(crate) json: Option<Value>,
}

impl Answer {
    /// The value that a JSONPath leads to; the first if there are several.
    pub(crate) fn value(&self, path: &str) -> Option<&Value> {
        // Paths are parsed by the plan, so one that is none leads nowhere here.
        let path = serde_json_path::JsonPath::parse(path).ok()?;
        path.query(self.json.as_ref()?).first()
    }
}

/// Notes the checks of one answer; `request` names it: `GET https://…`. Where nothing is expected, the status must be 2xx;
/// the step stands at `step`.
pub(crate) fn answer(expect: &AnswerExpect, request: &str, answer: &Answer, step: Span, checks: &mut Checks) {
    let AnswerExpect { status, headers, json, body, within: _ } = expect;
    let seen = || format!("{}{}", answer.status, told(&answer.body));
    if let Some(want) = status {
        checks.note(format!("status of {request}"), want.value, seen(), want.value == answer.status, want.span);
    } else if headers.is_empty() && json.is_empty() && body.is_none() {
        let passed = (200..300).contains(&answer.status);
        checks.note(format!("status of {request}"), "2xx", seen(), passed, step);
    }
    for (name, want) in headers {
        let seen = answer.headers.get(&name.to_ascii_lowercase());
        let passed = match (seen, &want.value) {
            (None, TextMatch::Equals(text)) if text == "none" => true,
            (seen, want) => seen.is_some_and(|seen| want.admits(seen)),
        };
        let seen = seen.map_or_else(|| String::from("no such header"), |seen| format!("`{seen}`"));
        checks.note(format!("header {name} of {request}"), &want.value, seen, passed, want.span);
    }
    for (path, want) in json {
        let seen = answer.value(path);
        let passed = want.value.admits(seen);
        let seen = match (seen, &answer.json, &want.value) {
            (Some(seen), ..) => shortened(&seen.to_string()),
            (None, Some(json), ValueMatch::Equals(_) | ValueMatch::Contains(_)) => {
                format!("no such value in {}", shortened(&json.to_string()))
            }
            (None, Some(_), ValueMatch::Exists(_)) => String::from("no such value"),
            (None, None, _) => format!("a body that is not JSON{}", told(&answer.body)),
        };
        let what = format!("{path} in the answer to {request}");
        if path.rsplit(['.', '[']).next().is_some_and(|key| is_secret_key(key.trim_matches(['\'', '"', ']']))) {
            checks.note(what, "[secret]", if passed { "[secret]" } else { "something else" }, passed, want.span);
        } else {
            checks.note(what, &want.value, seen, passed, want.span);
        }
    }
    if let Some(want) = body {
        let passed = want.value.admits(&answer.body);
        let seen = format!("`{}`", shortened(&answer.body));
        checks.note(format!("body of the answer to {request}"), &want.value, seen, passed, want.span);
    }
}

/// The body behind a status, if it has something to say.
fn told(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(", {}", shortened(body)) }
}

/// A text for a report: secrets masked, and not too long.
fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 400;
    let text = testbed::redact::text(text);
    let mut short: String = text.trim_end().chars().take(MAX_CHARS).collect();
    if short.len() < text.trim_end().len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testbed::yaml;

    use super::*;

    fn check(expect: &str, passes: bool) {
        let source = testbed::diagnostic::Source::new("x.yaml", expect);
        let expect: AnswerExpect = yaml::from_str(&source).unwrap();
        let body = json!({ "data": { "id": "harnessImage", "n": 2 } });
        let seen = Answer {
            status: 200,
            headers: BTreeMap::from([(String::from("ratelimit-limit"), String::from("100;w=21600"))]),
            body: body.to_string(),
            json: Some(body),
        };
        let mut checks = Checks::from_entries(0, 0);
        answer(&expect, "GET /", &seen, Span::default(), &mut checks);
        let checks = checks.done();
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].passed, passes, "{checks:?}");
    }

    #[test]
    fn answers_are_held_against_expectations() {
        check("status: 200", true);
        check("status: 201", false);
        check("headers: { RateLimit-Limit: 100;w=21600 }", true);
        check("headers: { ratelimit-limit: { contains: w=3600 } }", false);
        check("headers: { retry-after: none }", true);
        check("json: { $.data.id: harnessImage }", true);
        check("json: { $.data.n: 2 }", true);
        check("json: { $.data.n: '2' }", false);
        check("json: { $.data.x: { exists: false } }", true);
        check("body: { contains: harnessImage }", true);
        check("body: harnessImage", false);
        check("within: 1s", true);
    }
}
