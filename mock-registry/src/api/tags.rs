//! `GET /v2/<name>/tags/list`.

use axum::{extract::Request, response::Response};
use oci::RepositoryName;
use serde_json::json;

use super::{
    find,
    listing::{Page, compose_list},
};
use crate::{error::RegistryError, exchange::Resolved, state::App};

/// `GET /v2/<name>/tags/list?n=&last=`: the tags, sorted, with a `Link` when there are more.
///
/// # Errors
/// `NAME_UNKNOWN` 404. `PAGINATION_NUMBER_INVALID` 400: `n` is no number.
///
/// Source: distribution-spec, "Listing Tags".
pub(super) fn get_tags(
    app: &App,
    resolved: &Resolved,
    name: &RepositoryName,
    request: &Request,
) -> Result<Response, RegistryError> {
    let tags = find(app, name)?.tags();
    let (tags, next) = Page::read(request.uri())?.cut(tags.iter().map(ToString::to_string).collect());
    let name = resolved.named_repository().unwrap_or(name);
    Ok(compose_list(&json!({ "name": name, "tags": tags }), &resolved.path, next))
}
