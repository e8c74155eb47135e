//! `/v1/registries/{name}/rules`: how a registry is scripted, and how often each rule was used. The Harness API has rules
//! too.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::rule::{Rule, RuleBook, RuleFor, RuleUse};

use super::{
    body::{Read, json, ok},
    error::ApiError,
    server::App,
};
use crate::world::HARNESS_API;

/// A rule, and how often it was used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RuleEntry {
    /// Its name; one that was given none is called by its number: `rule-1`.
    pub(super) name: String,
    /// How many exchanges it was about.
    pub(super) matched: u32,
    /// How many it applied to.
    pub(super) fired: u32,
    /// If it was about none: what the nearest exchange lacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) near_miss: Option<String>,
    /// The rule itself.
    pub(super) rule: Rule,
}

pub(super) async fn list(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    Ok(ok(&entries(app.rules(&name)?.0)))
}

pub(super) async fn replace(
    State(app): State<App>,
    Path(name): Path<String>,
    Read(rules): Read<Vec<Rule>>,
) -> Result<Response, ApiError> {
    let (book, of) = app.rules(&name)?;
    let _turn = app.turn.lock().await;
    check(&rules, of)?;
    book.replace(rules);
    Ok(ok(&entries(book)))
}

pub(super) async fn add(
    State(app): State<App>,
    Path(name): Path<String>,
    Read(rule): Read<Rule>,
) -> Result<Response, ApiError> {
    let (book, of) = app.rules(&name)?;
    let _turn = app.turn.lock().await;
    if let Some(problem) = rule.problems(of).into_iter().next() {
        return Err(ApiError::from(problem));
    }
    if let Some(called) = &rule.name
        && book.uses().iter().any(|known| known.name == *called)
    {
        let error = ApiError::conflict("name-taken", format!("{name} has a rule `{called}` already"));
        return Err(error.hint("give it another name, or remove the other one first"));
    }
    book.add(rule);
    Ok(json(StatusCode::CREATED, &entries(book)))
}

pub(super) async fn clear(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let (book, _) = app.rules(&name)?;
    let _turn = app.turn.lock().await;
    book.replace([]);
    Ok(ok(&entries(book)))
}

pub(super) async fn remove(
    State(app): State<App>,
    Path((name, rule)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (book, _) = app.rules(&name)?;
    let _turn = app.turn.lock().await;
    if !book.remove(&rule) {
        return Err(ApiError::unknown("rule", &rule, book.uses().iter().map(|known| known.name.as_str())));
    }
    Ok(ok(&entries(book)))
}

impl App {
    /// The rules of a registry, or of the Harness API.
    ///
    /// # Errors
    /// 404: there is no such actor.
    pub(super) fn rules(&self, name: &str) -> Result<(&RuleBook, RuleFor), ApiError> {
        match self.world.harness() {
            Some(harness) if name == HARNESS_API => Ok((harness.rules(), RuleFor::Api)),
            _ => self.registry(name).map(|registry| (registry.rules(), RuleFor::Registry)),
        }
    }
}

/// Every rule of `book`, in order.
pub(super) fn entries(book: &RuleBook) -> Vec<RuleEntry> {
    let of = |(rule, told): (Rule, RuleUse)| {
        let RuleUse { name, n_matched, n_fired, near_miss } = told;
        RuleEntry { name, matched: n_matched, fired: n_fired, near_miss, rule }
    };
    book.rules().into_iter().zip(book.uses()).map(of).collect()
}

/// Looks whether `rules` can be put in force together.
///
/// # Errors
/// 422: one of them cannot do anything, or two have one name.
pub(super) fn check(rules: &[Rule], of: RuleFor) -> Result<(), ApiError> {
    let mut names = std::collections::HashSet::new();
    for (n, rule) in rules.iter().enumerate() {
        if let Some(problem) = rule.problems(of).into_iter().next() {
            return Err(ApiError::from(problem).below(&format!("[{n}]")));
        }
        if let Some(name) = &rule.name
            && !names.insert(name)
        {
            let error = ApiError::wrong("name-taken", format!("[{n}].name: there are two rules `{name}`"));
            return Err(error.hint("give each a name of its own"));
        }
    }
    Ok(())
}
