//! `GET /v2/<name>/referrers/<digest>`: the manifests that refer to another one.

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderName, HeaderValue, header};
use oci::{Descriptor, Digest, ImageIndex, Manifest, MediaType, RepositoryName};

use super::{header_value, listing::query};
use crate::{error::RegistryError, state::App};

/// `GET /v2/<name>/referrers/<digest>?artifactType=`: an index, empty if nothing refers to the digest.
///
/// # Errors
/// None of its own: an absent repository has no referrers either.
///
/// Source: distribution-spec, "Listing Referrers".
pub(super) fn get_referrers(
    app: &App,
    name: &RepositoryName,
    digest: &Digest,
    request: &Request,
) -> Result<Response, RegistryError> {
    let wanted = query(request.uri()).into_iter().find(|(name, _)| name == "artifactType").map(|(_, value)| value);
    let manifests = app.store.find(name).map(|repository| repository.manifests()).unwrap_or_default();
    let mut found: Vec<Descriptor> = manifests
        .iter()
        .filter_map(|stored| {
            let manifest = Manifest::parse(&stored.bytes, Some(&stored.media_type)).ok()?;
            let refers = manifest.subject().is_some_and(|subject| subject.digest == *digest);
            refers.then(|| describe(stored, manifest))
        })
        .filter(|descriptor| match &wanted {
            Some(wanted) => descriptor.artifact_type.as_ref().is_some_and(|found| found.as_str() == wanted),
            None => true,
        })
        .collect();
    found.sort_by(|a, b| a.digest.cmp(&b.digest));
    let index = ImageIndex::new(MediaType::OCI_INDEX, found);
    // An index has text keys only, so it always serializes.
    let body = serde_json::to_vec(&index).unwrap_or_default();
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header_value(MediaType::OCI_INDEX));
    headers.insert(header::CONTENT_LENGTH, header_value(length));
    if wanted.is_some() {
        headers.insert(HeaderName::from_static("oci-filters-applied"), HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}

fn describe(stored: &crate::store::StoredManifest, manifest: Manifest) -> Descriptor {
    let size = stored.bytes.len() as u64;
    let (artifact_type, annotations) = match manifest {
        Manifest::Image(image) => (Some(image.artifact_type.unwrap_or(image.config.media_type)), image.annotations),
        Manifest::Index(index) => (index.artifact_type, index.annotations),
    };
    Descriptor { artifact_type, annotations, ..Descriptor::new(stored.media_type.clone(), stored.digest.clone(), size) }
}
