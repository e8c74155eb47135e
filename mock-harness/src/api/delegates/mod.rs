//! Delegates: which there are, which selectors they have, the tags of their groups, the tokens they are installed with.
//!
//! Answers are in the envelope of the older manager: `resource`, `responseMessages`, `metaData`. Source: facts/harness C.

mod list;
mod selectors;
mod tags;
mod tokens;

use serde_json::{Value, json};

use super::{
    auth::Caller,
    envelope::{Answered, ApiError, resource},
    params::{Identifier, Params},
};
use crate::{account::Scope, config::Permission, platform::Platform};
use axum::extract::State;

pub(super) use list::list;
pub(super) use selectors::manager_routes;
pub(super) use tags::{add_tags, clear_tags, get as tags, groups_with_tags, set_tags};
pub(super) use tokens::{
    create as create_token, delete as delete_token, groups as groups_of_token, list as list_tokens,
    revoke as revoke_token,
};

/// `DELETE /ng/api/delegate-setup/delegate/{identifier}`: the group with all of its replicas, by identifier or name.
///
/// # Errors
/// There is none, in the words of the older manager.
pub(super) async fn delete(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let scope = params.scope();
    caller.require(Permission::DelegateDelete, &scope, Some(&identifier), Value::Null)?;
    if !platform.account().delegate_pool().delete(&scope, &identifier) {
        return Err(ApiError::invalid("Invalid argument(s): Delegate doesn't exist or it is already deleted."));
    }
    Ok(resource(json!({ "responseMsg": "Successfully deleted delegate." })))
}

fn may_view(caller: &Caller, scope: &Scope) -> Result<(), ApiError> {
    caller.require(Permission::DelegateView, scope, None, Value::Null)
}
