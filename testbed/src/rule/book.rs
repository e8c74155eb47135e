//! The rules of one actor, and how often each was used.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::{Action, Occasion, Rule};
use crate::Seed;

/// The rules of one actor, in order. Clones share it.
#[derive(Clone)]
pub struct RuleBook(Arc<Mutex<Book>>);

struct Book {
    rules: Vec<Kept>,
    n_added: usize,
    random: ChaCha8Rng,
}

struct Kept {
    name: String,
    rule: Rule,
    n_matched: u32,
    n_fired: u32,
    near_miss: Option<Vec<String>>,
}

/// A rule that applies to an exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Fired {
    /// The rule's name.
    pub name: String,
    /// What it lets happen.
    pub action: Action,
}

/// How often a rule was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleUse {
    /// The rule's name.
    pub name: String,
    /// Exchanges that it was about.
    pub n_matched: u32,
    /// Exchanges that it applied to.
    pub n_fired: u32,
    /// If it was about none: what the nearest exchange lacked.
    pub near_miss: Option<String>,
}

impl RuleBook {
    /// An empty book, whose chances are drawn from `seed`.
    pub fn new(seed: Seed) -> Self {
        Self(Arc::new(Mutex::new(Book { rules: Vec::new(), n_added: 0, random: seed.stream("rules") })))
    }

    /// Adds `rule` behind those that are there, and returns its name.
    pub fn add(&self, rule: Rule) -> String {
        let mut book = self.book();
        book.n_added += 1;
        let name = rule.name.clone().unwrap_or_else(|| format!("rule-{}", book.n_added));
        book.rules.push(Kept { name: name.clone(), rule, n_matched: 0, n_fired: 0, near_miss: None });
        name
    }

    /// Takes out the rule called `name`; false if there is none.
    pub fn remove(&self, name: &str) -> bool {
        let mut book = self.book();
        let n_before = book.rules.len();
        book.rules.retain(|kept| kept.name != name);
        book.rules.len() < n_before
    }

    /// Puts `rules` in the place of those that are there, uncounted, and returns their names.
    pub fn replace(&self, rules: impl IntoIterator<Item = Rule>) -> Vec<String> {
        self.book().rules.clear();
        rules.into_iter().map(|rule| self.add(rule)).collect()
    }

    /// The rules, in order, each with its name.
    pub fn rules(&self) -> Vec<Rule> {
        let book = self.book();
        book.rules.iter().map(|kept| Rule { name: Some(kept.name.clone()), ..kept.rule.clone() }).collect()
    }

    /// Whether there is no rule, so that no occasion need be described.
    pub fn is_empty(&self) -> bool {
        self.book().rules.is_empty()
    }

    /// The first rule that applies to `occasion`. Each rule that is about it counts it, also those behind the first.
    pub fn decide(&self, occasion: &Occasion) -> Option<Fired> {
        let mut book = self.book();
        let Book { rules, random, .. } = &mut *book;
        let mut first = None;
        for kept in rules {
            let missed = kept.rule.when.mismatches(occasion);
            if !missed.is_empty() {
                kept.remember_near_miss(missed);
                continue;
            }
            kept.n_matched += 1;
            // Drawn only where chance decides, so that other rules do not move the stream.
            let draw = if kept.rule.times.probability.is_some() { random.random() } else { 0.0 };
            if kept.rule.times.fires(kept.n_matched, draw) && first.is_none() {
                kept.n_fired += 1;
                first = Some(Fired { name: kept.name.clone(), action: kept.rule.then.clone() });
            }
        }
        first
    }

    /// How often each rule was used, in order.
    pub fn uses(&self) -> Vec<RuleUse> {
        let book = self.book();
        book.rules.iter().map(Kept::to_use).collect()
    }

    /// Puts back how often the rules that are called so were used.
    pub fn restore_uses(&self, uses: &[RuleUse]) {
        let mut book = self.book();
        for kept in &mut book.rules {
            if let Some(told) = uses.iter().find(|told| told.name == kept.name) {
                (kept.n_matched, kept.n_fired) = (told.n_matched, told.n_fired);
            }
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remember_near_miss(&mut self, missed: Vec<String>) {
        if self.near_miss.as_ref().is_none_or(|nearest| missed.len() < nearest.len()) {
            self.near_miss = Some(missed);
        }
    }

    fn to_use(&self) -> RuleUse {
        let near_miss = self.near_miss.as_ref().filter(|_| self.n_matched == 0).map(|missed| missed.join(", "));
        RuleUse { name: self.name.clone(), n_matched: self.n_matched, n_fired: self.n_fired, near_miss }
    }
}

impl fmt::Debug for RuleBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.uses()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::IpAddr};

    use oci::{EndpointKind, Principal};
    use serde_json::json;

    use super::*;
    use crate::rule::Call;

    fn occasion(kind: EndpointKind, repository: &str, attempt: u32) -> Occasion {
        Occasion {
            call: Call::Registry(kind),
            method: http::Method::GET,
            repository: Some(repository.parse().unwrap()),
            reference: None,
            layer: None,
            principal: Principal::Anonymous,
            source: IpAddr::from([127, 0, 0, 1]),
            user_agent: None,
            headers: BTreeMap::new(),
            attempt,
        }
    }

    fn book(rules: serde_json::Value) -> RuleBook {
        let book = RuleBook::new(Seed(1));
        for rule in serde_json::from_value::<Vec<Rule>>(rules).unwrap() {
            book.add(rule);
        }
        book
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        let book = book(json!([
            { "when": { "manifest": "get", "repository": "harness/*", "attempt": "1..2" },
              "then": { "answer": { "status": 503 } } },
            { "name": "second", "when": { "manifest": "any" }, "then": "expire-token" },
        ]));
        let decide = |repository, attempt| {
            book.decide(&occasion(EndpointKind::Manifest, repository, attempt)).map(|fired| fired.name)
        };
        assert_eq!(decide("harness/ci-addon", 1).as_deref(), Some("rule-1"));
        assert_eq!(decide("harness/ci-addon", 3).as_deref(), Some("second"));
        assert_eq!(decide("plugins/kaniko", 1).as_deref(), Some("second"));
        assert_eq!(book.decide(&occasion(EndpointKind::Blob, "harness/ci-addon", 1)), None);
    }

    #[test]
    fn a_rule_that_was_about_nothing_names_its_near_miss() {
        let book = book(json!([
            { "when": { "blob": "get", "repository": "plugins/*" }, "times": { "nth": 2 },
              "then": { "cut": { "after": 1024 } } },
        ]));
        book.decide(&occasion(EndpointKind::Manifest, "harness/ci-addon", 1));
        book.decide(&occasion(EndpointKind::Blob, "harness/ci-addon", 1));
        let uses = book.uses();
        assert_eq!(uses[0].n_matched, 0);
        assert_eq!(uses[0].near_miss.as_deref(), Some("repository harness/ci-addon is not plugins/*"));
    }
}
