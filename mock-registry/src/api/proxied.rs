//! `/v2/<name>/manifests/<reference>` of a pull-through proxy.

use axum::response::Response;
use http::{HeaderMap, Method};
use oci::{Reference, RepositoryName};

use super::{find, manifests};
use crate::{
    error::RegistryError,
    limit::Ruling,
    proxy::{Fetch, Proxy},
    state::App,
};

/// What the upstream's limit said, left on the answer for the journal.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamSaid(pub(crate) Ruling);

/// The manifest from the cache or from upstream, or what the proxy makes of the upstream's refusal.
///
/// # Errors
/// Those of [`get_manifest`](manifests::get_manifest).
///
/// Source: facts/registry B4.
pub(super) async fn get_manifest(
    app: &App,
    proxy: &Proxy,
    name: &RepositoryName,
    reference: &Reference,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, RegistryError> {
    let repository = find(app, name).await?;
    let stored = repository.manifest(reference).await;
    let stored = stored.ok_or_else(|| RegistryError::ManifestUnknown(reference.clone()))?;
    let mut said = Ruling::default();
    let fetched = proxy.fetch(app, name, reference, &stored.digest, method, &mut said);
    let mut response = match fetched {
        Fetch::Manifest(reference) => manifests::get_manifest(app, name, &reference, headers).await?,
        Fetch::Refused(refusal) => refusal,
    };
    response.extensions_mut().insert(UpstreamSaid(said));
    Ok(response)
}
