//! `GET /v2/<name>/referrers/<digest>`: the manifests that refer to another one.

use axum::response::Response;
use http::{HeaderName, HeaderValue, Uri};
use oci::{Descriptor, Digest, EndpointError, ImageIndex, Manifest, MediaType, Reference, RepositoryName};

use super::listing::{Page, compose_list, encode, query};
use crate::{error::RegistryError, exchange::Resolved, state::App, store::StoredManifest};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// `GET /v2/<name>/referrers/<digest>?artifactType=`: an index, empty if nothing refers to the digest, with a `Link` when
/// there is more than one page of it.
///
/// # Errors
/// `UNSUPPORTED` 404: this registry has no such endpoint, and clients fall back to a tag. `PAGINATION_NUMBER_INVALID` 400:
/// `n` is no number. An absent repository has no referrers either.
///
/// Source: distribution-spec, "Listing Referrers"; facts/registry D2.
pub(super) async fn get_referrers(
    app: &App,
    resolved: &Resolved,
    name: &RepositoryName,
    digest: &Digest,
    uri: &Uri,
) -> Result<Response, RegistryError> {
    if !app.settings.api.referrers {
        return Err(RegistryError::Path(EndpointError::NotFound { path: resolved.path().to_owned() }));
    }
    let page = Page::read(uri, app.settings.api.max_page)?;
    let wanted = query(uri).into_iter().find(|(name, _)| name == "artifactType").map(|(_, value)| value);
    let manifests = match app.store.find(name).await? {
        Some(repository) => {
            // What refers to a made-up image is made up with it.
            repository.manifest(&Reference::Digest(digest.clone())).await;
            repository.manifests()
        }
        None => Vec::new(),
    };
    let mut found: Vec<Descriptor> = manifests
        .iter()
        .filter(|stored| stored.subject() == Some(digest))
        .filter_map(|stored| describe(stored))
        .filter(|descriptor| page.last().is_none_or(|last| descriptor.digest.as_str() > last))
        .filter(|descriptor| match &wanted {
            Some(wanted) => descriptor.artifact_type.as_ref().is_some_and(|found| found.as_str() == wanted),
            None => true,
        })
        .collect();
    found.sort_by(|a, b| a.digest.cmp(&b.digest));
    found.truncate(page.n_looked_up());

    let next = page.cut(&mut found, |descriptor| descriptor.digest.as_str());
    let next = next.map(|next| match &wanted {
        Some(wanted) => format!("artifactType={}&{next}", encode(wanted)),
        None => next,
    });
    let index = ImageIndex::new(MediaType::OCI_INDEX, found);
    let mut response = compose_list(&MediaType::OCI_INDEX, &index, resolved.path(), next);
    if wanted.is_some() {
        response.headers_mut().insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}

/// What the list says of a manifest.
fn describe(stored: &StoredManifest) -> Option<Descriptor> {
    let manifest = Manifest::parse(&stored.bytes, Some(&stored.media_type)).ok()?;
    let size = stored.bytes.len() as u64;
    let (artifact_type, annotations) = match manifest {
        Manifest::Image(image) => (Some(image.artifact_type.unwrap_or(image.config.media_type)), image.annotations),
        Manifest::Index(index) => (index.artifact_type, index.annotations),
    };
    let descriptor = Descriptor::new(stored.media_type.clone(), stored.digest.clone(), size);
    Some(Descriptor { artifact_type, annotations, ..descriptor })
}
