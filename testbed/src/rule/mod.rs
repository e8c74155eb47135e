//! Rules: how an actor is scripted. One vocabulary for scenario files, Rust and the control API.
//!
//! A rule is a [`Matcher`] (which exchange), a [`Trigger`] (which occurrence of it) and an [`Action`] (what happens). An
//! actor describes each exchange as an [`Occasion`] and asks its [`RuleBook`]; deciding is here, doing is the actor's.

mod action;
mod actions;
mod book;
mod check;
mod index;
mod matcher;
mod offset;
mod pattern;
mod scalar;
mod trigger;

pub use action::{Action, Answer, Corrupt, Cut, Delay, HeaderChange, MoveTag, RangeFault, Redirect, Stall};
pub use actions::Actions;
pub use book::{Fired, RuleBook, RuleUse};
pub use check::{RuleFor, RuleProblem};
pub use matcher::{Call, Matcher, MethodMatch, Occasion};
pub use offset::Offset;
pub use pattern::Pattern;
pub use scalar::text_or_number;
pub use trigger::{Occurrences, Trigger};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One rule: when this is asked, that happens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// How the journal and reports call it. Default: its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which exchanges it is about.
    pub when: Matcher,
    /// Which of these it applies to. Default: all.
    #[serde(default)]
    pub times: Trigger,
    /// What happens: one action, or several.
    pub then: Actions,
}
