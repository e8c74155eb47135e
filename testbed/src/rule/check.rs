//! What is wrong with a rule, before it is given to an actor.

use http::{HeaderName, HeaderValue};
use oci::EndpointKind;
use thiserror::Error;

use super::{Action, Actions, Answer, Matcher, Rule, Trigger};
use crate::dialect;

/// Whose rule it is: that decides which endpoints it can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleFor {
    /// A registry.
    Registry,
    /// The Harness API.
    Api,
}

/// One thing that is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct RuleProblem {
    /// Where in the rule: `when`, `then.answer.status`.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl Rule {
    /// Everything that is wrong with the rule.
    pub fn problems(&self, of: RuleFor) -> Vec<RuleProblem> {
        let mut problems = self.when.problems(of);
        problems.extend(self.times.problems());
        problems.extend(self.then.problems(of));
        for action in self.then.iter() {
            let wanted: &[EndpointKind] = match action {
                Action::Range(_) => &[EndpointKind::Blob, EndpointKind::Cdn],
                Action::MoveTag(_) => &[EndpointKind::Manifest],
                Action::DropSession => &[EndpointKind::Upload],
                _ => continue,
            };
            if let Some(kind) = self.when.endpoint().filter(|kind| !wanted.contains(kind)) {
                problems.push(RuleProblem {
                    field: "then",
                    message: format!("`{}` does nothing to a request for {kind}", action.kind()),
                    hint: "make it a rule about what it changes: `range` a blob, `move-tag` a manifest, `drop-session` an upload",
                });
            }
        }
        problems
    }
}

impl Trigger {
    /// Everything that is wrong with the occurrences.
    fn problems(&self) -> Vec<RuleProblem> {
        let mut problems = Vec::new();
        let mut add = |field, message, hint| problems.push(RuleProblem { field, message, hint });
        if let Some(probability) = self.probability.filter(|p| !(0.0..=1.0).contains(p)) {
            add("times.probability", format!("{probability} is no probability"), "write 0 to 1");
        } else if !self.can_fire() {
            let message = String::from("there is no occurrence that all of this holds for, so it can never apply");
            add("times", message, "take one of the conditions out");
        }
        problems
    }
}

impl Actions {
    /// Everything that is wrong with the actions, one by one and together.
    fn problems(&self, of: RuleFor) -> Vec<RuleProblem> {
        let mut problems = Vec::new();
        let mut add = |field, message, hint| problems.push(RuleProblem { field, message, hint });
        if self.is_empty() {
            add("then", String::from("nothing happens"), "name an action");
        }
        let is_strange = |action: &Action| {
            !(action.is_answer() || matches!(action, Action::Delay(_) | Action::Headers(_) | Action::SetState(_)))
        };
        if of == RuleFor::Api && self.iter().any(is_strange) {
            let message = String::from(API_PERFORMS);
            add("then", message, "script the registry for the rest");
        }
        let is_foreign = |action: &Action| matches!(action, Action::Answer(answer) if answer.dialect.is_some());
        if of == RuleFor::Api && self.iter().any(is_foreign) {
            add("then.answer.dialect", String::from("dialects are those of registries"), "write `status` and `json`");
        }
        let kinds: Vec<_> = self.iter().map(Action::kind).collect();
        if let Some(twice) = kinds.iter().enumerate().find(|(n, kind)| kinds[..*n].contains(kind)) {
            add("then", format!("`{}` stands there twice", twice.1), "keep one of them");
        }
        let answers: Vec<_> = self.iter().filter(|action| action.is_answer()).collect();
        if let [first, second, ..] = answers[..] {
            let message = format!("`{}` and `{}` are both the whole answer", first.kind(), second.kind());
            add("then", message, "keep one of them, or make it two rules");
        }
        if let Some(silent) = answers.iter().find(|action| !matches!(action, Action::Answer(_) | Action::Redirect(_)))
            && let Some(lost) =
                self.iter().find(|action| action.is_about_body() || matches!(action, Action::Headers(_)))
        {
            let message = format!("with `{}` there is nothing that `{}` could change", silent.kind(), lost.kind());
            add("then", message, "keep one of them");
        }
        let has = |kind: &str| kinds.contains(&kind);
        if has("cut") && has("reset") {
            add("then", String::from("a body is either cut or reset"), "keep one of them");
        }
        for action in self.iter() {
            problems.extend(action.problems());
        }
        problems
    }
}

