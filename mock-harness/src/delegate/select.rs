//! Selecting a delegate: selectors, ownership, connection, then chance.
//!
//! Source: facts/harness C. The text about ownership ends in a stray quote, which is real.

use rand::{Rng, RngExt as _};
use thiserror::Error;

use crate::account::{Delegate, Scope};

/// Why no delegate does a task. The text is the platform's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoDelegateError {
    /// None may do it.
    #[error("There are no eligible delegates available in the account to execute the task.\n\n{}", .reasons.join("\n"))]
    NoneEligible {
        /// Why not, one line each.
        reasons: Vec<String>,
    },
    /// None is connected.
    #[error("There are no active delegates available for the account. The following delegates {} are inactive.\n\n", .delegates.join(", "))]
    NoneConnected {
        /// Their names.
        delegates: Vec<String>,
    },
}

/// The delegate for a task of `scope` that asks for `selectors`: connected, owned by the account or by what the task is of,
/// and with **all** selectors, compared trimmed and in any case. Among several chance decides.
///
/// # Errors
/// There is none, in the platform's words.
pub fn select_delegate(
    delegates: &[Delegate],
    scope: &Scope,
    selectors: &[String],
    random: &mut impl Rng,
) -> Result<Delegate, NoDelegateError> {
    let connected: Vec<_> = delegates.iter().filter(|delegate| delegate.connected).collect();
    if connected.is_empty() && !delegates.is_empty() {
        let delegates = delegates.iter().map(|delegate| delegate.name.clone()).collect();
        return Err(NoDelegateError::NoneConnected { delegates });
    }
    let (owned, strangers): (Vec<&Delegate>, Vec<&Delegate>) =
        connected.into_iter().partition(|delegate| serves(&delegate.owner, scope));
    let eligible: Vec<&&Delegate> =
        owned.iter().filter(|delegate| selectors.iter().all(|selector| has(delegate, selector))).collect();
    if eligible.is_empty() {
        return Err(NoDelegateError::NoneEligible { reasons: reasons(&owned, &strangers, selectors) });
    }
    let chosen = random.random_range(0..eligible.len());
    Ok((*eligible[chosen]).clone())
}

fn serves(owner: &Scope, scope: &Scope) -> bool {
    let is_org = owner.org.is_none() || owner.org == scope.org;
    is_org && (owner.project.is_none() || owner.project == scope.project)
}

fn has(delegate: &Delegate, selector: &str) -> bool {
    delegate.tags.iter().any(|tag| tag.trim().eq_ignore_ascii_case(selector.trim()))
}

fn reasons(owned: &[&Delegate], strangers: &[&Delegate], selectors: &[String]) -> Vec<String> {
    let mut reasons = Vec::new();
    if !owned.is_empty() {
        // Named are the selectors that nobody has; if each has somebody and nobody has all, all.
        let lacking: Vec<_> =
            selectors.iter().filter(|selector| !owned.iter().any(|delegate| has(delegate, selector))).collect();
        let named = if lacking.is_empty() { selectors.iter().collect() } else { lacking };
        let named = named.into_iter().map(|selector| selector.trim()).collect::<Vec<_>>().join(", ");
        reasons.push(format!("Delegate(s) don't have selectors [{named}]"));
    }
    if !strangers.is_empty() {
        reasons.push(String::from("There are no delegates with the right ownership to execute task\""));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use testbed::Seed;

    use super::*;

    fn delegate(name: &str, tags: &[&str], owner: (Option<&str>, Option<&str>), connected: bool) -> Delegate {
        Delegate {
            name: String::from(name),
            tags: tags.iter().map(|tag| String::from(*tag)).collect(),
            address: None,
            allow: None,
            owner: Scope::new(owner.0, owner.1),
            connected,
        }
    }

    fn check(delegates: &[Delegate], scope: (Option<&str>, Option<&str>), selectors: &[&str], expect: &str) {
        let selectors: Vec<_> = selectors.iter().map(|text| String::from(*text)).collect();
        let scope = Scope::new(scope.0, scope.1);
        let selected = select_delegate(delegates, &scope, &selectors, &mut Seed(1).stream("test"));
        assert_eq!(selected.map_or_else(|error| error.to_string(), |delegate| delegate.name), expect);
    }

    #[test]
    fn all_selectors_must_be_on_the_delegate_in_any_case() {
        let delegates = [
            delegate("a", &["linux"], (None, None), true),
            delegate("b", &["Linux ", "DC-East"], (None, None), true),
            delegate("c", &["linux", "dc-east"], (None, None), false),
        ];
        check(&delegates, (None, None), &[" linux", "dc-east"], "b");
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
    fn chance_decides_among_equals_and_repeats_with_the_seed() {
        let delegates: Vec<_> = ["a", "b", "c"].map(|name| delegate(name, &[], (None, None), true)).into();
        let draw = |seed| {
            let mut random = Seed(seed).stream("test");
            select_delegate(&delegates, &Scope::account(), &[], &mut random).unwrap().name
        };
        assert_eq!(draw(5), draw(5));
        assert!((0..50).any(|seed| draw(seed) != draw(0)));
    }
}
