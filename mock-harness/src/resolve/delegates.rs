//! Which delegates may do a stage's task, and why the others may not.
//!
//! Source: facts/harness C. The choice among them is [`Account::select_delegate`]'s.

use serde::Serialize;

use crate::{
    account::{Account, Delegate, Level, Scope},
    delegate::DelegateTask,
};

/// What a delegate is to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DelegateVerdict {
    /// Its name.
    pub delegate: String,
    /// Why it may not do the task; none if it may.
    pub why_not: Option<String>,
}

/// Every delegate that `account` knows of, for the set-up of a stage of `scope` that asks for `selectors`.
pub(super) fn judge_delegates(account: &Account, scope: &Scope, selectors: &[String]) -> Vec<DelegateVerdict> {
    let now = account.delegate_pool().now();
    let task = DelegateTask::initialize(scope, selectors);
    let names =
        |list: &Option<Vec<String>>, name: &str| list.as_ref().is_none_or(|list| list.iter().any(|one| one == name));
    let judge = |delegate: &Delegate| {
        let lacking: Vec<_> =
            selectors.iter().filter(|selector| !has(delegate, selector)).map(|text| text.trim()).collect();
        let why_not = if !delegate.life.pulse(now).is_connected {
            Some(String::from("it is not connected"))
        } else if !serves(&delegate.owner, scope) {
            Some(format!("it serves {} only", place(&delegate.owner)))
        } else if !lacking.is_empty() {
            Some(format!("it has no [{}]", lacking.join(", ")))
        } else if !names(&delegate.task_types, task.kind) {
            Some(format!("it does not support tasks of type {}", task.kind))
        } else if !names(&delegate.scopes, task.group) {
            Some(format!("its scopes do not let it do tasks of {}", task.group))
        } else {
            None
        };
        DelegateVerdict { delegate: delegate.name.clone(), why_not }
    };
    account.delegates().iter().map(|delegate| judge(delegate)).collect()
}

/// Whether the delegate has all of `selectors`, compared trimmed and in any case.
pub(super) fn has_all(delegate: &Delegate, selectors: &[String]) -> bool {
    selectors.iter().all(|selector| has(delegate, selector))
}

fn has(delegate: &Delegate, selector: &str) -> bool {
    delegate.selectors().any(|tag| tag.trim().eq_ignore_ascii_case(selector.trim()))
}

fn serves(owner: &Scope, scope: &Scope) -> bool {
    match owner.level() {
        Level::Account => true,
        Level::Org => owner.org == scope.org,
        Level::Project => owner == scope,
    }
}

fn place(owner: &Scope) -> String {
    match (&owner.org, &owner.project) {
        (Some(org), Some(project)) => format!("project `{org}/{project}`"),
        (Some(org), None) => format!("organisation `{org}`"),
        _ => String::from("the account"),
    }
}
