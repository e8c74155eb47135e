//! Lists of connectors: `GET /ng/api/connectors`, `listV2`, `listbyfqn`, `stats`.
//!
//! Who may see all connectors of the scope gets them; who may see some gets those; who may see none is refused.
//! Source: facts/harness B2, B6; the shape of `stats` from the Go SDK's `ConnectorStatistics`.

use std::collections::BTreeMap;

use axum::extract::State;
use serde_json::{Value, json};

use super::{
    auth::Caller,
    connector_body::connector_data,
    envelope::{Answered, ApiError, success},
    page::{PageSize, page_of},
    params::{Body, Params},
};
use crate::{
    account::{
        Connector, ConnectorFilter, ConnectorPage, ConnectorQuery, EntityRef, Level, Refusal, Scope, Search, SortOrder,
        category, is_category, unreadable,
    },
    config::Permission,
    platform::Platform,
};

/// The most names that `listbyfqn` takes.
const MAX_NAMES: usize = 1000;

/// `GET /ng/api/connectors`: the older list, 100 a page unless told otherwise, the last made first.
pub(super) async fn list(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    let kind = one_of(&params, "type", &|kind| category(kind).is_some())?;
    let wanted = one_of(&params, "category", &is_category)?;
    let source = one_of(&params, "source_category", &is_category)?;
    let filter = ConnectorFilter {
        types: kind.into_iter().collect(),
        categories: wanted.into_iter().collect(),
        // As a source, secret managers mean the built-in one; other sources are not looked at.
        identifiers: source
            .filter(|source| source == "SECRET_MANAGER")
            .map(|_| "harnessSecretManager".into())
            .into_iter()
            .collect(),
        search: params.get("searchTerm").and_then(Search::names),
        nexus_version: params.get("version").map(String::from),
        ..ConnectorFilter::default()
    };
    list_page(&platform, &caller, &params, &filter, &[SortOrder::NEWEST], PageSize { default: 100, max: 1000 })
}

/// `POST /ng/api/connectors/listV2`: 50 a page unless told otherwise, the last changed first.
pub(super) async fn list_v2(State(platform): State<Platform>, caller: Caller, params: Params, body: Body) -> Answered {
    let body = if body.0.is_empty() { Value::Null } else { body.json()? };
    let mut filter = match &body {
        Value::Null => ConnectorFilter::default(),
        Value::Object(fields) => ConnectorFilter::read(fields)?,
        _ => return Err(unreadable().into()),
    };
    if params.get("filterIdentifier").is_some() {
        if !body.is_null() {
            return Err(ApiError::invalid("Can not apply both filter properties and saved filter together"));
        }
        // No filter is ever saved here.
        let (scope, account) = (params.scope(), platform.account().identifier());
        let org = scope.org.iter().map(|org| format!(", org {org}"));
        let project = scope.project.iter().map(|project| format!(", project {project}"));
        let place: String = org.chain(project).collect();
        return Err(ApiError::invalid(format!(
            "Could not find a connector filter with the identifier account {account}{place}"
        )));
    }
    if params.flag("onlyFavorites") {
        // Nobody has favourites; then the server looks for an identifier that there is not.
        filter.identifiers.push(String::from("NO_MATCH"));
    }
    filter.search = params.get("searchTerm").and_then(Search::new);
    filter.nexus_version = params.get("version").map(String::from);
    let order: Vec<_> = params.all("sortOrders").filter_map(SortOrder::parse).collect();
    list_page(&platform, &caller, &params, &filter, &order, PageSize::USUAL)
}

/// `POST /ng/api/connectors/listbyfqn`: the connectors that full names mean (`account/org/project/identifier`), the last made
/// first. No permission is asked for.
pub(super) async fn list_by_name(State(platform): State<Platform>, _: Caller, body: Body) -> Answered {
    let Value::Array(names) = body.json()? else { return Err(unreadable().into()) };
    if names.len() > MAX_NAMES {
        return Err(ApiError::invalid("The FQNs of the connectors should be less than or equal to 1000."));
    }
    let account = platform.account();
    let mut found = BTreeMap::new();
    for name in &names {
        let name = name.as_str().ok_or_else(unreadable)?;
        let connector = read_full_name(name, account.identifier()).and_then(|name| account.find_connector(&name));
        found.extend(connector.map(|connector| (connector.made, connector)));
    }
    let shown = found.values().rev().map(|connector| connector_data(&platform, connector, None));
    Ok(success(shown.collect()))
}

