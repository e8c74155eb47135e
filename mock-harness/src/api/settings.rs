//! `/ng/api/settings`: settings of the account.
//!
//! The shapes are those of the server's `SettingDTO`, `SettingValueResponseDTO` and `SettingUpdateResponseDTO`, December 2023.

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::{
    auth::Caller,
    envelope::{Answered, success},
    params::{Body, Identifier, Params},
};
use crate::{
    account::{FieldErrors, Refusal, Scope, Setting, flag, text, unreadable},
    config::Permission,
    platform::{Platform, epoch_ms},
};

/// `GET /ng/api/settings/{identifier}`: the value of one setting.
///
/// # Errors
/// There is none of this identifier. No permission is asked for.
pub(super) async fn get(State(platform): State<Platform>, _: Caller, Identifier(identifier): Identifier) -> Answered {
    let setting = platform.account().setting(&identifier)?;
    Ok(success(json!({ "valueType": "BOOLEAN", "value": setting.value.to_string() })))
}

/// `GET /ng/api/settings?category=`: the settings of a category.
pub(super) async fn list(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    caller.require(Permission::SettingView, &params.scope(), None, Value::Null)?;
    let Some(category) = params.get("category") else {
        let mut errors = FieldErrors::default();
        errors.add("category", "must not be null");
        errors.finish()?;
        return Ok(success(Value::Array(Vec::new())));
    };
    // The settings known here are the account's alone.
    let is_account = params.scope() == Scope::account();
    let settings = platform.account().settings().into_iter();
    let found = settings.filter(|setting| is_account && setting.kind.category == category);
    Ok(success(
        found.map(|setting| json!({ "setting": shown(&setting), "lastModifiedAt": set_at(&setting) })).collect(),
    ))
}

/// `PUT /ng/api/settings`, body `[{"identifier", "value", "allowOverrides", "updateType": "UPDATE" | "RESTORE"}]`: one result
/// for each, in their order; one that fails does not keep the others from being set.
pub(super) async fn update(State(platform): State<Platform>, caller: Caller, params: Params, body: Body) -> Answered {
    caller.require(Permission::SettingEdit, &params.scope(), None, Value::Null)?;
    let Value::Array(changes) = body.json()? else { return Err(unreadable().into()) };
    let mut results = Vec::with_capacity(changes.len());
    for change in &changes {
        let change = change.as_object().ok_or_else(unreadable)?;
        let identifier = text(change, "identifier")?.unwrap_or_default();
        results.push(match apply(&platform, &params.scope(), &identifier, change) {
            Ok(setting) => json!({
                "identifier": identifier,
                "setting": shown(&setting),
                "lastModifiedAt": set_at(&setting),
                "updateStatus": true,
                "errorMessage": null,
            }),
            Err(refusal @ Refusal::Unreadable(_)) => return Err(refusal.into()),
            Err(refusal) => json!({
                "identifier": identifier,
                "setting": null,
                "lastModifiedAt": null,
                "updateStatus": false,
                "errorMessage": refusal.to_string(),
            }),
        });
    }
    Ok(success(Value::Array(results)))
}

fn apply(
    platform: &Platform,
    scope: &Scope,
    identifier: &str,
    change: &Map<String, Value>,
) -> Result<Setting, Refusal> {
    let value = text(change, "value")?;
    flag(change, "allowOverrides")?;
    let value = match text(change, "updateType")?.as_deref() {
        Some("UPDATE") => Some(value.unwrap_or_default()),
        Some("RESTORE") => None,
        _ => return Err(unreadable()),
    };
    if *scope != Scope::account() {
        return Err(Refusal::Invalid(format!("Setting [{identifier}] is invalid or is not applicable in the scope")));
    }
    platform.account().set_setting(identifier, value.as_deref(), platform.clock().now())
}

fn set_at(setting: &Setting) -> Option<i64> {
    setting.set_at.map(epoch_ms)
}

fn shown(setting: &Setting) -> Value {
    let Setting { kind, value, set_at } = setting;
    json!({
        "identifier": kind.identifier,
        "name": kind.name,
        "orgIdentifier": null,
        "projectIdentifier": null,
        "category": kind.category,
        "groupIdentifier": null,
        "valueType": "BOOLEAN",
        "allowedValues": null,
        "allowOverrides": false,
        "value": value.to_string(),
        "defaultValue": kind.default.to_string(),
        "settingSource": if set_at.is_some() { "ACCOUNT" } else { "DEFAULT" },
        "isSettingEditable": true,
        "allowedScopes": ["ACCOUNT"],
    })
}
