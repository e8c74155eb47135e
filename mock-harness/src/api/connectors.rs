//! `/ng/api/connectors`: create, update, get, delete, list, test.
//!
//! The scope comes from the body on create and update, and from the query elsewhere. Source: facts/harness B2 to B7.

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    auth::Caller,
    connector_body::connector_data,
    envelope::{Answered, ApiError, success},
    page::{PageSize, page},
    params::{Body, Identifier, Params},
};
use crate::{
    account::{Connectivity, Connector, ConnectorDraft, Level, Refusal, Scope},
    config::{ForceDelete, NotFoundStatus, Permission},
    platform::Platform,
    test_connection,
};

/// `POST /ng/api/connectors`: 200, with the status `PENDING` until a test in the background has ended.
///
/// # Errors
/// In this order: fields, permission, organisation and project, secrets, duplicate.
pub(super) async fn create(State(platform): State<Platform>, caller: Caller, body: Body) -> Answered {
    let draft = ConnectorDraft::read(&body.json()?)?;
    let attributes = json!({ "category": draft.clone().into_connector(platform.clock().now()).category() });
    caller.require(Permission::ConnectorEdit, &draft.scope, None, attributes)?;
    let connector = platform.account().create_connector(draft, platform.clock().now())?;
    Ok(answer_and_test(&platform, connector))
}

/// `PUT /ng/api/connectors`: as create; the identifier is in the body.
pub(super) async fn update(State(platform): State<Platform>, caller: Caller, body: Body) -> Answered {
    let draft = ConnectorDraft::read(&body.json()?)?;
    caller.require(Permission::ConnectorEdit, &draft.scope, Some(&draft.identifier), Value::Null)?;
    let connector = platform.account().update_connector(draft, platform.clock().now())?;
    Ok(answer_and_test(&platform, connector))
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
    match account.connector(&reference) {
        Some(connector) => Ok(success(connector_data(&connector, account.identifier()))),
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
    let account = platform.account();
    let force = params.flag("forceDelete");
    if force && account.behaviour().force_delete == ForceDelete::Disabled {
        let account = account.identifier();
        return Err(ApiError::invalid(format!(
            "Parameter forcedDelete cannot be true. Force Delete is not enabled for account [{account}]"
        )));
    }
    account.delete_connector(&reference, force)?;
    Ok(success(Value::Bool(true)))
}

/// `GET /ng/api/connectors`: the older list, 100 a page unless told otherwise.
pub(super) async fn list(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    let filter = json!({
        "types": params.get("type").map(|kind| vec![kind]).unwrap_or_default(),
        "categories": params.get("category").map(|category| vec![category]).unwrap_or_default(),
    });
    list_page(&platform, &caller, &params, &filter, PageSize { default: 100, max: 1000 })
}

/// `POST /ng/api/connectors/listV2`: 50 a page unless told otherwise, the last changed first.
pub(super) async fn list_v2(State(platform): State<Platform>, caller: Caller, params: Params, body: Body) -> Answered {
    let filter = if body.0.is_empty() { Value::Null } else { body.json()? };
    list_page(&platform, &caller, &params, &filter, PageSize::USUAL)
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
        identifier != "harnessSecretManager" && platform.account().connector(&params.entity(identifier)).is_none();
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

fn answer_and_test(platform: &Platform, connector: Connector) -> super::envelope::Reply {
    let reply = success(connector_data(&connector, platform.account().identifier()));
    test_connection::settle_later(platform, connector);
    reply
}

fn list_page(platform: &Platform, caller: &Caller, params: &Params, filter: &Value, sizes: PageSize) -> Answered {
    let scope = params.scope();
    caller.require(Permission::ConnectorView, &scope, None, Value::Null)?;
    let account = platform.account();
    let mut found = account.connectors_in(&scope);
    if params.flag("includeAllConnectorsAvailableAtScope") {
        for above in scopes_above(&scope) {
            found.extend(account.connectors_in(&above));
        }
        found.sort_by_key(|connector| std::cmp::Reverse(connector.revision));
    }
    let search = params.get("searchTerm").map(str::to_lowercase);
    found.retain(|connector| admits(filter, connector) && search.as_ref().is_none_or(|term| mentions(connector, term)));
    Ok(success(page(&found, params, sizes, |connector| connector_data(connector, account.identifier()))))
}

fn scopes_above(scope: &Scope) -> Vec<Scope> {
    match scope.level() {
        Level::Account => Vec::new(),
        Level::Org => vec![Scope::account()],
        Level::Project => vec![Scope { org: scope.org.clone(), project: None }, Scope::account()],
    }
}

fn mentions(connector: &Connector, term: &str) -> bool {
    [&connector.name, &connector.identifier].iter().any(|text| text.to_lowercase().contains(term))
}

/// Whether a filter of `listV2` lets a connector through: every list given must name it.
fn admits(filter: &Value, connector: &Connector) -> bool {
    let names = |key: &str, text: &str| {
        let wanted = filter.get(key).and_then(Value::as_array).filter(|wanted| !wanted.is_empty());
        wanted.is_none_or(|wanted| wanted.iter().any(|value| value.as_str() == Some(text)))
    };
    let status = match connector.tested.status {
        Connectivity::Success => "SUCCESS",
        Connectivity::Failure => "FAILURE",
        Connectivity::Unknown => "UNKNOWN",
        Connectivity::Pending => "PENDING",
    };
    let mode = if connector.execute_on_delegate() { "DELEGATE" } else { "MANAGER" };
    names("types", connector.kind())
        && names("categories", connector.category())
        && names("connectorIdentifiers", &connector.identifier)
        && names("connectorNames", &connector.name)
        && names("connectivityStatuses", status)
        && names("connectorConnectivityModes", mode)
}
