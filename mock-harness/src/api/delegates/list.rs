//! `POST /ng/api/delegate-setup/listDelegates`: groups with their replicas, filtered.
//!
//! Source: facts/harness C (GOSDK): the shape; the server code of December 2023: what the filters compare.

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use serde_json::{Value, json};
use testbed::{Timestamp, clock::after};

use super::may_view;
use crate::{
    account::Delegate,
    api::{
        auth::Caller,
        envelope::{Answered, ApiError, resource},
        params::{Body, Params},
    },
    delegate::Group,
    platform::{Platform, epoch_ms},
};

/// The version that all delegates have. Source: facts/harness 0 (HC23).
const VERSION: &str = "23.12.82300";
/// What all delegates are.
pub(super) const KIND: &str = "KUBERNETES";
/// How long a version is supported.
const SUPPORTED_FOR: Duration = Duration::from_secs(183 * 24 * 3600);

/// The groups of exactly the query's scope, or with `all=true` of every one; those with a connected replica first. The body
/// may filter: `status`, `hostName`, `delegateInstanceFilter` the replicas, the rest the groups.
///
/// # Errors
/// The body is no JSON object.
pub(crate) async fn list(State(platform): State<Platform>, caller: Caller, params: Params, body: Body) -> Answered {
    let scope = params.scope();
    may_view(&caller, &scope)?;
    let filter = if body.0.trim_ascii().is_empty() { Value::Null } else { body.json()? };
    if !(filter.is_object() || filter.is_null()) {
        return Err(ApiError::invalid("the filter is no object"));
    }
    let now = platform.clock().now();
    let is_everywhere = params.flag("all");
    let groups = platform.account().delegate_pool().groups();
    let mut shown: Vec<_> = groups
        .iter()
        .filter(|(group, _)| is_everywhere || group.owner == scope)
        .filter(|(group, _)| admits_group(&filter, group))
        .filter_map(|(group, replicas)| {
            let replicas: Vec<_> = replicas.iter().filter(|replica| admits_replica(&filter, replica, now)).collect();
            let needs_one = text(&filter, "status").is_some() || text(&filter, "delegateInstanceFilter").is_some();
            (!replicas.is_empty() || !needs_one).then(|| show(group, &replicas, now))
        })
        .collect();
    shown.sort_by_key(|group| group["connected"] != true);
    Ok(resource(Value::Array(shown)))
}

fn show(group: &Group, replicas: &[&Arc<Delegate>], now: Timestamp) -> Value {
    let shown: Vec<_> = replicas
        .iter()
        .map(|replica| {
            let pulse = replica.life.pulse(now);
            json!({
                "uuid": uuid(replica),
                "lastHeartbeat": epoch_ms(pulse.last_beat),
                "connected": pulse.is_connected,
                "hostName": replica.name,
                "version": VERSION,
                "expiringAt": epoch_ms(expires(replica)),
            })
        })
        .collect();
    let is_connected = replicas.iter().any(|replica| replica.life.pulse(now).is_connected);
    json!({
        "type": KIND,
        "name": group.name,
        "description": group.description,
        "tags": group.all_tags(),
        "lastHeartBeat": epoch_ms(group.last_beat),
        "connected": is_connected,
        "delegateReplicas": shown,
        "autoUpgrade": "ON",
        "legacy": false,
        "orgName": group.owner.org,
        "projectName": group.owner.project,
    })
}

/// An identifier that is the same in every answer.
pub(super) fn uuid(delegate: &Delegate) -> String {
    testbed::redact::fingerprint(format!("{:?}/{}", delegate.owner, delegate.name).as_bytes())
}

fn expires(delegate: &Delegate) -> Timestamp {
    after(delegate.life.start(), SUPPORTED_FOR)
}

fn text<'a>(filter: &'a Value, key: &str) -> Option<&'a str> {
    filter.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn admits_group(filter: &Value, group: &Group) -> bool {
    let contains = |key: &str, of: &str| text(filter, key).is_none_or(|wanted| of.contains(wanted));
    let tags = filter.get("delegateTags").and_then(Value::as_array);
    contains("delegateGroupIdentifier", &group.identifier())
        && contains("delegateName", &group.name)
        && contains("delegateType", KIND)
        && contains("description", group.description.as_deref().unwrap_or_default())
        && tags.into_iter().flatten().all(|tag| group.tags.iter().any(|own| tag == own))
}

fn admits_replica(filter: &Value, replica: &Delegate, now: Timestamp) -> bool {
    let pulse = replica.life.pulse(now);
    let status = match text(filter, "status") {
        Some("CONNECTED") => pulse.is_connected,
        Some("DISCONNECTED") => !pulse.is_connected,
        _ => true,
    };
    let instance = match text(filter, "delegateInstanceFilter") {
        Some("EXPIRED") => expires(replica) < now,
        Some("AVAILABLE") => expires(replica) >= now,
        _ => true,
    };
    status && instance && text(filter, "hostName").is_none_or(|name| name == replica.name)
}
