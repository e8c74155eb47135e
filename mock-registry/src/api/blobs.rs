//! `/v2/<name>/blobs/<digest>`.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oci::{ContentRange, Digest, RangeRequest, RepositoryName, ResolvedRange};

use super::{empty, find, has_already, header_value, manifests::CONTENT_DIGEST};
use crate::{
    body::{ContentBody, Streamed},
    error::RegistryError,
    state::App,
};

/// `GET|HEAD /v2/<name>/blobs/<digest>`: the bytes, or the part of them that `Range` asks for.
///
/// Answers 200 with everything, 206 with one range, 304 when `If-None-Match` names the digest. A `Range` that is
/// malformed, has several parts, or comes with an `If-Range` that does not match is ignored.
///
/// # Errors
/// `NAME_UNKNOWN` 404, `BLOB_UNKNOWN` 404: the repository does not have it, whoever else does. `RANGE_INVALID` 416 with
/// `Content-Range: bytes */size`: the range starts behind the end.
///
/// Source: distribution-spec, "Pulling blobs"; facts/registry D3; RFC 9110, "Range Requests".
pub(super) async fn get_blob(
    app: &App,
    name: &RepositoryName,
    digest: &Digest,
    headers: &HeaderMap,
) -> Result<Response, RegistryError> {
    let content = find(app, name)?.blob(digest).await.ok_or_else(|| RegistryError::BlobUnknown(digest.clone()))?;
    let size_bytes = content.size_bytes();
    let etag = format!("\"{digest}\"");
    let mut response = Response::new(Body::empty());
    if has_already(headers, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else if let Some(range) = wanted_range(headers, &etag, size_bytes)? {
        let part = ContentBody::new(content, range.first, range.last + 1);
        *response.body_mut() = Body::new(part);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let stated = ContentRange::Part { range, size: Some(size_bytes) };
        response.headers_mut().insert(header::CONTENT_RANGE, header_value(stated));
        response.headers_mut().insert(header::CONTENT_LENGTH, header_value(range.size_bytes()));
    } else {
        *response.body_mut() = Body::new(ContentBody::new(content, 0, size_bytes));
        response.headers_mut().insert(header::CONTENT_LENGTH, header_value(size_bytes));
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=31536000"));
    headers.insert(header::ETAG, header_value(etag));
    headers.insert(CONTENT_DIGEST, header_value(digest));
    if response.status() != StatusCode::NOT_MODIFIED {
        response.extensions_mut().insert(Streamed);
    }
    Ok(response)
}

/// The part that is asked for; `None` means everything.
fn wanted_range(headers: &HeaderMap, etag: &str, size_bytes: u64) -> Result<Option<ResolvedRange>, RegistryError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(range) = text(header::RANGE).and_then(|range| range.parse::<RangeRequest>().ok()) else { return Ok(None) };
    if text(header::IF_RANGE).is_some_and(|condition| condition != etag) {
        return Ok(None);
    }
    range.resolve(size_bytes).map(Some).map_err(|_| RegistryError::Range { size_bytes })
}

/// `DELETE /v2/<name>/blobs/<digest>`: 202.
///
/// # Errors
/// `NAME_UNKNOWN` 404, `BLOB_UNKNOWN` 404.
///
/// Source: distribution-spec, "Deleting Blobs".
pub(super) async fn delete_blob(app: &App, name: &RepositoryName, digest: &Digest) -> Result<Response, RegistryError> {
    if !find(app, name)?.delete_blob(digest).await {
        return Err(RegistryError::BlobUnknown(digest.clone()));
    }
    Ok(empty(StatusCode::ACCEPTED))
}
