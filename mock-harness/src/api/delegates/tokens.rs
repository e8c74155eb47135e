//! `/ng/api/delegate-token-ng`: the tokens that delegates are installed with.
//!
//! A value is shown when the token is made, and to callers that may change delegates. Source: facts/harness C, and the server
//! code of December 2023 for texts and for what a revoked token does: its delegates fall silent.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use serde_json::{Value, json};
use testbed::{Secret, Timestamp};

use super::{
    list::{KIND, uuid},
    may_view,
};
use crate::{
    account::{Delegate, FieldError, Refusal},
    api::{
        auth::Caller,
        envelope::{Answered, ApiError, resource},
        params::Params,
    },
    config::Permission,
    delegate::{DelegateToken, Group, TokenRefusal},
    platform::{Platform, epoch_ms},
};

impl From<TokenRefusal> for ApiError {
    fn from(refusal: TokenRefusal) -> Self {
        Self::invalid(refusal.to_string())
    }
}

/// `GET`: the tokens of the scope, or the one called `name`; `status` is `ACTIVE` or `REVOKED`.
pub(crate) async fn list(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    let scope = params.scope();
    may_view(&caller, &scope)?;
    let now = platform.clock().now();
    let is_told = caller.may(Permission::DelegateEdit, &scope, None);
    let tokens = platform.account().delegate_tokens().list(&scope, params.get("name"));
    let shown: Vec<_> = tokens
        .iter()
        .filter(|token| params.get("status").is_none_or(|status| status == token.status(now).wire()))
        .map(|token| show(&platform, token, is_told, now))
        .collect();
    Ok(resource(Value::Array(shown)))
}

/// `POST`: makes a token, `tokenName` and `revokeAfter` (epoch milliseconds) in the query.
///
/// # Errors
/// The name is missing or taken, or the token would be revoked before it exists.
pub(crate) async fn create(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    let name = token_name(&params)?;
    let scope = params.scope();
    caller.require(Permission::DelegateEdit, &scope, None, Value::Null)?;
    platform.account().check_scope(&scope)?;
    let revoke_after_ms = match params.get("revokeAfter") {
        Some(text) => Some(text.parse().map_err(|_| no_such_number())?),
        None => None,
    };
    let now = platform.clock().now();
    let token = DelegateToken {
        name: String::from(name.trim()),
        owner: scope,
        value: Some(Secret::new(platform.next_secret())),
        created_at: now,
        created_by: Some(caller.kind_and_principal()),
        revoke_after_ms,
        is_revoked: false,
    };
    let token = platform.account().delegate_tokens().create(token, now)?;
    Ok(resource(show(&platform, &token, true, now)))
}

/// `PUT`: revokes the token called `tokenName`, and silences its delegates.
///
/// # Errors
/// There is none, or it is revoked.
pub(crate) async fn revoke(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    let name = token_name(&params)?;
    caller.require(Permission::DelegateDelete, &params.scope(), None, Value::Null)?;
    let now = platform.clock().now();
    let token = platform.account().delegate_tokens().revoke(name, now)?;
    platform.account().delegate_pool().turn(false, |delegate| delegate.token == name);
    Ok(resource(show(&platform, &token, false, now)))
}

/// `DELETE`: forgets the token called `tokenName`.
///
/// # Errors
/// There is none.
pub(crate) async fn delete(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    let name = token_name(&params)?;
    caller.require(Permission::DelegateDelete, &params.scope(), None, Value::Null)?;
    platform.account().delegate_tokens().delete(name)?;
    platform.account().delegate_pool().turn(false, |delegate| delegate.token == name);
    Ok(resource(Value::Null))
}

