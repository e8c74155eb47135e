//! Delegates as they are at an instant, arranged so that one is selected from ten thousand in microseconds.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use rand::{Rng, RngExt as _};
use testbed::Timestamp;

use super::{DelegateTask, NoDelegateError, bits::Bits};
use crate::account::{Delegate, Scope};

/// A selector of more delegates than one in so many is kept as a set of bits.
const FEW: usize = 64;

/// The delegates that the platform knows of at an instant.
#[derive(Debug)]
pub(super) struct Index {
    delegates: Vec<Arc<Delegate>>,
    connected: Bits,
    /// Those that are there: the platform takes a delegate for connected some minutes longer.
    beating: Bits,
    by_owner: HashMap<Scope, Bits>,
    /// By selector, trimmed and in small letters.
    by_selector: HashMap<String, Members>,
    task_types: Restriction,
    scopes: Restriction,
    /// From when until when all of this holds.
    from: Timestamp,
    until: Option<Timestamp>,
}

#[derive(Debug)]
enum Members {
    Few(Vec<usize>),
    Many(Bits),
}

/// What some delegates name and others leave open.
#[derive(Debug)]
struct Restriction {
    open: Bits,
    naming: HashMap<String, Bits>,
}

impl Index {
    /// The index of those of `all` that are not forgotten at `now`.
    pub(super) fn new(all: &[Arc<Delegate>], now: Timestamp) -> Self {
        let known: Vec<_> = all.iter().map(|delegate| (delegate, delegate.life.pulse(now))).collect();
        let until = known.iter().filter_map(|(_, pulse)| pulse.until).min();
        let known: Vec<_> = known.into_iter().filter(|(_, pulse)| !pulse.is_forgotten).collect();
        let len = known.len();
        let mut index = Self {
            delegates: known.iter().map(|(delegate, _)| Arc::clone(delegate)).collect(),
            connected: Bits::none(len),
            beating: Bits::none(len),
            by_owner: HashMap::new(),
            by_selector: HashMap::new(),
            task_types: Restriction::none(len),
            scopes: Restriction::none(len),
            from: now,
            until,
        };
        let mut by_selector: HashMap<String, Vec<usize>> = HashMap::new();
        for (n, (delegate, pulse)) in known.iter().enumerate() {
            if pulse.is_connected {
                index.connected.insert(n);
            }
            if pulse.beats {
                index.beating.insert(n);
            }
            index.by_owner.entry(delegate.owner.clone()).or_insert_with(|| Bits::none(len)).insert(n);
            index.task_types.add(n, len, delegate.task_types.as_deref());
            index.scopes.add(n, len, delegate.scopes.as_deref());
            let selectors: BTreeSet<_> = delegate.selectors().map(normal).collect();
            for selector in selectors {
                by_selector.entry(selector).or_default().push(n);
            }
        }
        let members = |numbers: Vec<usize>| {
            if numbers.len() * FEW <= len {
                return Members::Few(numbers);
            }
            let mut bits = Bits::none(len);
            numbers.iter().for_each(|number| bits.insert(*number));
            Members::Many(bits)
        };
        index.by_selector = by_selector.into_iter().map(|(selector, numbers)| (selector, members(numbers))).collect();
        index
    }

    /// Whether it holds at `now` too.
    pub(super) fn holds_at(&self, now: Timestamp) -> bool {
        now >= self.from && self.until.is_none_or(|until| now < until)
    }

    /// The delegate that does `task`: connected, supporting it, owned by the account or by what the task is for, and with
    /// **all** selectors, compared trimmed and in any case. Among several chance decides.
    ///
    /// # Errors
    /// There is none, in the platform's words.
    pub(super) fn select(
        &self,
        task: &DelegateTask<'_>,
        random: &mut impl Rng,
    ) -> Result<Arc<Delegate>, NoDelegateError> {
        if self.connected.is_empty() && !self.delegates.is_empty() {
            let delegates = self.delegates.iter().map(|delegate| delegate.name.clone()).collect();
            return Err(NoDelegateError::NoneConnected { delegates });
        }
        let len = self.delegates.len();
        let mut owned = Bits::none(len);
        for owner in task.owners() {
            if let Some(bits) = self.by_owner.get(&owner) {
                owned.union(bits);
            }
        }
        owned.retain(&self.connected);
        let suited = self.suited(&owned, task);
        let mut eligible = suited.clone();
        for selector in task.selectors {
            match self.by_selector.get(&normal(selector)) {
                Some(Members::Few(numbers)) => eligible.retain_few(numbers),
                Some(Members::Many(bits)) => eligible.retain(bits),
                None => eligible = Bits::none(len),
            }
        }
        if eligible.is_empty() {
            return Err(NoDelegateError::NoneEligible { reasons: self.reasons(&owned, &suited, task) });
        }
        // The task is offered to all of them, and one that is there takes it.
        eligible.retain(&self.beating);
        let n_eligible = eligible.len();
        if n_eligible == 0 {
            return Err(NoDelegateError::NotAcquired);
        }
        let chosen = eligible.nth(random.random_range(0..n_eligible));
        chosen.and_then(|number| self.delegates.get(number)).map(Arc::clone).ok_or(NoDelegateError::NotAcquired)
    }

