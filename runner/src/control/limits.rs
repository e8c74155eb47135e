//! `/v1/registries/{name}/limits`: how much of what a registry allows to whom.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use mock_registry::{Allow, LimitConfig, Limited, MockRegistry};
use oci::PullLimit;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    body::{Read, json, ok},
    error::ApiError,
    server::App,
};

/// What is different about a limit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct LimitChange {
    /// How much it allows from now on: `5/1h`, `10` at once, or `none`. What was used still counts.
    allow: Allow,
}

pub(super) async fn list(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    Ok(ok(&app.registry(&name)?.limits()))
}

pub(super) async fn replace(
    State(app): State<App>,
    Path(name): Path<String>,
    Read(limits): Read<Vec<LimitConfig>>,
) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    registry.set_limits(&limits)?;
    Ok(ok(&registry.limits()))
}

pub(super) async fn add(
    State(app): State<App>,
    Path(name): Path<String>,
    Read(limit): Read<LimitConfig>,
) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    let mut limits = registry.limits();
    if limits.iter().any(|known| known.name == limit.name) {
        let error = ApiError::conflict("name-taken", format!("{name} has a limit `{}` already", limit.name));
        return Err(error.hint("give it another name, or PATCH the other one"));
    }
    limits.push(limit);
    registry.set_limits(&limits)?;
    Ok(json(StatusCode::CREATED, &registry.limits()))
}

pub(super) async fn clear(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    registry.set_limits(&[])?;
    Ok(ok(&registry.limits()))
}

pub(super) async fn remove(
    State(app): State<App>,
    Path((name, limit)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    let mut limits = registry.limits();
    let known = limits.len();
    limits.retain(|known| known.name != limit);
    if limits.len() == known {
        return Err(unknown(registry, &limit));
    }
    registry.set_limits(&limits)?;
    Ok(ok(&registry.limits()))
}

pub(super) async fn change(
    State(app): State<App>,
    Path((name, limit)): Path<(String, String)>,
    Read(LimitChange { allow }): Read<LimitChange>,
) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    let mut limits = registry.limits();
    if let Some(known) = limits.iter_mut().find(|known| known.name == limit) {
        known.allow = allow;
        registry.set_limits(&limits)?;
    } else {
        // The two that every registry may have need not be there from the start.
        let who = [Limited::Anonymous, Limited::Accounts].into_iter().find(|who| who.limit_name() == limit);
        let who = who.ok_or_else(|| unknown(registry, &limit))?;
        let pulls: PullLimit = allow.to_string().parse().map_err(|error| {
            let error = ApiError::wrong("impossible", format!("allow: {error}"));
            error.hint("a limit that is not there yet begins with pulls in a window: `5/1h`")
        })?;
        registry.set_limit(who, Some(pulls));
    }
    Ok(ok(&registry.limits()))
}

fn unknown(registry: &MockRegistry, limit: &str) -> ApiError {
    let limits = registry.limits();
    ApiError::unknown("limit", limit, limits.iter().map(|known| known.name.as_str()))
}
