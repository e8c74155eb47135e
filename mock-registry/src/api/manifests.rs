//! `/v2/<name>/manifests/<reference>`.

use std::sync::Arc;

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use oci::{
    Accept, Digest, MAX_MANIFEST_BYTES, Manifest, MediaType, Platform, Reference, RepositoryName, Tag, TagError,
};

use super::{empty, find, has_already, header_value, listing::query};
use crate::{
    DeleteConfig,
    error::RegistryError,
    exchange::Resolved,
    state::App,
    store::{Repository, StoredManifest},
};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// How many headers an answer has in most cases, those of the layers above included: room is made for them once.
const N_HEADERS: usize = 12;

/// `GET|HEAD /v2/<name>/manifests/<reference>`: the stored bytes, unchanged.
///
/// Answers 200 with `Content-Type` as pushed, `Docker-Content-Digest`, `ETag`, and `Content-Length` in bytes; 304 when
/// `If-None-Match` names the digest. A manifest list at a tag is answered with its linux/amd64 image when `Accept` has no
/// manifest list. No `Accept` at all takes everything.
///
/// # Errors
/// `NAME_UNKNOWN` 404: nothing was ever pushed there. `MANIFEST_UNKNOWN` 404: the reference is absent, or `Accept` does
/// not take what is there. `MANIFEST_INVALID` 400: `Accept` takes neither a manifest list nor the image in it.
///
/// Source: distribution-spec, "Pulling manifests"; facts/registry D3.
pub(super) async fn get_manifest(
    app: &App,
    name: &RepositoryName,
    reference: &Reference,
    headers: &HeaderMap,
) -> Result<Response, RegistryError> {
    let repository = find(app, name).await?;
    let stored = repository.manifest(reference).await;
    let stored = stored.ok_or_else(|| RegistryError::ManifestUnknown(reference.clone()))?;
    let accept = Accept::parse(headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()));
    let stored = negotiate(&repository, stored, reference, &accept).await?;

    let is_known = has_already(headers, stored.head.etag.to_str().unwrap_or_default());
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(stored.bytes.clone()) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.reserve(N_HEADERS);
    if !is_known {
        headers.insert(header::CONTENT_TYPE, stored.head.content_type.clone());
        headers.insert(header::CONTENT_LENGTH, stored.head.content_length.clone());
    }
    headers.insert(CONTENT_DIGEST, stored.head.content_digest.clone());
    headers.insert(header::ETAG, stored.head.etag.clone());
    Ok(response)
}

/// What a client that sent `accept` gets for `stored`: OCI's types only if it takes them, Docker's own in any case but that
/// of a manifest list, which is older than some clients.
async fn negotiate(
    repository: &Repository,
    stored: Arc<StoredManifest>,
    reference: &Reference,
    accept: &Accept<'_>,
) -> Result<Arc<StoredManifest>, RegistryError> {
    if accept.admits(&stored.media_type) {
        return Ok(stored);
    }
    if stored.media_type == MediaType::OCI_MANIFEST {
        return Err(RegistryError::NotAccepted { found: "OCI manifest", plural: "OCI manifests" });
    }
    if stored.media_type == MediaType::OCI_INDEX {
        return Err(RegistryError::NotAccepted { found: "OCI index", plural: "OCI indexes" });
    }
    if stored.media_type != MediaType::DOCKER_MANIFEST_LIST || reference.digest().is_some() {
        return Ok(stored);
    }
    let child = match Manifest::parse(&stored.bytes, Some(&stored.media_type)) {
        Ok(Manifest::Index(index)) => index.select(&Platform::linux_amd64()).map(|child| child.digest.clone()),
        _ => None,
    };
    let child = Reference::Digest(child.ok_or_else(|| RegistryError::ManifestUnknown(reference.clone()))?);
    let child = repository.manifest(&child).await.ok_or(RegistryError::ManifestUnknown(child))?;
    if child.media_type == MediaType::DOCKER_MANIFEST && !accept.admits(&child.media_type) {
        return Err(RegistryError::Schema2NotAccepted);
    }
    Ok(child)
}

