//! `GET /v2/<name>/tags/list`: the tags of a repository.

use axum::response::Response;
use http::Uri;
use oci::{MediaType, RepositoryName, Tag};
use serde::Serialize;

use super::{
    find,
    listing::{Page, compose_list},
};
use crate::{error::RegistryError, exchange::Resolved, state::App};

#[derive(Serialize)]
struct TagList<'a> {
    name: &'a RepositoryName,
    tags: Vec<Tag>,
}

/// `GET /v2/<name>/tags/list?n=&last=`: the tags, sorted, with a `Link` when there are more.
///
/// # Errors
/// `NAME_UNKNOWN` 404. `PAGINATION_NUMBER_INVALID` 400: `n` is no number.
///
/// Source: distribution-spec, "Listing Tags".
pub(super) async fn get_tags(
    app: &App,
    resolved: &Resolved,
    name: &RepositoryName,
    uri: &Uri,
) -> Result<Response, RegistryError> {
    let repository = find(app, name).await?;
    let page = Page::read(uri, app.settings.api.max_page)?;
    let mut tags = repository.tags_after(page.last(), page.n_looked_up());
    let next = page.cut(&mut tags, Tag::as_str);
    let name = resolved.named_repository().unwrap_or(name);
    Ok(compose_list(&MediaType::JSON, &TagList { name, tags }, resolved.path(), next))
}
