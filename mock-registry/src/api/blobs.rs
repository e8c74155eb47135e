//! `/v2/<name>/blobs/<digest>`.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oci::{ContentRange, Digest, RangeError, RangeSet, RepositoryName, ResolvedRange};

use super::{byteranges::ByteRanges, empty, find, has_already, header_value, manifests::CONTENT_DIGEST};
use crate::{
    DeleteConfig,
    body::{ContentBody, Streamed},
    error::RegistryError,
    exchange::Resolved,
    state::App,
    store::Content,
};

/// What of a blob is asked for.
enum Wanted {
    /// Nothing: the client has it.
    Nothing,
    Everything,
    Part(ResolvedRange),
    Parts(Vec<ResolvedRange>),
}

/// `GET|HEAD /v2/<name>/blobs/<digest>`: the bytes, or the parts of them that `Range` asks for.
///
/// Answers 200 with everything, 206 with one range or with several in `multipart/byteranges`, 304 when `If-None-Match` names
/// the digest. A `Range` in another unit, one that asks for more than there is, or one that comes with an `If-Range` that
/// does not match is ignored. 307 with the blob's address at the second host, if the registry has one.
///
/// # Errors
/// `NAME_UNKNOWN` 404, `BLOB_UNKNOWN` 404: the repository does not have it, whoever else does. `RANGE_INVALID` 416 with
/// `Content-Range: bytes */size`: the range is malformed, or shares no byte with the blob.
///
/// Source: distribution-spec, "Pulling blobs"; facts/registry D3; RFC 9110, "Range Requests".
pub(super) async fn get_blob(
    app: &App,
    resolved: &Resolved,
    name: &RepositoryName,
    digest: &Digest,
    headers: &HeaderMap,
) -> Result<Response, RegistryError> {
    let content =
        find(app, name).await?.blob(digest).await?.ok_or_else(|| RegistryError::BlobUnknown(digest.clone()))?;
    if let Some(second_host) = &app.settings.api.redirect_blobs {
        let (scheme, now) = (app.settings.scheme(), app.clock.now());
        let location = app.cdn.compose_location(second_host, scheme, &resolved.host, name, digest, now);
        if let Some(location) = location {
            return Ok(redirect(location));
        }
    }
    let mut response = compose_content(content, digest, headers)?;
    response.headers_mut().insert(CONTENT_DIGEST, header_value(digest));
    Ok(response)
}

/// To the second host, as Docker Hub does it. Source: facts/registry A10.
fn redirect(location: String) -> Response {
    let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, header_value(location));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// What of `content` the request's `headers` ask for.
pub(super) fn compose_content(
    content: Content,
    digest: &Digest,
    headers: &HeaderMap,
) -> Result<Response, RegistryError> {
    let size_bytes = content.size_bytes();
    let etag = format!("\"{digest}\"");
    let mut response = Response::new(Body::empty());
    let mut content_type = HeaderValue::from_static("application/octet-stream");
    match find_wanted(headers, &etag, size_bytes)? {
        Wanted::Nothing => *response.status_mut() = StatusCode::NOT_MODIFIED,
        Wanted::Everything => send(&mut response, ContentBody::new(content, 0, size_bytes), size_bytes),
        Wanted::Part(range) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let stated = ContentRange::Part { range, size: Some(size_bytes) };
            response.headers_mut().insert(header::CONTENT_RANGE, header_value(stated));
            send(&mut response, ContentBody::new(content, range.first, range.last + 1), range.size_bytes());
        }
        Wanted::Parts(parts) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let body = ByteRanges::new(content, digest, parts);
            content_type = header_value(body.content_type());
            let length = body.size_bytes();
            send(&mut response, body, length);
        }
    }
    let is_known = response.status() == StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    if !is_known {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=31536000"));
    headers.insert(header::ETAG, header_value(etag));
    Ok(response)
}

fn send(
    response: &mut Response,
    body: impl http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    length_bytes: u64,
) {
    *response.body_mut() = Body::new(body);
    response.headers_mut().insert(header::CONTENT_LENGTH, header_value(length_bytes));
    response.extensions_mut().insert(Streamed);
}

fn find_wanted(headers: &HeaderMap, etag: &str, size_bytes: u64) -> Result<Wanted, RegistryError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if has_already(headers, etag) {
        return Ok(Wanted::Nothing);
    }
    let is_other = text(header::IF_RANGE).is_some_and(|condition| condition != etag);
    let asked = text(header::RANGE).filter(|_| !is_other).map(str::parse::<RangeSet>);
    let parts = match asked {
        None | Some(Err(RangeError::Unit { .. })) => return Ok(Wanted::Everything),
        // Some clients send a range whatever they ask for; of nothing they get all.
        Some(_) if size_bytes == 0 => return Ok(Wanted::Everything),
        Some(Err(_)) => return Err(RegistryError::Range { size_bytes }),
        Some(Ok(set)) => set.resolve(size_bytes),
    };
    let total_bytes = parts.iter().map(|part| part.size_bytes()).fold(0, u64::saturating_add);
    match parts.as_slice() {
        [] => Err(RegistryError::Range { size_bytes }),
        [part] => Ok(Wanted::Part(*part)),
        // More than there is would be an attack, or a mistake.
        _ if total_bytes > size_bytes => Ok(Wanted::Everything),
        _ => Ok(Wanted::Parts(parts)),
    }
}

/// `DELETE /v2/<name>/blobs/<digest>`: 202.
///
/// # Errors
/// `NAME_UNKNOWN` 404, `BLOB_UNKNOWN` 404. `UNSUPPORTED` 405: nothing can be deleted here.
///
/// Source: distribution-spec, "Deleting Blobs".
pub(super) async fn delete_blob(app: &App, name: &RepositoryName, digest: &Digest) -> Result<Response, RegistryError> {
    if app.settings.api.delete == DeleteConfig::None {
        return Err(RegistryError::SwitchedOff { what: "delete blobs" });
    }
    if !find(app, name).await?.delete_blob(digest).await? {
        return Err(RegistryError::BlobUnknown(digest.clone()));
    }
    Ok(empty(StatusCode::ACCEPTED))
}