/// `GET /ng/api/delegate-token-ng/delegate-groups`: the groups of the scope with a replica that uses `delegateTokenName`.
pub(crate) async fn groups(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    let scope = params.scope();
    may_view(&caller, &scope)?;
    let now = platform.clock().now();
    let wanted = params.get("delegateTokenName");
    let tokens = platform.account().delegate_tokens();
    let is_active = |delegate: &Arc<Delegate>| {
        let known = tokens.list(&scope, Some(&delegate.token));
        known.iter().all(|token| token.status(now).wire() == "ACTIVE")
    };
    let groups = platform.account().delegate_pool().groups();
    let shown: Vec<_> = groups
        .iter()
        .filter(|(group, _)| group.owner == scope)
        .filter_map(|(group, replicas)| {
            let replicas: Vec<_> =
                replicas.iter().filter(|replica| wanted.is_none_or(|wanted| wanted == replica.token)).collect();
            (wanted.is_none() || !replicas.is_empty()).then(|| show_group(group, &replicas, is_active, now))
        })
        .collect();
    Ok(resource(json!({ "delegateGroupDetails": shown })))
}

fn show_group(
    group: &Group,
    replicas: &[&Arc<Delegate>],
    is_active: impl Fn(&Arc<Delegate>) -> bool,
    now: Timestamp,
) -> Value {
    let shown: Vec<_> = replicas
        .iter()
        .map(|replica| {
            let pulse = replica.life.pulse(now);
            json!({
                "uuid": uuid(replica),
                "lastHeartbeat": epoch_ms(pulse.last_beat),
                "activelyConnected": pulse.is_connected,
                "hostName": replica.name,
                "tokenActive": is_active(replica),
            })
        })
        .collect();
    let n_connected = replicas.iter().filter(|replica| replica.life.pulse(now).is_connected).count();
    let status = match n_connected {
        0 => "disconnected",
        n if n < replicas.len() => "partially connected",
        _ => "connected",
    };
    let implicit: BTreeMap<_, _> = [(group.name.to_lowercase(), "GROUP_NAME")].into();
    json!({
        "groupId": testbed::redact::fingerprint(format!("{:?}/{}", group.owner, group.name).as_bytes()),
        "delegateGroupIdentifier": group.identifier(),
        "delegateType": KIND,
        "groupName": group.name,
        "delegateDescription": group.description,
        "delegateConfigurationId": null,
        "groupImplicitSelectors": implicit,
        "groupCustomSelectors": group.tags,
        "lastHeartBeat": epoch_ms(group.last_beat),
        "connectivityStatus": status,
        "activelyConnected": n_connected > 0,
        "delegateInstanceDetails": shown,
        "tokenActive": replicas.iter().all(|replica| is_active(replica)),
    })
}

fn show(platform: &Platform, token: &DelegateToken, with_value: bool, now: Timestamp) -> Value {
    let owner = [&token.owner.org, &token.owner.project].map(|part| part.as_deref().unwrap_or_default());
    let owner = owner.join("/");
    let owner = owner.trim_end_matches('/');
    let created_by = token.created_by.as_ref().map(|(kind, name)| json!({ "type": kind, "name": name }));
    json!({
        "uuid": null,
        "accountId": platform.account().identifier(),
        "name": token.name,
        "createdBy": null,
        "createdByNgUser": created_by,
        "createdAt": epoch_ms(token.created_at),
        "status": token.status(now).wire(),
        // One of the few secrets that the real platform tells.
        "value": token.value.as_ref().filter(|_| with_value).map(Secret::expose),
        "ownerIdentifier": (!owner.is_empty()).then_some(owner),
        "revokeAfter": token.revoke_after_ms.unwrap_or_default(),
    })
}

fn token_name(params: &Params) -> Result<&str, ApiError> {
    let missing = || FieldError { field: String::from("tokenName"), error: String::from("must not be null") };
    params.get("tokenName").ok_or_else(|| ApiError::Refused(Refusal::Fields(vec![missing()])))
}

/// What the web framework says of a query parameter that is none of its type.
fn no_such_number() -> ApiError {
    ApiError::Framework { status: http::StatusCode::NOT_FOUND, message: String::from("HTTP 404 Not Found") }
}
