//! `/ng/api/connectors`: create, update, get, delete, test. Lists are in `connector_list`, what is known of types in
//! `catalogue`.
//!
//! The scope comes from the body on create and update, and from the query elsewhere. Source: facts/harness B2 to B7.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use testbed::Timestamp;

use super::{
    auth::Caller,
    connector_body::{connector_data, denied_data},
    envelope::{Answered, ApiError, success},
    params::{Body, Identifier, Params},
};
use crate::{
    account::{Account, Connector, ConnectorDraft, Refusal},
    config::{NotFoundStatus, Permission},
    platform::Platform,
    test_connection,
};

/// The identifier of the built-in secret manager, which is a connector too, and nobody's.
const SECRET_MANAGER: &str = "harnessSecretManager";

/// `POST /ng/api/connectors`: 200, with the status `PENDING` until a test in the background has ended.
///
/// # Errors
/// In this order: fields, permission, policies, organisation and project, secrets, duplicate. What policies deny is no error:
/// 200, with nothing but `governanceMetadata`.
pub(super) async fn create(State(platform): State<Platform>, caller: Caller, body: Body) -> Answered {
    let draft = ConnectorDraft::read(&body.json()?)?;
    if draft.identifier == SECRET_MANAGER {
        return Err(ApiError::invalid(format!("{SECRET_MANAGER} cannot be used as connector identifier")));
    }
    if draft.spec.kind() == "Local" {
        return Err(ApiError::invalid("Local Secret Manager creation not supported"));
    }
    caller.require_of(
        Permission::ConnectorEdit,
        &draft.scope,
        None,
        || json!({ "category": draft.spec.category() }),
    )?;
    judge_and_store(&platform, draft, Account::create_connector)
}

/// `PUT /ng/api/connectors`: as create; the identifier is in the body.
///
/// # Errors
/// In this order: fields, permission, policies, missing, another type, organisation and project, secrets.
pub(super) async fn update(State(platform): State<Platform>, caller: Caller, body: Body) -> Answered {
    let draft = ConnectorDraft::read(&body.json()?)?;
    caller.require(Permission::ConnectorEdit, &draft.scope, Some(&draft.identifier), Value::Null)?;
    if draft.identifier == SECRET_MANAGER {
        return Err(ApiError::invalid("Update operation not supported for Harness Secret Manager"));
    }
    judge_and_store(&platform, draft, Account::update_connector)
}

/// `GET /ng/api/connectors/{identifier}`.
pub(super) async fn get(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    caller.require(Permission::ConnectorView, &reference.scope, Some(&identifier), Value::Null)?;
    let account = platform.account();
    match account.find_connector(&reference) {
        Some(connector) => Ok(success(connector_data(&platform, &connector, None))),
        None => {
            let status = match account.behaviour().not_found_status {
                NotFoundStatus::BadRequest => StatusCode::BAD_REQUEST,
                NotFoundStatus::NotFound => StatusCode::NOT_FOUND,
            };
            let place = match (&reference.scope.org, &reference.scope.project) {
                (Some(org), Some(project)) => format!("project [{project}] and org [{org}]"),
                (Some(org), None) => format!("org [{org}]"),
                _ => format!("account [{}]", account.identifier()),
            };
            let message = format!("Connector with identifier [{identifier}] not found in {place}.");
            Err(ApiError::NotFound { status, message })
        }
    }
}

/// `DELETE /ng/api/connectors/{identifier}`: data `true`.
pub(super) async fn delete(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    caller.require(Permission::ConnectorDelete, &reference.scope, Some(&identifier), Value::Null)?;
    if identifier == SECRET_MANAGER {
        return Err(ApiError::invalid("Delete operation not supported for Harness Secret Manager"));
    }
    let account = platform.account();
    let force = params.flag("forceDelete");
    if force && !account.force_delete_enabled() {
        let account = account.identifier();
        return Err(ApiError::invalid(format!(
            "Parameter forcedDelete cannot be true. Force Delete is not enabled for account [{account}]"
        )));
    }
    account.delete_connector(&reference, force)?;
    Ok(success(Value::Bool(true)))
}

/// `GET /ng/api/connectors/validateUniqueIdentifier`: whether the identifier is free.
pub(super) async fn validate_unique_identifier(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
) -> Answered {
    let Some(identifier) = params.get("identifier") else {
        return Err(ApiError::invalid("identifier cannot be empty"));
    };
    // The built-in secret manager holds this name everywhere.
    let is_free =
        identifier != SECRET_MANAGER && platform.account().find_connector(&params.entity(identifier)).is_none();
    Ok(success(Value::Bool(is_free)))
}

/// `POST /ng/api/connectors/testConnection/{identifier}`: asks the registry, stores what it found, and answers it.
pub(super) async fn test_connection(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    caller.require(Permission::ConnectorAccess, &reference.scope, Some(&identifier), Value::Null)?;
    let Some(connector) = platform.account().connector(&reference) else {
        let message = format!("No connector found with identifier {identifier}");
        return Err(ApiError::Refused(Refusal::NoConnector(message)));
    };
    test_connection::answer(&platform, test_connection::run_to_end(&platform, connector).await?)
}

/// `POST /ng/api/connectors/testGitRepoConnection/{identifier}?repoURL=`: tests a connector to a repository of code. Whatever
/// else it connects to is a `FAILURE` without a reason.
pub(super) async fn test_git_connection(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    caller.require(Permission::ConnectorAccess, &reference.scope, Some(&identifier), Value::Null)?;
    let account = platform.account();
    let Some(connector) = account.connector(&reference) else {
        return Err(ApiError::Refused(Refusal::NoConnector(account.no_such_connector(&reference))));
    };
    if connector.category() != "CODE_REPO" {
        return Ok(success(json!({
            "status": "FAILURE",
            "errors": null,
            "errorSummary": null,
            "testedAt": 0,
            "delegateId": null,
            "taskId": null,
        })));
    }
    test_connection::answer(&platform, test_connection::run_to_end(&platform, connector).await?)
}

/// What policies do not deny is stored, answered, and tested in the background.
fn judge_and_store(
    platform: &Platform,
    draft: ConnectorDraft,
    store: impl FnOnce(&Account, ConnectorDraft, Timestamp) -> Result<Arc<Connector>, Refusal>,
) -> Answered {
    let now = platform.clock().now();
    let verdict = platform.account().judge(&draft, now);
    if let Some(verdict) = verdict.as_ref().filter(|verdict| verdict.denies) {
        return Ok(success(denied_data(verdict)));
    }
    let connector = store(platform.account(), draft, now)?;
    let reply = success(connector_data(platform, &connector, verdict.as_ref()));
    test_connection::settle_later(platform, Connector::clone(&connector));
    Ok(reply)
}