    /// Those of `owned` that support the task.
    fn suited(&self, owned: &Bits, task: &DelegateTask<'_>) -> Bits {
        let mut suited = owned.clone();
        suited.retain(&self.task_types.admitting(task.kind));
        suited.retain(&self.scopes.admitting(task.group));
        suited
    }

    /// What each delegate was not eligible for, the first thing of each.
    fn reasons(&self, owned: &Bits, suited: &Bits, task: &DelegateTask<'_>) -> Vec<String> {
        if owned.is_empty() {
            let strangers = !self.connected.is_empty();
            return strangers.then(|| String::from(NOT_OWNED)).into_iter().collect();
        }
        let mut reasons = Vec::new();
        let mut supporting = owned.clone();
        supporting.retain(&self.task_types.admitting(task.kind));
        if supporting != *owned {
            reasons.push(String::from("Task type not supported by delegate(s)"));
        }
        if supporting != *suited {
            reasons.push(String::from("Delegate scope(s) mismatched"));
        }
        if !suited.is_empty() {
            // Named are the selectors that nobody has; if each has somebody and nobody has all, all.
            let has_somebody = |selector: &&String| match self.by_selector.get(&normal(selector)) {
                Some(Members::Few(numbers)) => numbers.iter().any(|number| suited.contains(*number)),
                Some(Members::Many(bits)) => suited.meets(bits),
                None => false,
            };
            let lacking: Vec<_> = task.selectors.iter().filter(|selector| !has_somebody(selector)).collect();
            let named = if lacking.is_empty() { task.selectors.iter().collect() } else { lacking };
            let named = named.into_iter().map(|selector| selector.trim()).collect::<Vec<_>>().join(", ");
            reasons.push(format!("Delegate(s) don't have selectors [{named}]"));
        }
        reasons
    }
}

const NOT_OWNED: &str = "There are no delegates with the right ownership to execute task\"";

impl Restriction {
    fn none(len: usize) -> Self {
        Self { open: Bits::none(len), naming: HashMap::new() }
    }

    fn add(&mut self, number: usize, len: usize, named: Option<&[String]>) {
        let Some(named) = named else { return self.open.insert(number) };
        for name in named {
            self.naming.entry(name.clone()).or_insert_with(|| Bits::none(len)).insert(number);
        }
    }

    fn admitting(&self, name: &str) -> Bits {
        let mut bits = self.open.clone();
        if let Some(naming) = self.naming.get(name) {
            bits.union(naming);
        }
        bits
    }
}

