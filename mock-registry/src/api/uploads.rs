//! `/v2/<name>/blobs/uploads/`: pushing a blob, in one request or in many.
//!
//! Source: distribution-spec, "Pushing Blobs", "Mounting a blob from another repository"; facts/registry D1, D2, D3.

use std::time::Duration;

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use oci::{Algorithm, Digest, DigestError, RepositoryName, ResolvedRange, UploadId};
use tokio::time::timeout;

use super::{empty, header_value, listing::query, manifests::CONTENT_DIGEST};
use crate::{
    auth::{Identity, may_pull},
    error::RegistryError,
    exchange::Resolved,
    state::App,
    store::Session,
};

/// The longest silence within a body, in wire time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");
const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// `POST /v2/<name>/blobs/uploads/`: opens an upload, 202; with `digest=` takes the whole blob, 201; with `mount=` takes
/// it from another repository, 201, or opens an upload after all, 202. `digest-algorithm=` says what the blob's digest will
/// be made with.
///
/// # Errors
/// `DIGEST_INVALID` 400: `digest` is malformed, or not the content's, or `digest-algorithm` is not known. `SIZE_INVALID`
/// 413: the blob is too large.
/// `TOOMANYREQUESTS` 429: too many uploads are open, and none of them is idle.
pub(super) async fn post_upload(
    app: &App,
    resolved: &Resolved,
    identity: &Identity,
    name: &RepositoryName,
    request: Request,
) -> Result<Response, RegistryError> {
    let query = query(request.uri());
    let get = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    if let Some(digest) = get("mount") {
        // A mount that fails, for whatever reason, is an upload.
        if let Ok(digest) = parse_digest(digest)
            && mount(app, identity, get("from"), name, &digest).await?
        {
            return Ok(kept(resolved, name, &digest));
        }
    } else if let Some(digest) = get("digest") {
        let digest = parse_digest(digest)?;
        let mut session = app.uploads.session(digest.algorithm());
        receive(&mut session, request.into_body()).await?;
        let received = session.finish(&digest).await?;
        app.store.find_or_make(name).await?.put_blob(received).await?;
        return Ok(kept(resolved, name, &digest));
    }
    let algorithm = match get("digest-algorithm") {
        Some(algorithm) => algorithm.parse().map_err(invalid_digest)?,
        None => Algorithm::Sha256,
    };
    let id = app.uploads.open(name, algorithm)?;
    let mut response = progress(resolved, name, &id, 0, StatusCode::ACCEPTED);
    if let Some(min_bytes) = app.settings.api.chunk_min_bytes {
        response.headers_mut().insert(CHUNK_MIN_LENGTH, header_value(min_bytes));
    }
    Ok(response)
}

/// Takes the blob over from the repository that `from` names, if the client may read there; without `from`, from the first one
/// that has it and that the client may read.
async fn mount(
    app: &App,
    identity: &Identity,
    from: Option<&str>,
    to: &RepositoryName,
    digest: &Digest,
) -> Result<bool, RegistryError> {
    let sources = match from {
        Some(from) => from.parse().ok().and_then(|named| app.settings.stored_name(&named)).into_iter().collect(),
        None => app.store.names_with(digest),
    };
    for source in sources {
        let is_readable = app.settings.named(&source).is_some_and(|named| may_pull(app, identity, &named));
        if is_readable && app.store.mount(digest, &source, to).await? {
            return Ok(true);
        }
    }
    Ok(false)
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
/// it is not as long as it says, or the last one was too short to have one behind it; 413: the blob is too large.
pub(super) async fn patch_upload(
    app: &App,
    resolved: &Resolved,
    name: &RepositoryName,
    id: &UploadId,
    request: Request,
) -> Result<Response, RegistryError> {
    let session = app.uploads.find(name, id).ok_or(RegistryError::UploadUnknown)?;
    let mut session = session.lock().await;
    append(app, &mut session, request).await?;
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
    append(app, &mut session, request).await?;
    let finished = session.finish(&digest).await;
    if !app.uploads.close(name, id) {
        return Err(RegistryError::UploadUnknown);
    }
    app.store.find_or_make(name).await?.put_blob(finished?).await?;
    Ok(kept(resolved, name, &digest))
}

/// `DELETE /v2/<name>/blobs/uploads/<id>`: gives the upload up, 204.
///
/// # Errors
/// `BLOB_UPLOAD_UNKNOWN` 404.
pub(super) fn delete_upload(app: &App, name: &RepositoryName, id: &UploadId) -> Result<Response, RegistryError> {
    if !app.uploads.close(name, id) {
        return Err(RegistryError::UploadUnknown);
    }
    let mut response = empty(StatusCode::NO_CONTENT);
    response.headers_mut().insert(UPLOAD_UUID, header_value(id));
    Ok(response)
}

/// Appends a request's body where its `Content-Range` says it belongs: `0-1023`, without `bytes`. A body that is refused
/// leaves nothing behind, and is not read if its own length says already that it is not as long as its range.
async fn append(app: &App, session: &mut Session, request: Request) -> Result<(), RegistryError> {
    let expected = session.size_bytes()?;
    let n_stated = match chunk_range(request.headers())? {
        Some(range) if range.first != expected => {
            return Err(RegistryError::ChunkOrder { start: range.first, expected });
        }
        // Both ends are included, so that the longest range has one byte more than can be counted.
        Some(range) => Some((range.last - range.first).checked_add(1).ok_or(RegistryError::ChunkRange)?),
        None => None,
    };
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.zip(n_stated).is_some_and(|(length, n_stated)| length != n_stated) {
        return Err(RegistryError::ChunkRange);
    }
    let min_bytes = app.settings.api.chunk_min_bytes.unwrap_or(0);
    let short = session.last_chunk_bytes.filter(|n_bytes| *n_bytes < min_bytes);

    let mark = session.mark().await?;
    receive(session, request.into_body()).await?;
    let n_bytes = session.size_bytes()? - expected;
    let refused = match (n_stated, short) {
        (Some(n_stated), _) if n_stated != n_bytes => RegistryError::ChunkRange,
        (_, Some(short)) if n_bytes > 0 => RegistryError::ChunkTooShort { n_bytes: short, min_bytes },
        _ => {
            session.last_chunk_bytes = Some(n_bytes);
            return Ok(());
        }
    };
    session.go_back(mark).await?;
    Err(refused)
}

fn chunk_range(headers: &HeaderMap) -> Result<Option<ResolvedRange>, RegistryError> {
    let Some(value) = headers.get(header::CONTENT_RANGE) else { return Ok(None) };
    let range = value.to_str().ok().and_then(|range| range.parse().ok());
    range.map(Some).ok_or(RegistryError::ChunkRange)
}

async fn receive(session: &mut Session, mut body: Body) -> Result<(), RegistryError> {
    let mut receiving = session.receive();
    // A client that sends nothing more must not hold its upload for ever.
    while let Some(frame) = timeout(IDLE_TIMEOUT, body.frame()).await.map_err(|_| RegistryError::BodyBroken)? {
        let frame = frame.map_err(|_| RegistryError::BodyBroken)?;
        if let Ok(piece) = frame.into_data() {
            receiving.append(piece).await?;
        }
    }
    Ok(())
}

fn parse_digest(text: &str) -> Result<Digest, RegistryError> {
    text.parse().map_err(invalid_digest)
}

fn invalid_digest(error: DigestError) -> RegistryError {
    RegistryError::DigestInvalid(error.to_string())
}

/// Says where a blob is that was kept.
fn kept(resolved: &Resolved, name: &RepositoryName, digest: &Digest) -> Response {
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
