//! Expectations against what was seen: pure functions of values, each check one [`Check`].

mod answer;
mod ask;
mod pipeline;
mod pull;
mod registry;
mod verdicts;

pub(crate) use answer::{Answer, answer};
pub(crate) use ask::{Seen, listed, pushed, resolved};
pub(crate) use pipeline::{Execution, execution};
pub(crate) use pull::pull;
pub(crate) use registry::{registry, tally};
pub(crate) use verdicts::verdicts;

use std::fmt::Display;

use testbed::diagnostic::Span;

use crate::outcome::Check;

/// Collects checks that were made from the same entries of the journal.
pub(crate) struct Checks {
    entries: (u64, u64),
    actor: Option<String>,
    made: Vec<Check>,
}

impl Checks {
    /// None yet; they will be made from the journal's entries after the first number, up to the second.
    pub(crate) fn from_entries(after: u64, up_to: u64) -> Self {
        Self { entries: (after, up_to), actor: None, made: Vec::new() }
    }

    /// Those that follow are about the exchanges of `actor` only.
    pub(crate) fn about(&mut self, actor: &str) {
        self.actor = Some(String::from(actor));
    }

    /// Notes one.
    pub(crate) fn note(
        &mut self,
        what: impl Into<String>,
        expected: impl Display,
        seen: impl Display,
        passed: bool,
        span: Span,
    ) {
        self.made.push(Check {
            what: what.into(),
            expected: expected.to_string(),
            seen: seen.to_string(),
            passed,
            span,
            entries: self.entries,
            actor: self.actor.clone(),
        });
    }

    /// All of them.
    pub(crate) fn done(self) -> Vec<Check> {
        self.made
    }
}

/// A list for people: `a, b`; `none` if it is empty.
fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { String::from("none") } else { items.join(", ") }
}