impl Action {
    /// Everything that is wrong with the action by itself.
    fn problems(&self) -> Vec<RuleProblem> {
        let mut problems = Vec::new();
        let mut add = |field, message, hint| problems.push(RuleProblem { field, message, hint });
        match self {
            Self::Answer(answer) => problems.extend(answer.problems()),
            Self::Raw(text) if text.is_empty() => {
                add("then.raw", String::from("no bytes are no answer"), "write them, or use `close`");
            }
            Self::Redirect(redirect) => {
                if !matches!(redirect.status, 301..=303 | 307 | 308) {
                    let message = format!("{} is no redirect that clients follow", redirect.status);
                    add("then.redirect.status", message, "use 301, 302, 303, 307 or 308");
                }
                if HeaderValue::try_from(&redirect.to).is_err() || redirect.to.is_empty() {
                    let message = format!("`{}` cannot be a `Location`", redirect.to.escape_debug());
                    add("then.redirect.to", message, "use a URL, or a path: `/elsewhere{target}`");
                }
            }
            Self::Bandwidth(rate) if rate.bytes() == 0 => {
                add("then.bandwidth", String::from("nothing would ever arrive"), "use `stall: { after: 0 }` for that");
            }
            Self::Headers(change) => {
                if change.names().next().is_none() {
                    add("then.headers", String::from("no header is named"), "name some in `set`, `add` or `remove`");
                }
                let values = change.set.iter().chain(&change.add).map(|(name, value)| (name.as_str(), value.as_str()));
                let removed = change.remove.iter().map(|name| (name.as_str(), ""));
                for (name, _) in values.chain(removed).filter(|(name, value)| !can_be_sent(name, value)) {
                    add("then.headers", format!("`{}` cannot be sent", name.escape_debug()), A_HEADER);
                }
            }
            Self::SetState(state) if state.is_empty() => {
                add("then.set-state", String::from("a state without a name"), "give it one, or use `start`");
            }
            _ => {}
        }
        problems
    }
}

const API_PERFORMS: &str = "the Harness API performs `answer`, `raw`, `redirect`, `no-answer`, `close`, `delay`, `headers` and `set-state` only";

const A_HEADER: &str = "use a header's name and one line of text";

fn can_be_sent(name: &str, value: &str) -> bool {
    HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok()
}

impl Answer {
    fn problems(&self) -> Vec<RuleProblem> {
        let mut problems = Vec::new();
        let mut add = |field, message, hint: &'static str| problems.push(RuleProblem { field, message, hint });
        match (self.status, &self.dialect) {
            (None, None) => add("then.answer", String::from("no status"), "give `status` or `dialect`"),
            (Some(status), _) if !(200..=599).contains(&status) => {
                add("then.answer.status", format!("status {status} cannot be answered"), "use 200 to 599");
            }
            _ => {}
        }
        if let Some(name) = self.dialect.as_ref().filter(|name| dialect::find(name).is_none()) {
            let nearest =
                dialect::closest(name).map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
            let message = format!("there is no dialect `{name}`{nearest}");
            add("then.answer.dialect", message, "`pullrig presets dialects` lists them");
        }
        if self.dialect.is_some() && (self.body.is_some() || self.json.is_some()) {
            add(
                "then.answer",
                String::from("a dialect has a body of its own"),
                "keep `dialect`, or `status` and the body",
            );
        }
        if self.body.is_some() && self.json.is_some() {
            add("then.answer", String::from("both `body` and `json`"), "keep one of them");
        }
        for (name, _) in self.headers.iter().filter(|(name, value)| !can_be_sent(name, value)) {
            add("then.answer.headers", format!("`{}` cannot be sent", name.escape_debug()), A_HEADER);
        }
        problems
    }
}

