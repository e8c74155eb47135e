//! The rules of one actor, and how often each was used.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::RngExt as _;
use serde::Serialize;

use super::{Action, Actions, Delay, Occasion, Rule, index::Index};
use crate::Seed;

/// The state that an actor begins in.
const START: &str = "start";

/// How many of the rules that were taken out unused are remembered: a bound on memory.
const MAX_RETIRED: usize = 1000;

/// The rules of one actor, in order, and the state that they ask for and set. Clones share it.
#[derive(Clone)]
pub struct RuleBook(Arc<Mutex<Book>>);

struct Book {
    rules: Vec<Kept>,
    index: Index,
    /// Rules that have seen no exchange at all, so that they have no near miss yet either.
    unseen: Vec<usize>,
    /// Rules that were taken out before they ever applied, the latest [`MAX_RETIRED`].
    retired: VecDeque<RuleUse>,
    n_added: usize,
    state: String,
    seed: Seed,
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
    pub actions: Actions,
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
    /// An empty book, whose chances are drawn from `seed`: each by who asks what for the how-manieth time, whatever else is
    /// asked at the same time.
    pub fn new(seed: Seed) -> Self {
        Self(Arc::new(Mutex::new(Book {
            rules: Vec::new(),
            index: Index::default(),
            unseen: Vec::new(),
            retired: VecDeque::new(),
            n_added: 0,
            state: START.to_owned(),
            seed,
        })))
    }

    /// Adds `rule` behind those that are there, and returns its name.
    pub fn add(&self, rule: Rule) -> String {
        let mut book = self.book();
        book.n_added += 1;
        let name = rule.name.clone().unwrap_or_else(|| format!("rule-{}", book.n_added));
        book.rules.push(Kept { name: name.clone(), rule, n_matched: 0, n_fired: 0, near_miss: None });
        book.index();
        name
    }

    /// Takes out the rule called `name`; false if there is none.
    pub fn remove(&self, name: &str) -> bool {
        let mut book = self.book();
        let removed: Vec<_> = book.rules.extract_if(.., |kept| kept.name == name).collect();
        for kept in removed.iter().filter(|kept| kept.n_fired == 0) {
            if book.retired.len() == MAX_RETIRED {
                book.retired.pop_front();
            }
            book.retired.push_back(kept.to_use());
        }
        book.index();
        !removed.is_empty()
    }

