//! `/v2/<name>/blobs/uploads/`: pushing a blob, in one request or in many.
//!
//! Source: distribution-spec, "Pushing Blobs", "Mounting a blob from another repository"; facts/registry D1, D2, D3.

use std::time::Duration;

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use oci::{Digest, RepositoryName, UploadId};
use tokio::time::timeout;

use super::{empty, header_value, listing::query, manifests::CONTENT_DIGEST};
use crate::{
    auth::{Identity, may_pull},
    error::RegistryError,
    exchange::Resolved,
    state::App,
    store::{Content, Session},
};

/// The longest silence within a body, in wire time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// `POST /v2/<name>/blobs/uploads/`: opens an upload, 202; with `digest=` takes the whole blob, 201; with `mount=` takes
/// it from another repository, 201, or opens an upload after all, 202.
///
/// # Errors
/// `DIGEST_INVALID` 400: `digest` is malformed, or not the content's. `SIZE_INVALID` 413: the blob is too large.
/// `TOOMANYREQUESTS` 429: too many uploads are open, and none of them is idle.
pub(super) async fn post_upload(
    app: &App,
    resolved: &Resolved,
    name: &RepositoryName,
    request: Request,
) -> Result<Response, RegistryError> {
    let query = query(request.uri());
    let get = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    if let Some(digest) = get("mount") {
        // A mount that fails, for whatever reason, is an upload.
        if let Ok(digest) = parse_digest(digest) {
            let identity = request.extensions().get::<Identity>().cloned();
            if let Some(content) = find_mounted(app, identity.as_ref(), get("from"), &digest).await {
                return Ok(keep(app, resolved, name, &digest, content));
            }
        }
    } else if let Some(digest) = get("digest") {
        let digest = parse_digest(digest)?;
        let mut session = app.uploads.session();
        receive(&mut session, request.into_body()).await?;
        let content = Content::Memory(session.finish(&digest)?);
        return Ok(keep(app, resolved, name, &digest, content));
    }
    let id = app.uploads.open(name)?;
    Ok(progress(resolved, name, &id, 0, StatusCode::ACCEPTED))
}

/// The blob in the repository that `from` names, if the client may read there; without `from` there is none.
async fn find_mounted(app: &App, identity: Option<&Identity>, from: Option<&str>, digest: &Digest) -> Option<Content> {
    let named: RepositoryName = from?.parse().ok()?;
    if !may_pull(app, identity?, &named) {
        return None;
    }
    app.store.find(&app.settings.stored_name(&named)?)?.blob(digest).await
}

/// `GET /v2/<name>/blobs/uploads/<id>`: how far the upload is, 204 with `Range`.
///
/// # Errors
/// `BLOB_UPLOAD_UNKNOWN` 404.
pub(super) async fn get_upload(
    app: &App,
    resolved: &Resolved,
    name: &RepositoryName,
    id: &UploadId,
) -> Result<Response, RegistryError> {
    let session = app.uploads.find(name, id).ok_or(RegistryError::UploadUnknown)?;
    let size_bytes = session.lock().await.size_bytes()?;
    Ok(progress(resolved, name, id, size_bytes, StatusCode::NO_CONTENT))
}

/// `PATCH /v2/<name>/blobs/uploads/<id>`: appends a chunk, 202 with `Range`. What arrived of a broken chunk is kept.
///
/// # Errors
/// `BLOB_UPLOAD_UNKNOWN` 404. `RANGE_INVALID` 416: the chunk does not start where the last one ended. `SIZE_INVALID` 400:
/// it is not as long as it says; 413: the blob is too large.
pub(super) async fn patch_upload(
    app: &App,
    resolved: &Resolved,
    name: &RepositoryName,
    id: &UploadId,
    request: Request,
) -> Result<Response, RegistryError> {
    let session = app.uploads.find(name, id).ok_or(RegistryError::UploadUnknown)?;
    let mut session = session.lock().await;
    append(&mut session, request).await?;
    Ok(progress(resolved, name, id, session.size_bytes()?, StatusCode::ACCEPTED))
}

