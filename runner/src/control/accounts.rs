//! `/v1/registries/{name}/accounts`: who can log in. Passwords come in and never go out.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use mock_registry::{AccountConfig, MockRegistry};
use oci::{AccountName, PullLimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    body::{Read, json, ok},
    error::ApiError,
    server::App,
};

/// An account, without its password.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct AccountEntry {
    /// The user name.
    name: AccountName,
    /// How much it may pull, if it has a limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<PullLimit>,
}

pub(super) async fn list(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    Ok(ok(&entries(app.registry(&name)?)))
}

pub(super) async fn replace(
    State(app): State<App>,
    Path(name): Path<String>,
    Read(accounts): Read<Vec<AccountConfig>>,
) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    registry.set_accounts(accounts)?;
    Ok(ok(&entries(registry)))
}

pub(super) async fn add(
    State(app): State<App>,
    Path(name): Path<String>,
    Read(account): Read<AccountConfig>,
) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    let mut accounts = registry.accounts();
    if accounts.iter().any(|known| known.name == account.name) {
        let error = ApiError::conflict("name-taken", format!("{name} has an account `{}` already", account.name));
        return Err(error.hint("remove the other one first"));
    }
    accounts.push(account);
    registry.set_accounts(accounts)?;
    Ok(json(StatusCode::CREATED, &entries(registry)))
}

pub(super) async fn clear(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    registry.set_accounts(Vec::new())?;
    Ok(ok(&entries(registry)))
}

pub(super) async fn remove(
    State(app): State<App>,
    Path((name, account)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let registry = app.registry(&name)?;
    let _turn = app.turn.lock().await;
    let mut accounts = registry.accounts();
    if !accounts.iter().any(|known| known.name.as_str() == account) {
        return Err(ApiError::unknown("account", &account, accounts.iter().map(|known| known.name.as_str())));
    }
    accounts.retain(|known| known.name.as_str() != account);
    registry.set_accounts(accounts)?;
    Ok(ok(&entries(registry)))
}

fn entries(registry: &MockRegistry) -> Vec<AccountEntry> {
    let shown = |AccountConfig { name, limit, .. }| AccountEntry { name, limit };
    registry.accounts().into_iter().map(shown).collect()
}