/// `GET /ng/api/connectors/stats`: how many connectors of the scope there are of each type, and in each status.
pub(super) async fn stats(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    let scope = params.scope();
    let filter = ConnectorFilter::default();
    let query =
        ConnectorQuery { scopes: std::slice::from_ref(&scope), filter: &filter, order: &[], skip: 0, take: usize::MAX };
    let ConnectorPage { connectors, .. } = permitted(&platform, &caller, &scope, &query)?;
    let (mut types, mut statuses) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
    for connector in &connectors {
        *types.entry(connector.kind()).or_default() += 1;
        *statuses.entry(connector.tested.status.wire()).or_default() += 1;
    }
    let types = types.into_iter().map(|(kind, count)| json!({ "type": kind, "count": count }));
    let statuses = statuses.into_iter().map(|(status, count)| json!({ "status": status, "count": count }));
    Ok(success(json!({ "typeStats": types.collect::<Vec<_>>(), "statusStats": statuses.collect::<Vec<_>>() })))
}

fn list_page(
    platform: &Platform,
    caller: &Caller,
    params: &Params,
    filter: &ConnectorFilter,
    order: &[SortOrder],
    sizes: PageSize,
) -> Answered {
    let scope = params.scope();
    let mut scopes = vec![scope.clone()];
    if params.flag("includeAllConnectorsAvailableAtScope") {
        scopes.extend(scopes_above(&scope));
    }
    let (index, size) = sizes.read(params);
    let query = ConnectorQuery { scopes: &scopes, filter, order, skip: index.saturating_mul(size), take: size };
    let ConnectorPage { total, connectors } = permitted(platform, caller, &scope, &query)?;
    let content = connectors.iter().map(|connector| connector_data(platform, connector, None)).collect();
    Ok(success(page_of(content, total, index, size)))
}

/// The page of `query` that the caller may see.
fn permitted(
    platform: &Platform,
    caller: &Caller,
    scope: &Scope,
    query: &ConnectorQuery<'_>,
) -> Result<ConnectorPage, ApiError> {
    if caller.may(Permission::ConnectorView, scope, None) {
        return Ok(platform.account().list_connectors(query, None));
    }
    let may_see =
        |connector: &Connector| caller.may(Permission::ConnectorView, &connector.scope, Some(&connector.identifier));
    let page = platform.account().list_connectors(query, Some(&may_see));
    if page.total == 0 {
        caller.require(Permission::ConnectorView, scope, None, Value::Null)?;
    }
    Ok(page)
}

fn scopes_above(scope: &Scope) -> Vec<Scope> {
    match scope.level() {
        Level::Account => Vec::new(),
        Level::Org => vec![Scope::account()],
        Level::Project => vec![Scope { org: scope.org.clone(), project: None }, Scope::account()],
    }
}

/// A parameter that is one of certain words.
fn one_of(params: &Params, name: &str, is_known: &dyn Fn(&str) -> bool) -> Result<Option<String>, ApiError> {
    match params.get(name) {
        Some(value) if !is_known(value) => {
            let message = format!("query param {name} must be one of the known values");
            Err(ApiError::Refused(Refusal::Unreadable(message)))
        }
        value => Ok(value.map(String::from)),
    }
}

fn read_full_name(name: &str, account: &str) -> Option<EntityRef> {
    let rest = name.strip_prefix(account)?.strip_prefix('/')?;
    let (scope, identifier) = match *rest.split('/').collect::<Vec<_>>() {
        [identifier] => (Scope::account(), identifier),
        [org, identifier] => (Scope::new(Some(org), None), identifier),
        [org, project, identifier] => (Scope::new(Some(org), Some(project)), identifier),
        _ => return None,
    };
    Some(EntityRef { scope, identifier: String::from(identifier) })
}