impl Matcher {
    /// Everything that is wrong with the conditions.
    pub fn problems(&self, of: RuleFor) -> Vec<RuleProblem> {
        let mut problems = Vec::new();
        let mut add = |message: &str, hint| {
            problems.push(RuleProblem { field: "when", message: String::from(message), hint });
        };
        let is_about_api = self.api.is_some() || self.path.is_some();
        if self.n_endpoints() > 1 {
            add("more than one endpoint, so it can never match", "make it one rule for each endpoint");
        }
        match of {
            RuleFor::Registry if is_about_api => {
                add(
                    "`api` and `path` are about the Harness API",
                    "a registry has ping, manifest, blob, tags, catalog, token and upload",
                );
            }
            RuleFor::Api if self.n_endpoints() > usize::from(self.api.is_some()) => {
                add("the Harness API has no such endpoint", "write `api: get` and `path: /ng/api/connectors*`");
            }
            RuleFor::Api if self.repository.is_some() || self.reference.is_some() || self.layer.is_some() => {
                add("requests to the Harness API are about no image", "match them by `path`");
            }
            RuleFor::Registry | RuleFor::Api => {}
        }
        if let Some(kind) = self.endpoint() {
            use EndpointKind::{Blob, Catalog, Cdn, Manifest, Ping, Referrers, Tags, Token};
            let lacks = [
                ("layer", self.layer.is_some(), !matches!(kind, Blob | Cdn)),
                ("repository", self.repository.is_some(), matches!(kind, Ping | Catalog | Token)),
                ("reference", self.reference.is_some(), !matches!(kind, Manifest | Blob | Cdn | Referrers)),
            ];
            for (what, _, _) in lacks.into_iter().filter(|(_, is_wanted, is_absent)| *is_wanted && *is_absent) {
                let message = format!("a request for {kind} has no {what}, so it can never match");
                let hint =
                    if matches!(kind, Tags) { "match it by `repository`" } else { "match it by something that it has" };
                problems.push(RuleProblem { field: "when", message, hint });
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(of: RuleFor, rule: Value, expect: &[&str]) {
        let rule: Rule = serde_json::from_value(rule).unwrap();
        let told: Vec<_> = rule.problems(of).iter().map(ToString::to_string).collect();
        assert_eq!(told, expect);
    }

    #[test]
    fn rules_that_cannot_work_are_told() {
        let answer = |status| json!({ "answer": { "status": status } });
        check(RuleFor::Registry, json!({ "when": { "blob": "get" }, "then": answer(503) }), &[]);
        check(
            RuleFor::Registry,
            json!({ "when": { "blob": "get", "manifest": "get" }, "times": { "probability": 7 }, "then": answer(700) }),
            &[
                "when: more than one endpoint, so it can never match",
                "times.probability: 7 is no probability",
                "then.answer.status: status 700 cannot be answered",
            ],
        );
        check(
            RuleFor::Registry,
            json!({ "when": { "path": "/ng/*" }, "then": "expire-token" }),
            &["when: `api` and `path` are about the Harness API"],
        );
        check(RuleFor::Api, json!({ "when": { "api": "post", "path": "/ng/*" }, "then": answer(429) }), &[]);
        check(
            RuleFor::Api,
            json!({ "when": { "blob": "get" }, "then": "expire-token" }),
            &[
                "when: the Harness API has no such endpoint",
                "then: the Harness API performs `answer`, `raw`, `redirect`, `no-answer`, `close`, `delay`, `headers` and \
                 `set-state` only",
            ],
        );
        check(
            RuleFor::Api,
            json!({ "when": { "api": "any" }, "then": { "answer": { "status": 200, "headers": { "a b": "c" } } } }),
            &["then.answer.headers: `a b` cannot be sent"],
        );
    }

    #[test]
    fn rules_that_can_never_apply_are_told() {
        let close = json!("close");
        check(
            RuleFor::Registry,
            json!({ "when": { "manifest": "get", "layer": 2 }, "then": close }),
            &["when: a request for manifest has no layer, so it can never match"],
        );
        check(
            RuleFor::Registry,
            json!({ "when": { "token": "any", "repository": "app" }, "then": close }),
            &["when: a request for token has no repository, so it can never match"],
        );
        let never = "times: there is no occurrence that all of this holds for, so it can never apply";
        for times in [
            json!({ "first": 2, "every": 3 }),
            json!({ "first": 2, "nth": "3.." }),
            json!({ "nth": "4..5", "every": 3 }),
            json!({ "from": "1h", "until": "1h" }),
            json!({ "probability": 0 }),
        ] {
            check(RuleFor::Registry, json!({ "when": { "blob": "get" }, "times": times, "then": close }), &[never]);
        }
    }

    #[test]
    fn actions_that_contradict_each_other_are_told() {
        let told = |then: Value, expect: &[&str]| {
            check(RuleFor::Registry, json!({ "when": { "blob": "get" }, "then": then }), expect);
        };
        told(json!([{ "delay": { "for": "1s" } }, { "answer": { "dialect": "quay" } }, { "set-state": "down" }]), &[]);
        told(json!([]), &["then: nothing happens"]);
        told(json!(["close", { "raw": "HTTP/1.1 429\n\n" }]), &["then: `close` and `raw` are both the whole answer"]);
        told(
            json!(["no-answer", { "corrupt": { "at": 0 } }]),
            &["then: with `no-answer` there is nothing that `corrupt` could change"],
        );
        told(json!([{ "cut": { "after": 1 } }, { "reset": { "after": 1 } }]), &["then: a body is either cut or reset"]);
        told(
            json!(["close", "close"]),
            &["then: `close` stands there twice", "then: `close` and `close` are both the whole answer"],
        );
        told(json!("drop-session"), &["then: `drop-session` does nothing to a request for blob"]);
        told(json!({ "answer": {} }), &["then.answer: no status"]);
        told(
            json!({ "answer": { "dialect": "quai" } }),
            &["then.answer.dialect: there is no dialect `quai`; did you mean `quay`?"],
        );
        told(
            json!({ "answer": { "dialect": "quay", "body": "x" } }),
            &["then.answer: a dialect has a body of its own"],
        );
        told(
            json!({ "redirect": { "to": "/x", "status": 200 } }),
            &["then.redirect.status: 200 is no redirect that clients follow"],
        );
        told(json!({ "bandwidth": 0 }), &["then.bandwidth: nothing would ever arrive"]);
        told(json!({ "headers": {} }), &["then.headers: no header is named"]);
        told(json!({ "headers": { "set": { "a b": "c" } } }), &["then.headers: `a b` cannot be sent"]);
    }
}
