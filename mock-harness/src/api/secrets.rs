//! `/ng/api/v2/secrets`: text secrets. Their values come in and never go out.
//!
//! Source: facts/harness D.

use axum::extract::State;
use serde_json::{Value, json};

use super::{
    auth::Caller,
    envelope::{Answered, ApiError, success},
    page::{PageSize, page},
    params::{Body, Identifier, Params},
};
use crate::{
    account::{Refusal, SecretDraft, SecretText, secret_not_found},
    config::Permission,
    platform::{Platform, epoch_ms},
};

/// `POST /ng/api/v2/secrets`.
pub(super) async fn create(State(platform): State<Platform>, caller: Caller, params: Params, body: Body) -> Answered {
    let draft = SecretDraft::read(&body.json()?, &params.scope())?;
    caller.require(Permission::SecretEdit, &draft.scope, None, Value::Null)?;
    Ok(success(secret_data(&platform.account().create_secret(draft, platform.clock().now())?)))
}

/// `PUT /ng/api/v2/secrets/{identifier}`; without a value the old one stays.
pub(super) async fn update(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    let draft = SecretDraft::read(&body.json()?, &params.scope())?;
    caller.require(Permission::SecretEdit, &draft.scope, Some(&identifier), Value::Null)?;
    if draft.identifier != identifier {
        return Err(ApiError::invalid("Identifier in path and payload do not match."));
    }
    Ok(success(secret_data(&platform.account().update_secret(draft, platform.clock().now())?)))
}

/// `GET /ng/api/v2/secrets/{identifier}`.
pub(super) async fn get(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    caller.require(Permission::SecretView, &reference.scope, Some(&identifier), Value::Null)?;
    let secret = platform.account().secret(&reference);
    let secret = secret.ok_or_else(|| Refusal::NotFound(secret_not_found(&identifier)))?;
    Ok(success(secret_data(&secret)))
}

/// `DELETE /ng/api/v2/secrets/{identifier}`: data `true`.
pub(super) async fn delete(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    caller.require(Permission::SecretDelete, &reference.scope, Some(&identifier), Value::Null)?;
    platform.account().delete_secret(&reference)?;
    Ok(success(Value::Bool(true)))
}

/// `POST /ng/api/v2/secrets/list`: the secrets of the query's scope itself.
pub(super) async fn list(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    let scope = params.scope();
    caller.require(Permission::SecretView, &scope, None, Value::Null)?;
    Ok(success(page(&platform.account().secrets_in(&scope), &params, PageSize::USUAL, secret_data)))
}

fn secret_data(secret: &SecretText) -> Value {
    let SecretText { draft, created_at, updated_at } = secret;
    let SecretDraft { scope, identifier, name, description, tags, manager, value_type, value: _ } = draft;
    json!({
        "secret": {
            "type": "SecretText",
            "name": name,
            "identifier": identifier,
            "orgIdentifier": scope.org,
            "projectIdentifier": scope.project,
            "tags": tags,
            "description": description,
            "spec": {
                "secretManagerIdentifier": manager,
                "valueType": value_type,
                "value": null,
                "additionalMetadata": null,
            },
        },
        "createdAt": epoch_ms(*created_at),
        "updatedAt": epoch_ms(*updated_at),
        "draft": false,
        "governanceMetadata": null,
    })
}