/// A selector as it is compared.
pub(super) fn normal(selector: &str) -> String {
    selector.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use testbed::{Clock, Seed};

    use super::*;
    use crate::config::DelegateConfig;

    type Owner<'a> = (Option<&'a str>, Option<&'a str>);

    fn delegate(name: &str, tags: &[&str], owner: Owner<'_>, connected: bool) -> Arc<Delegate> {
        let config = DelegateConfig {
            tags: tags.iter().map(|tag| String::from(*tag)).collect(),
            organization: owner.0.map(String::from),
            project: owner.1.map(String::from),
            connected,
            ..DelegateConfig::new(name)
        };
        Arc::new(Delegate::from_config(&config, Clock::DEFAULT_START))
    }

    fn select(all: &[Arc<Delegate>], scope: &Scope, selectors: &[String], seed: u64) -> Result<String, String> {
        let index = Index::new(all, Clock::DEFAULT_START);
        let task = DelegateTask::test_connection(scope, selectors);
        let selected = index.select(&task, &mut Seed(seed).stream("test"));
        selected.map(|delegate| delegate.name.clone()).map_err(|error| error.to_string())
    }

    fn check(all: &[Arc<Delegate>], scope: Owner<'_>, selectors: &[&str], expect: &str) {
        let selectors: Vec<_> = selectors.iter().map(|text| String::from(*text)).collect();
        let selected = select(all, &Scope::new(scope.0, scope.1), &selectors, 1);
        assert_eq!(selected.unwrap_or_else(|error| error), expect);
    }

    #[test]
    fn all_selectors_must_be_on_the_delegate_in_any_case() {
        let delegates = [
            delegate("a", &["linux"], (None, None), true),
            delegate("b", &["Linux ", "DC-East"], (None, None), true),
            delegate("c", &["linux", "dc-east"], (None, None), false),
        ];
        check(&delegates, (None, None), &[" linux", "dc-east"], "b");
        check(&delegates, (None, None), &["B"], "b");
        check(
            &delegates,
            (None, None),
            &["linux", "dc-west"],
            "There are no eligible delegates available in the account to execute the task.\n\nDelegate(s) don't have \
             selectors [dc-west]",
        );
    }

    #[test]
    fn a_project_delegate_serves_its_project_only() {
        let delegates = [delegate("p", &[], (Some("o"), Some("p")), true)];
        check(&delegates, (Some("o"), Some("p")), &[], "p");
        for scope in [(None, None), (Some("o"), None), (Some("o"), Some("q"))] {
            check(
                &delegates,
                scope,
                &[],
                "There are no eligible delegates available in the account to execute the task.\n\nThere are no delegates \
                 with the right ownership to execute task\"",
            );
        }
    }

    #[test]
    fn inactive_delegates_are_named() {
        let delegates = [delegate("a", &[], (None, None), false), delegate("b", &[], (None, None), false)];
        check(
            &delegates,
            (None, None),
            &[],
            "There are no active delegates available for the account. The following delegates a, b are inactive.\n\n",
        );
        check(
            &[],
            (None, None),
            &[],
            "There are no eligible delegates available in the account to execute the task.\n\n",
        );
    }

    #[test]
    fn each_thing_that_is_not_supported_is_a_reason() {
        let restricted = |name: &str, task_types: Option<&str>, scopes: Option<&str>| {
            let mut delegate = (*delegate(name, &[], (None, None), true)).clone();
            delegate.task_types = task_types.map(|kind| vec![String::from(kind)]);
            delegate.scopes = scopes.map(|group| vec![String::from(group)]);
            Arc::new(delegate)
        };
        let none = "There are no eligible delegates available in the account to execute the task.\n\n";
        let by_type = restricted("a", Some("INITIALIZATION_PHASE"), None);
        let by_scope = restricted("b", None, Some("CI"));
        let fitting = restricted("c", Some("DOCKER_CONNECTIVITY_TEST_TASK"), Some("DOCKER"));
        let type_text = "Task type not supported by delegate(s)";
        let scope_text = "Delegate scope(s) mismatched";
        check(std::slice::from_ref(&by_type), (None, None), &[], &format!("{none}{type_text}"));
        check(std::slice::from_ref(&by_scope), (None, None), &[], &format!("{none}{scope_text}"));
        let all = [by_type, by_scope, fitting];
        check(&all[..2], (None, None), &[], &format!("{none}{type_text} , {scope_text}"));
        check(&all, (None, None), &[], "c");
        let lacking = format!("{none}{type_text} , {scope_text} , Delegate(s) don't have selectors [x]");
        check(&all, (None, None), &["x"], &lacking);
    }

    #[test]
    fn chance_decides_among_equals_and_repeats_with_the_seed() {
        let delegates: Vec<_> = ["a", "b", "c"].map(|name| delegate(name, &[], (None, None), true)).into();
        let draw = |seed| select(&delegates, &Scope::account(), &[], seed).unwrap();
        assert_eq!(draw(5), draw(5));
        assert!((0..50).any(|seed| draw(seed) != draw(0)));
    }

    /// The rule as it is written down, one delegate after the other.
    fn by_the_book(all: &[Arc<Delegate>], scope: &Scope, selectors: &[String], seed: u64) -> Option<String> {
        let serves = |owner: &Scope| {
            (owner.org.is_none() || owner.org == scope.org)
                && (owner.project.is_none() || owner.project == scope.project)
        };
        let has = |delegate: &Delegate, selector: &String| {
            delegate.selectors().any(|own| own.trim().eq_ignore_ascii_case(selector.trim()))
        };
        let eligible: Vec<_> = all
            .iter()
            .filter(|delegate| delegate.life.pulse(Clock::DEFAULT_START).is_connected)
            .filter(|delegate| serves(&delegate.owner))
            .filter(|delegate| selectors.iter().all(|selector| has(delegate, selector)))
            .collect();
        if eligible.is_empty() {
            return None;
        }
        Some(eligible[Seed(seed).stream("test").random_range(0..eligible.len())].name.clone())
    }

    const TAGS: [&str; 5] = ["linux", "Linux", " dc-east ", "DC-East", "arm"];
    const OWNERS: [Owner<'static>; 5] =
        [(None, None), (Some("o"), None), (Some("o"), Some("p")), (Some("o"), Some("q")), (Some("z"), None)];

    proptest! {
        #[test]
        fn the_index_selects_what_the_rule_selects(
            made in proptest::collection::vec((proptest::sample::subsequence(TAGS.to_vec(), 0..=3), 0usize..5, any::<bool>()), 0..150),
            scope in 0usize..5,
            selectors in proptest::sample::subsequence(vec!["LINUX", "dc-east", " arm", "d7", "nowhere"], 0..=3),
            seed in 0u64..50,
        ) {
            let all: Vec<_> = made
                .iter()
                .enumerate()
                .map(|(n, (tags, owner, connected))| delegate(&format!("d{n}"), tags, OWNERS[*owner], *connected))
                .collect();
            let scope = Scope::new(OWNERS[scope].0, OWNERS[scope].1);
            let selectors: Vec<_> = selectors.into_iter().map(String::from).collect();
            let selected = select(&all, &scope, &selectors, seed);
            prop_assert_eq!(selected.ok(), by_the_book(&all, &scope, &selectors, seed));
        }
    }
}
