//! `GET /v2/_catalog`: the names of all repositories.

use axum::{extract::Request, response::Response};
use oci::RepositoryName;
use serde_json::json;

use super::listing::{Page, compose_list};
use crate::{error::RegistryError, exchange::Resolved, state::App};

/// `GET /v2/_catalog?n=&last=`, and `/<path>/_catalog` at a registry with a path: names as they are asked for there.
///
/// # Errors
/// `PAGINATION_NUMBER_INVALID` 400: `n` is no number.
///
/// Source: distribution, "Listing Repositories"; facts/harness F.
pub(super) fn get_catalog(app: &App, resolved: &Resolved, request: &Request) -> Result<Response, RegistryError> {
    let prefix = app.settings.path.as_ref().filter(|_| !resolved.is_below_path);
    let as_named = |name: &RepositoryName| match prefix {
        Some(prefix) => format!("{prefix}/{name}"),
        None => name.to_string(),
    };
    let (names, next) = Page::read(request.uri())?.cut(app.store.names().iter().map(as_named).collect());
    Ok(compose_list(&json!({ "repositories": names }), &resolved.path, next))
}