/// `PUT /v2/<name>/blobs/uploads/<id>?digest=`: takes the last chunk, if there is one, and keeps the blob, 201.
///
/// # Errors
/// As `PATCH`; `DIGEST_INVALID` 400: absent, malformed, or not the content's. The upload is ended by a wrong digest too.
/// Of two at once one finds the upload; the other is told `BLOB_UPLOAD_UNKNOWN`.
pub(super) async fn put_upload(
    app: &App,
    resolved: &Resolved,
    name: &RepositoryName,
    id: &UploadId,
    request: Request,
) -> Result<Response, RegistryError> {
    let session = app.uploads.find(name, id).ok_or(RegistryError::UploadUnknown)?;
    let digest = query(request.uri()).into_iter().find(|(name, _)| name == "digest").map(|(_, value)| value);
    let digest = parse_digest(&digest.unwrap_or_default())?;
    let mut session = session.lock().await;
    append(&mut session, request).await?;
    let finished = session.finish(&digest);
    if !app.uploads.close(name, id) {
        return Err(RegistryError::UploadUnknown);
    }
    let content = Content::Memory(finished?);
    Ok(keep(app, resolved, name, &digest, content))
}

/// `DELETE /v2/<name>/blobs/uploads/<id>`: gives the upload up, 204.
///
/// # Errors
/// `BLOB_UPLOAD_UNKNOWN` 404.
pub(super) fn delete_upload(app: &App, name: &RepositoryName, id: &UploadId) -> Result<Response, RegistryError> {
    if !app.uploads.close(name, id) {
        return Err(RegistryError::UploadUnknown);
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Appends a request's body where its `Content-Range` says it belongs: `0-1023`, without `bytes`. A body that is not as
/// long as that leaves nothing behind, and is not read if its own length says so already.
async fn append(session: &mut Session, request: Request) -> Result<(), RegistryError> {
    let expected = session.size_bytes()?;
    let Some((start, end)) = chunk_range(request.headers())? else {
        return receive(session, request.into_body()).await;
    };
    if start != expected {
        return Err(RegistryError::ChunkOrder { start, expected });
    }
    let n_stated = end.checked_sub(start).and_then(|n| n.checked_add(1)).ok_or(RegistryError::ChunkRange)?;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length != n_stated) {
        return Err(RegistryError::ChunkRange);
    }
    let mark = session.mark();
    receive(session, request.into_body()).await?;
    if session.size_bytes()? - start == n_stated {
        return Ok(());
    }
    session.go_back(mark);
    Err(RegistryError::ChunkRange)
}

fn chunk_range(headers: &HeaderMap) -> Result<Option<(u64, u64)>, RegistryError> {
    let Some(value) = headers.get(header::CONTENT_RANGE) else { return Ok(None) };
    let parse = || {
        let (start, end) = value.to_str().ok()?.trim().split_once('-')?;
        Some((start.parse().ok()?, end.parse().ok()?))
    };
    parse().map(Some).ok_or(RegistryError::ChunkRange)
}

async fn receive(session: &mut Session, mut body: Body) -> Result<(), RegistryError> {
    // A client that sends nothing more must not hold its upload for ever.
    while let Some(frame) = timeout(IDLE_TIMEOUT, body.frame()).await.map_err(|_| RegistryError::BodyBroken)? {
        let frame = frame.map_err(|_| RegistryError::BodyBroken)?;
        let piece: Bytes = frame.into_data().unwrap_or_default();
        session.append(&piece)?;
    }
    Ok(())
}

fn parse_digest(text: &str) -> Result<Digest, RegistryError> {
    text.parse().map_err(|error: oci::DigestError| RegistryError::DigestInvalid(error.to_string()))
}

/// Keeps a blob and says where it is.
fn keep(app: &App, resolved: &Resolved, name: &RepositoryName, digest: &Digest, content: Content) -> Response {
    app.store.find_or_make(name).put_blob(digest.clone(), content);
    let mut response = empty(StatusCode::CREATED);
    let named = resolved.named_repository().unwrap_or(name);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, header_value(format!("/v2/{named}/blobs/{digest}")));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(CONTENT_DIGEST, header_value(digest));
    response
}

/// Where an upload stands. The reference registry says `0-0` of an empty one.
fn progress(
    resolved: &Resolved,
    name: &RepositoryName,
    id: &UploadId,
    size_bytes: u64,
    status: StatusCode,
) -> Response {
    let mut response = empty(status);
    let named = resolved.named_repository().unwrap_or(name);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, header_value(format!("/v2/{named}/blobs/uploads/{id}")));
    headers.insert(header::RANGE, header_value(format!("0-{}", size_bytes.saturating_sub(1))));
    headers.insert(UPLOAD_UUID, header_value(id));
    if status != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}