    /// Puts `rules` in the place of those that are there, uncounted, and returns their names.
    pub fn replace(&self, rules: impl IntoIterator<Item = Rule>) -> Vec<String> {
        {
            let mut book = self.book();
            book.rules.clear();
            book.index();
        }
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

    /// The actor's state.
    pub fn state(&self) -> String {
        self.book().state.clone()
    }

    /// Sets the actor's state, as a rule does with `set-state`.
    pub fn set_state(&self, state: impl Into<String>) {
        self.book().state = state.into();
    }

    /// Sets the actor's state to the one that it began in.
    pub fn reset_state(&self) {
        self.set_state(START);
    }

    /// The first rule that applies to `occasion`. Each rule that is about it counts it, also those behind the first. The
    /// state is set by then, and what is left to chance is drawn.
    pub fn decide(&self, occasion: &Occasion) -> Option<Fired> {
        let mut book = self.book();
        let Book { rules, index, unseen, state, seed, .. } = &mut *book;
        // What is about something else is told what it missed once, and once more by the first of its own kind.
        for n in unseen.drain(..).chain(index.take_unseen(occasion)) {
            rules[n].is_about(occasion, state);
        }
        let mut first = None;
        for n in index.candidates(occasion) {
            let kept = &mut rules[n];
            if !kept.is_about(occasion, state) || !kept.rule.times.is_in_force(occasion.since_start) {
                continue;
            }
            kept.n_matched += 1;
            let is_chance = kept.rule.times.probability.is_some();
            let draw = if is_chance { draw(*seed, "whether", &kept.name, occasion) } else { 0.0 };
            if kept.rule.times.fires(kept.n_matched, draw) && first.is_none() {
                kept.n_fired += 1;
                first = Some(n);
            }
        }
        let fired = &rules[first?];
        let actions = fired.rule.then.clone().map(|action| match action {
            Action::Delay(Delay { duration, jitter }) if !jitter.is_zero() => {
                let share = draw(*seed, "how long", &fired.name, occasion);
                Action::Delay(Delay { duration: duration + jitter.mul_f64(share), jitter: Duration::ZERO })
            }
            action => action,
        });
        for action in actions.iter() {
            if let Action::SetState(next) = action {
                state.clone_from(next);
            }
        }
        Some(Fired { name: fired.name.clone(), actions })
    }

    /// How often each rule was used, in order.
    pub fn uses(&self) -> Vec<RuleUse> {
        let book = self.book();
        book.rules.iter().map(Kept::to_use).collect()
    }

    /// The rules that never applied, those that were taken out included.
    pub fn idle(&self) -> Vec<RuleUse> {
        let book = self.book();
        let present = book.rules.iter().map(Kept::to_use).filter(|told| told.n_fired == 0);
        book.retired.iter().cloned().chain(present).collect()
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

/// A number in `0.0..1.0` that the seed, the rule and the exchange alone decide.
fn draw(seed: Seed, what: &str, rule: &str, occasion: &Occasion) -> f64 {
    let Occasion { call, method, repository, reference, principal, source, query, attempt, .. } = occasion;
    let asked = (call, method.as_str(), repository, reference, query);
    seed.stream(&format!("{what} {rule} {principal} {source} {asked:?} {attempt}")).random()
}

impl Book {
    /// Sorts the rules anew by what they can be about.
    fn index(&mut self) {
        self.index = Index::of(self.rules.iter().map(|kept| &kept.rule.when));
        let has_seen_nothing = |kept: &Kept| kept.n_matched == 0 && kept.near_miss.is_none();
        self.unseen = (0..self.rules.len()).filter(|n| has_seen_nothing(&self.rules[*n])).collect();
    }
}

impl Kept {
    /// Whether the rule is about `occasion`. If it is not, and was about nothing so far, what it missed is remembered if less
    /// was missed than ever before.
    fn is_about(&mut self, occasion: &Occasion, state: &str) -> bool {
        if self.n_matched > 0 || self.near_miss.as_ref().is_some_and(|nearest| nearest.len() == 1) {
            return self.rule.when.admits(occasion, state);
        }
        let nearest = self.near_miss.as_ref().map_or(usize::MAX, Vec::len);
        let n_missed = self.rule.when.n_mismatches(occasion, state, nearest);
        if n_missed > 0 && n_missed < nearest {
            self.near_miss = Some(self.rule.when.mismatches(occasion, state));
        }
        n_missed == 0
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
            connection: 1,
            host: String::from("hub.test"),
            query: Vec::new(),
            since_start: Duration::ZERO,
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

    #[test]
    fn a_state_is_set_by_one_rule_and_asked_for_by_another() {
        let book = book(json!([
            { "when": { "manifest": "get", "state": "start" }, "then": { "set-state": "down" } },
            { "when": { "manifest": "get", "state": "down" }, "times": { "first": 2 },
              "then": [{ "answer": { "status": 503 } }] },
        ]));
        let decide = || book.decide(&occasion(EndpointKind::Manifest, "app", 1)).map(|fired| fired.name);
        let told: Vec<_> = (0..4).map(|_| decide()).collect();
        assert_eq!(told, [Some("rule-1".into()), Some("rule-2".into()), Some("rule-2".into()), None]);
        assert_eq!(book.state(), "down");
        book.reset_state();
        assert_eq!(decide().as_deref(), Some("rule-1"));
    }

    #[test]
    fn a_rule_is_in_force_for_a_window_of_policy_time() {
        let book = book(json!([{ "when": { "manifest": "get" }, "times": { "from": "10m", "until": "1h", "first": 1 },
                                 "then": "close" }]));
        let at = |minutes: u64| {
            let since_start = Duration::from_secs(minutes * 60);
            book.decide(&Occasion { since_start, ..occasion(EndpointKind::Manifest, "app", 1) }).is_some()
        };
        assert_eq!([at(9), at(60), at(10), at(11)], [false, false, true, false]);
    }

    #[test]
    fn chance_is_the_same_in_whichever_order_exchanges_come() {
        let rule = json!([{ "when": {}, "times": { "probability": 0.5 }, "then": "close" }]);
        let mut asked: Vec<_> = (1..=40).map(|attempt| occasion(EndpointKind::Manifest, "app", attempt)).collect();
        let decide = |asked: &[Occasion]| {
            let book = book(rule.clone());
            let fired = asked.iter().filter(|occasion| book.decide(occasion).is_some());
            fired.map(|occasion| occasion.attempt).collect::<Vec<_>>()
        };
        let once = decide(&asked);
        assert!((10..30).contains(&once.len()), "{once:?}");
        asked.reverse();
        assert!(decide(&asked).into_iter().rev().eq(once));
    }

    #[test]
    fn jitter_is_drawn_from_the_seed() {
        let rule = json!([{ "when": {}, "then": { "delay": { "for": "1s", "jitter": "1s" } } }]);
        let drawn = || {
            let book = book(rule.clone());
            let fired = (1..4).filter_map(|attempt| book.decide(&occasion(EndpointKind::Ping, "app", attempt)));
            fired.map(|fired| fired.actions[0].clone()).collect::<Vec<_>>()
        };
        let once = drawn();
        assert_eq!(once, drawn());
        assert_ne!(once[0], once[1]);
        for action in once {
            let Action::Delay(delay) = action else { panic!("{action:?}") };
            assert!((1.0..2.0).contains(&delay.duration.as_secs_f64()), "{delay:?}");
        }
    }

    proptest::proptest! {
        /// The index leaves out no rule that is about an exchange, and keeps their order.
        #[test]
        fn the_index_finds_what_a_look_at_every_rule_finds(
            rules in proptest::collection::vec(
                ("manifest|blob|tags|any", "harness/\\*|harness/ci-addon|h\\*|\\*/ci-addon|plugins/kaniko|"), 0..12),
            kind in proptest::sample::select(vec![EndpointKind::Manifest, EndpointKind::Blob, EndpointKind::Ping]),
            repository in "harness/ci-addon|plugins/kaniko|app",
        ) {
            let rules: Vec<Rule> = rules.iter().map(|(endpoint, repository)| {
                let mut when = serde_json::Map::new();
                if endpoint != "any" {
                    when.insert(endpoint.clone(), json!("get"));
                }
                if !repository.is_empty() {
                    when.insert(String::from("repository"), json!(repository));
                }
                serde_json::from_value(json!({ "when": when, "then": "close" })).unwrap()
            }).collect();
            let occasion = occasion(kind, &repository, 1);
            let found: Vec<_> = Index::of(rules.iter().map(|rule| &rule.when)).candidates(&occasion)
                .filter(|n| rules[*n].when.admits(&occasion, START)).collect();
            let all: Vec<_> = (0..rules.len()).filter(|n| rules[*n].when.admits(&occasion, START)).collect();
            proptest::prop_assert_eq!(found, all);
        }
    }
}
