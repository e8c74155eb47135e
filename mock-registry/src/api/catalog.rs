//! `GET /v2/_catalog`: the names of all repositories.

use axum::{extract::Request, response::Response};
use oci::MediaType;
use serde::Serialize;

use super::listing::{Page, compose_list};
use crate::{error::RegistryError, exchange::Resolved, state::App};

#[derive(Serialize)]
struct Catalog {
    repositories: Vec<String>,
}

/// `GET /v2/_catalog?n=&last=`, and `/<path>/_catalog` at a registry with a path: names as they are asked for there.
///
/// # Errors
/// `PAGINATION_NUMBER_INVALID` 400: `n` is no number.
///
/// Source: distribution, "Listing Repositories"; facts/harness F.
pub(super) fn get_catalog(app: &App, resolved: &Resolved, request: &Request) -> Result<Response, RegistryError> {
    let page = Page::read(request.uri(), app.settings.api.max_page)?;
    let prefix = app.settings.path.as_ref().filter(|_| !resolved.is_below_path);
    let prefix = prefix.map_or_else(String::new, |path| format!("{path}/"));
    let names = match page.last() {
        None => app.store.names_after(None, page.n_looked_up()),
        Some(last) => match last.strip_prefix(&prefix) {
            Some(last) => app.store.names_after(Some(last), page.n_looked_up()),
            // All names have the prefix, so what has not is in front of all of them or behind.
            None if last < prefix.as_str() => app.store.names_after(None, page.n_looked_up()),
            None => Vec::new(),
        },
    };
    let mut repositories = names.iter().map(|name| format!("{prefix}{name}")).collect();
    let next = page.cut(&mut repositories, String::as_str);
    Ok(compose_list(&MediaType::JSON, &Catalog { repositories }, resolved.path(), next))
}
