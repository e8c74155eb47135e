//! `/ng/api/delegate-group-tags`: the tags of groups, which are selectors of all their replicas.
//!
//! Source: facts/harness C (DelegateGroupTagsResource).

use axum::extract::State;
use serde_json::{Value, json};

use super::may_view;
use crate::{
    account::Refusal,
    api::{
        auth::Caller,
        envelope::{Answered, ApiError, resource},
        params::{Body, Identifier, Params},
    },
    config::Permission,
    delegate::Group,
    platform::Platform,
};

const NO_SUCH_GROUP: &str = "Could not find a delegate group for given parameters.";

/// `GET /ng/api/delegate-group-tags/{identifier}`: the group with its tags, the one that its name is among them.
pub(crate) async fn get(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let scope = params.scope();
    may_view(&caller, &scope)?;
    let groups = platform.account().delegate_pool().groups();
    let mut groups = groups.iter().map(|(group, _)| group);
    let group = groups.find(|group| group.owner == scope && group.is_called(&identifier));
    let group = group.ok_or_else(|| ApiError::invalid(NO_SUCH_GROUP))?;
    Ok(resource(show(&platform, group, group.all_tags())))
}

/// `POST`: adds tags. The answer has the tags that were given, without the name.
pub(crate) async fn add_tags(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    let added = read_tags(&body)?;
    change(&platform, &caller, &params, &identifier, Permission::DelegateEdit, |tags| {
        tags.iter().cloned().chain(added).collect()
    })
}

/// `PUT`: these tags and no others.
pub(crate) async fn set_tags(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    let tags = read_tags(&body)?;
    change(&platform, &caller, &params, &identifier, Permission::DelegateEdit, |_| tags)
}

/// `DELETE`: no tags.
pub(crate) async fn clear_tags(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    change(&platform, &caller, &params, &identifier, Permission::DelegateDelete, |_| Vec::new())
}

/// `POST /ng/api/delegate-group-tags/delegate-groups`: the groups of the scope that have all tags of the body.
pub(crate) async fn groups_with_tags(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    body: Body,
) -> Answered {
    let wanted = read_tags(&body)?;
    let scope = params.scope();
    may_view(&caller, &scope)?;
    let groups = platform.account().delegate_pool().groups();
    let shown: Vec<_> = groups
        .iter()
        .filter(|(group, _)| group.owner == scope)
        .map(|(group, _)| (group, group.all_tags()))
        .filter(|(_, tags)| wanted.iter().all(|wanted| tags.contains(wanted)))
        .map(|(group, tags)| show(&platform, group, tags))
        .collect();
    if shown.is_empty() {
        return Err(ApiError::invalid(NO_SUCH_GROUP));
    }
    Ok(resource(Value::Array(shown)))
}

fn change(
    platform: &Platform,
    caller: &Caller,
    params: &Params,
    identifier: &str,
    permission: Permission,
    change: impl FnOnce(&[String]) -> Vec<String>,
) -> Answered {
    let scope = params.scope();
    caller.require(permission, &scope, None, Value::Null)?;
    let group = platform.account().delegate_pool().change_tags(&scope, identifier, |tags| {
        let mut tags = change(tags);
        tags.sort();
        tags.dedup();
        tags
    });
    let group = group.ok_or_else(|| ApiError::invalid(NO_SUCH_GROUP))?;
    Ok(resource(show(platform, &group, group.tags.clone())))
}

fn show(platform: &Platform, group: &Group, tags: Vec<String>) -> Value {
    json!({
        "accountIdentifier": platform.account().identifier(),
        "orgIdentifier": group.owner.org,
        "projectIdentifier": group.owner.project,
        "name": group.name,
        "identifier": group.identifier(),
        "tags": tags,
    })
}

/// Reads `{"tags": […]}`.
fn read_tags(body: &Body) -> Result<Vec<String>, ApiError> {
    let unreadable = || ApiError::Refused(Refusal::Unreadable(String::from("Unable to process JSON")));
    let body = body.json()?;
    let tags = body.as_object().ok_or_else(unreadable)?.get("tags").and_then(Value::as_array);
    let tags = tags.ok_or_else(unreadable)?;
    tags.iter().map(|tag| tag.as_str().map(String::from).ok_or_else(unreadable)).collect()
}
