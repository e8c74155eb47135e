//! What is wrong with a rule, before it is given to an actor.

use http::{HeaderName, HeaderValue};
use thiserror::Error;

use super::{Action, Matcher, Rule};

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
        let mut add = |field, message, hint| problems.push(RuleProblem { field, message, hint });
        if let Some(probability) = self.times.probability.filter(|p| !(0.0..=1.0).contains(p)) {
            add("times.probability", format!("{probability} is no probability"), "write 0 to 1");
        }
        if let Action::Answer(answer) = &self.then {
            if !(200..=599).contains(&answer.status) {
                add("then.answer.status", format!("status {} cannot be answered", answer.status), "use 200 to 599");
            }
            if answer.body.is_some() && answer.json.is_some() {
                add("then.answer", String::from("both `body` and `json`"), "keep one of them");
            }
            for (name, value) in &answer.headers {
                if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                    add(
                        "then.answer.headers",
                        format!("`{name}` cannot be sent"),
                        "use a header's name and one line of text",
                    );
                }
            }
        } else if of == RuleFor::Api && !matches!(self.then, Action::Delay(_)) {
            let message = String::from("the Harness API performs `answer` and `delay` only");
            add("then", message, "script the registry for the rest");
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
            &["when: the Harness API has no such endpoint", "then: the Harness API performs `answer` and `delay` only"],
        );
        check(
            RuleFor::Api,
            json!({ "when": { "api": "any" }, "then": { "answer": { "status": 200, "headers": { "a b": "c" } } } }),
            &["then.answer.headers: `a b` cannot be sent"],
        );
    }
}
