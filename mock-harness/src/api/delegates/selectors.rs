//! `/setup/delegates/delegate-selectors` and its kin, which are the older manager's, with scopes in `orgId` and `projectId`.
//!
//! Below which prefix they are reached from outside is not known: the switch `manager-prefix`. Source: facts/harness C, U6.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Router,
    extract::{OriginalUri, State},
    routing::get,
};
use serde_json::{Value, json};

use super::may_view;
use crate::{
    account::Scope,
    api::{
        auth::Caller,
        envelope::{Answered, ApiError, no_such_path, resource},
        params::Params,
    },
    config::ManagerPrefix,
    platform::Platform,
};

/// The routes, with and without `/api`, in both versions.
pub(crate) fn manager_routes() -> Router<Platform> {
    let routes = Router::new()
        .route("/delegate-selectors", get(connected))
        .route("/delegate-selectors-up-the-hierarchy", get(up_the_hierarchy))
        .route("/delegate-selectors-up-the-hierarchy-v2", get(up_the_hierarchy_v2));
    let both = Router::new().nest("/setup/delegates", routes.clone()).nest("/setup/delegates/v3", routes);
    Router::new().nest("/api", both.clone()).merge(both)
}

/// The selectors of all delegates of the account that are connected.
async fn connected(State(platform): State<Platform>, OriginalUri(uri): OriginalUri, _: Caller) -> Answered {
    check_prefix(&platform, uri.path()).await?;
    let now = platform.clock().now();
    let delegates = platform.account().delegates();
    let connected = delegates.iter().filter(|delegate| delegate.life.pulse(now).is_connected);
    let selectors: BTreeSet<_> = connected.flat_map(|delegate| delegate.selectors()).collect();
    Ok(resource(json!(selectors)))
}

/// The selectors of all groups that serve the scope, connected or not.
async fn up_the_hierarchy(
    State(platform): State<Platform>,
    OriginalUri(uri): OriginalUri,
    params: Params,
    _: Caller,
) -> Answered {
    check_prefix(&platform, uri.path()).await?;
    Ok(resource(json!(selectors_of(&platform, &scope(&params)).into_keys().collect::<Vec<_>>())))
}

/// The same, each with whether a delegate that has it is connected: those first.
async fn up_the_hierarchy_v2(
    State(platform): State<Platform>,
    OriginalUri(uri): OriginalUri,
    params: Params,
    caller: Caller,
) -> Answered {
    check_prefix(&platform, uri.path()).await?;
    let scope = scope(&params);
    may_view(&caller, &scope)?;
    let mut found: Vec<_> = selectors_of(&platform, &scope).into_iter().collect();
    found.sort_by_key(|(_, is_connected)| !is_connected);
    let shown: Vec<Value> =
        found.into_iter().map(|(name, connected)| json!({ "name": name, "connected": connected })).collect();
    Ok(resource(Value::Array(shown)))
}

fn scope(params: &Params) -> Scope {
    Scope::new(params.get("orgId"), params.get("projectId"))
}

/// Each selector, and whether a delegate of a group that has it is connected.
fn selectors_of(platform: &Platform, scope: &Scope) -> BTreeMap<String, bool> {
    let now = platform.clock().now();
    let mut found = BTreeMap::new();
    for (group, replicas) in platform.account().delegate_pool().groups() {
        if !group.owner.contains(scope) {
            continue;
        }
        let is_connected = replicas.iter().any(|replica| replica.life.pulse(now).is_connected);
        for selector in group.all_tags() {
            *found.entry(selector).or_default() |= is_connected;
        }
    }
    found
}

/// # Errors
/// 404: not below this prefix, as the switch has it.
async fn check_prefix(platform: &Platform, path: &str) -> Result<(), ApiError> {
    let is_served = match platform.account().behaviour().manager_prefix {
        ManagerPrefix::Both => true,
        ManagerPrefix::Api => path.starts_with("/api/"),
        ManagerPrefix::GatewayApi => path.starts_with("/gateway/api/"),
    };
    if is_served { Ok(()) } else { Err(no_such_path().await) }
}
