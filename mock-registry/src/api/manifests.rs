//! `/v2/<name>/manifests/<reference>`.

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use oci::{
    Accept, Digest, MAX_MANIFEST_BYTES, Manifest, MediaType, Platform, Reference, RepositoryName, Tag, TagError,
};

use super::{empty, find, has_already, header_value, listing::query};
use crate::{
    error::RegistryError,
    exchange::Resolved,
    state::App,
    store::{Repository, StoredManifest},
};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// `GET|HEAD /v2/<name>/manifests/<reference>`: the stored bytes, unchanged.
///
/// Answers 200 with `Content-Type` as pushed, `Docker-Content-Digest`, `ETag`, and `Content-Length` in bytes; 304 when
/// `If-None-Match` names the digest. An index at a tag is answered with its linux/amd64 image when `Accept` has no index.
/// No `Accept` at all takes everything.
///
/// # Errors
/// `NAME_UNKNOWN` 404: nothing was ever pushed there. `MANIFEST_UNKNOWN` 404: the reference is absent, or `Accept` does
/// not take what is there.
///
/// Source: distribution-spec, "Pulling manifests"; facts/registry D3.
pub(super) async fn get_manifest(
    app: &App,
    name: &RepositoryName,
    reference: &Reference,
    headers: &HeaderMap,
) -> Result<Response, RegistryError> {
    let repository = find(app, name)?;
    let stored = repository.manifest(reference).await;
    let stored = stored.ok_or_else(|| RegistryError::ManifestUnknown(reference.clone()))?;
    let accept = Accept::parse(headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()));
    let stored = negotiate(&repository, stored, reference, &accept).await?;

    let etag = format!("\"{}\"", stored.digest);
    let is_known = has_already(headers, &etag);
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(stored.bytes.clone()) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    if !is_known {
        headers.insert(header::CONTENT_TYPE, header_value(&stored.media_type));
        headers.insert(header::CONTENT_LENGTH, header_value(stored.bytes.len()));
    }
    headers.insert(CONTENT_DIGEST, header_value(&stored.digest));
    headers.insert(header::ETAG, header_value(etag));
    Ok(response)
}

/// What a client that sent `accept` gets for `stored`.
async fn negotiate(
    repository: &Repository,
    stored: StoredManifest,
    reference: &Reference,
    accept: &Accept,
) -> Result<StoredManifest, RegistryError> {
    if accept.admits(&stored.media_type) {
        return Ok(stored);
    }
    if stored.media_type.is_index() && reference.tag().is_some() {
        let child = match Manifest::parse(&stored.bytes, Some(&stored.media_type)) {
            Ok(Manifest::Index(index)) => index.select(&Platform::linux_amd64()).map(|child| child.digest.clone()),
            _ => None,
        };
        if let Some(child) = child {
            let child = Reference::Digest(child);
            let stored = repository.manifest(&child).await.ok_or(RegistryError::ManifestUnknown(child))?;
            return check_accepted(stored, accept);
        }
    }
    check_accepted(stored, accept)
}

/// The reference registry refuses OCI's types to clients that do not take them, and sends Docker's own to everybody.
fn check_accepted(stored: StoredManifest, accept: &Accept) -> Result<StoredManifest, RegistryError> {
    if accept.admits(&stored.media_type) {
        return Ok(stored);
    }
    if stored.media_type == MediaType::OCI_MANIFEST {
        return Err(RegistryError::NotAccepted { kind: "OCI manifest" });
    }
    if stored.media_type == MediaType::OCI_INDEX {
        // The plural that the message makes of it is the reference registry's.
        return Err(RegistryError::NotAccepted { kind: "OCI index" });
    }
    Ok(stored)
}

/// `PUT /v2/<name>/manifests/<reference>`: keeps the bytes as they are.
///
/// Answers 201 with `Location`, `Docker-Content-Digest`, `OCI-Subject` when the manifest refers to another one, and an
/// `OCI-Tag` for each `tag=` of a push by digest.
///
/// # Errors
/// `MANIFEST_INVALID` 413 over 4 MiB, 400 if it is no manifest. `SIZE_INVALID` 413: there is no room left. `DIGEST_INVALID` 400: the bytes have another digest.
/// `MANIFEST_BLOB_UNKNOWN` 400: a blob or a listed manifest is not in this repository.
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
    let bytes = match Limited::new(body, MAX_MANIFEST_BYTES).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(RegistryError::ManifestTooLarge),
        Err(_) => return Err(RegistryError::BodyBroken),
    };
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()?.parse().ok());
    let manifest = Manifest::parse(&bytes, content_type.as_ref())?;
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
    let layers = check_content(&app.store.find(name).unwrap_or_default(), &manifest).await?;
    let stored = StoredManifest {
        digest: digest.clone(),
        media_type: manifest.media_type().clone(),
        bytes: app.room.keep(bytes)?,
    };
    app.store.find_or_make(name).put_manifest(stored, &tags, &layers);

    let mut response = empty(StatusCode::CREATED);
    let named = resolved.named_repository().unwrap_or(name);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, header_value(format!("/v2/{named}/manifests/{digest}")));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(CONTENT_DIGEST, header_value(&digest));
    if let Some(subject) = manifest.subject() {
        headers.insert(HeaderName::from_static("oci-subject"), header_value(&subject.digest));
    }
    if reference.digest().is_some() {
        for tag in tags {
            headers.append(HeaderName::from_static("oci-tag"), header_value(tag));
        }
    }
    Ok(response)
}

/// The tags that a push by digest asks for: `?tag=a&tag=b`.
fn read_tags(uri: &Uri) -> Result<Vec<Tag>, RegistryError> {
    let tags = query(uri).into_iter().filter(|(name, _)| name == "tag");
    let parsed: Result<_, TagError> = tags.map(|(_, tag)| tag.parse()).collect();
    parsed.map_err(|error| RegistryError::Path(error.into()))
}

/// The layers of a manifest whose content is all here. A subject, and layers that are elsewhere, may be absent.
async fn check_content(repository: &Repository, manifest: &Manifest) -> Result<Vec<Digest>, RegistryError> {
    let mut absent = Vec::new();
    let mut layers = Vec::new();
    match manifest {
        Manifest::Image(image) => {
            for blob in image.blobs().filter(|blob| blob.urls.is_empty()) {
                if repository.blob(&blob.digest).await.is_none() {
                    absent.push(blob.digest.clone());
                }
            }
            layers.extend(image.layers.iter().map(|layer| layer.digest.clone()));
        }
        Manifest::Index(index) => {
            for child in &index.manifests {
                if repository.manifest(&Reference::Digest(child.digest.clone())).await.is_none() {
                    absent.push(child.digest.clone());
                }
            }
        }
    }
    if absent.is_empty() { Ok(layers) } else { Err(RegistryError::ManifestBlobsUnknown(absent)) }
}

/// `DELETE /v2/<name>/manifests/<reference>`: 202. A tag is taken away alone, a digest with the tags that name it.
///
/// # Errors
/// `NAME_UNKNOWN` 404, `MANIFEST_UNKNOWN` 404.
///
/// Source: distribution-spec, "Deleting Manifests", "Deleting Tags".
pub(super) async fn delete_manifest(
    app: &App,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Response, RegistryError> {
    let repository = find(app, name)?;
    if !repository.delete_manifest(reference).await {
        return Err(RegistryError::ManifestUnknown(reference.clone()));
    }
    Ok(empty(StatusCode::ACCEPTED))
}