/// `PUT /v2/<name>/manifests/<reference>`: keeps the bytes as they are.
///
/// Answers 201 with `Location`, `Docker-Content-Digest`, `OCI-Subject` when the manifest refers to another one and referrers
/// are listed here, and an `OCI-Tag` for each `tag=` of a push by digest.
///
/// # Errors
/// `MANIFEST_INVALID` 413 over 4 MiB, of which no more is read; 400 if it is no manifest, or not of the `Content-Type`.
/// `SIZE_INVALID` 413: there is no room left. `DIGEST_INVALID` 400: the bytes have another digest. `TAG_INVALID` 400: one of
/// the `tag=` is none. `MANIFEST_BLOB_UNKNOWN` 400: a blob or a listed manifest is not in this repository, and the registry
/// takes no sparse manifests.
///
/// Source: distribution-spec, "Pushing Manifests".
pub(super) async fn put_manifest(
    app: &App,
    resolved: &Resolved,
    name: &RepositoryName,
    reference: &Reference,
    request: Request,
) -> Result<Response, RegistryError> {
    let (head, body) = request.into_parts();
    let bytes = receive(body).await?;
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()?.parse().ok());
    let manifest = Manifest::parse(&bytes, content_type.as_ref())?;
    check_type(&manifest, content_type.as_ref())?;
    let digest = match reference {
        Reference::Digest(expected) => {
            let actual = Digest::of_with(expected.algorithm(), &bytes);
            if actual != *expected {
                return Err(RegistryError::DigestMismatch { expected: expected.clone(), actual });
            }
            actual
        }
        Reference::Tag(_) => Digest::of(&bytes),
    };
    let tags = match reference {
        Reference::Tag(tag) => vec![tag.clone()],
        Reference::Digest(_) => read_tags(&head.uri)?,
    };
    // A push that is refused makes no repository.
    if !app.settings.api.sparse {
        check_content(app.store.find(name).await?.as_deref(), &manifest).await?;
    }
    let layers: Vec<Digest> = match &manifest {
        Manifest::Image(image) => image.layers.iter().map(|layer| layer.digest.clone()).collect(),
        Manifest::Index(_) => Vec::new(),
    };
    let stored = StoredManifest::under(digest.clone(), manifest.media_type().clone(), app.room.keep(bytes)?);
    app.store.find_or_make(name).await?.put_manifest(stored, tags.clone(), layers).await?;

    let mut response = empty(StatusCode::CREATED);
    let named = resolved.named_repository().unwrap_or(name);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, header_value(format!("/v2/{named}/manifests/{digest}")));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(CONTENT_DIGEST, header_value(&digest));
    if let Some(subject) = manifest.subject().filter(|_| app.settings.api.referrers) {
        headers.insert(HeaderName::from_static("oci-subject"), header_value(&subject.digest));
    }
    if reference.digest().is_some() {
        for tag in tags {
            headers.append(HeaderName::from_static("oci-tag"), header_value(tag));
        }
    }
    Ok(response)
}

/// The whole body, as long as a manifest may be. What says of itself that it is longer is not read at all.
async fn receive(body: Body) -> Result<Bytes, RegistryError> {
    if body.size_hint().lower() > MAX_MANIFEST_BYTES as u64 {
        return Err(RegistryError::ManifestTooLarge);
    }
    match Limited::new(body, MAX_MANIFEST_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(RegistryError::ManifestTooLarge),
        Err(_) => Err(RegistryError::BodyBroken),
    }
}

/// Whether a manifest is what its `Content-Type` says; types of anything else than manifests say nothing.
fn check_type(manifest: &Manifest, content_type: Option<&MediaType>) -> Result<(), RegistryError> {
    match content_type.filter(|content_type| content_type.is_manifest()) {
        Some(content_type) if content_type != manifest.media_type() => Err(RegistryError::ManifestType {
            content_type: content_type.clone(),
            stated: manifest.media_type().clone(),
        }),
        _ => Ok(()),
    }
}

/// The tags that a push by digest asks for: `?tag=a&tag=b`.
fn read_tags(uri: &Uri) -> Result<Vec<Tag>, RegistryError> {
    let tags = query(uri).into_iter().filter(|(name, _)| name == "tag");
    let parsed: Result<_, TagError> = tags.map(|(_, tag)| tag.parse()).collect();
    parsed.map_err(|error| RegistryError::Path(error.into()))
}

/// Whether everything that a manifest names is here. A subject, and layers that are elsewhere, may be absent.
async fn check_content(repository: Option<&Repository>, manifest: &Manifest) -> Result<(), RegistryError> {
    let has_blob = async |digest: &Digest| match repository {
        Some(repository) => Ok(repository.blob(digest).await?.is_some()),
        None => Ok::<_, RegistryError>(false),
    };
    let has_manifest = async |digest: &Digest| match repository {
        Some(repository) => repository.manifest(&Reference::Digest(digest.clone())).await.is_some(),
        None => false,
    };
    let mut absent = Vec::new();
    match manifest {
        Manifest::Image(image) => {
            for blob in image.blobs().filter(|blob| blob.urls.is_empty()) {
                if !has_blob(&blob.digest).await? {
                    absent.push(blob.digest.clone());
                }
            }
        }
        Manifest::Index(index) => {
            for child in &index.manifests {
                if !has_manifest(&child.digest).await {
                    absent.push(child.digest.clone());
                }
            }
        }
    }
    if absent.is_empty() { Ok(()) } else { Err(RegistryError::ManifestBlobsUnknown(absent)) }
}

/// `DELETE /v2/<name>/manifests/<reference>`: 202. A tag is taken away alone, a digest with the tags that name it.
///
/// # Errors
/// `NAME_UNKNOWN` 404, `MANIFEST_UNKNOWN` 404. `UNSUPPORTED` 405: nothing, or no tag alone, can be deleted here.
///
/// Source: distribution-spec, "Deleting Manifests", "Deleting Tags".
pub(super) async fn delete_manifest(
    app: &App,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Response, RegistryError> {
    match (app.settings.api.delete, reference) {
        (DeleteConfig::All, _) | (DeleteConfig::Digests, Reference::Digest(_)) => {}
        (_, Reference::Digest(_)) => return Err(RegistryError::SwitchedOff { what: "delete manifests" }),
        (_, Reference::Tag(_)) => return Err(RegistryError::SwitchedOff { what: "delete tags" }),
    }
    let repository = find(app, name).await?;
    if !repository.delete_manifest(reference).await? {
        return Err(RegistryError::ManifestUnknown(reference.clone()));
    }
    Ok(empty(StatusCode::ACCEPTED))
}
