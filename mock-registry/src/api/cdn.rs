//! `/registry-v2/…/data?verify=`: a blob at the second host, where the redirect of its first one leads.
//!
//! This is no registry but an object store: it knows signed addresses and nothing else, and its errors are its own.
//!
//! Source: facts/registry A10, G3 (B01, B04).

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderValue, StatusCode, header};
use oci::Digest;

use super::blobs::compose_content;
use crate::{
    cdn::{Ticket, TicketFault},
    error::RegistryError,
    state::App,
};

/// `GET|HEAD /registry-v2/docker/registry/v2/blobs/sha256/<2 hex>/<hex>/data?verify=<unix>-<signature>`: the bytes of a
/// blob, or the parts of them that `Range` asks for.
///
/// Answers 400 if it is shown credentials, and 403 if the signature is absent, forged or expired: XML, as such stores do.
///
/// # Errors
/// `RANGE_INVALID` 416, as at the registry itself.
pub(super) async fn get_content(app: &App, digest: &Digest, request: Request) -> Result<Response, RegistryError> {
    let headers = request.headers();
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok(refuse(StatusCode::BAD_REQUEST, "InvalidArgument", "Only one auth mechanism allowed"));
    }
    let ticket = request.uri().query().and_then(Ticket::read).ok_or(TicketFault::Forged);
    let checked = ticket.and_then(|ticket| app.cdn.check(&ticket, digest, app.clock.now()).map(|()| ticket));
    let ticket = match checked {
        Ok(ticket) => ticket,
        Err(TicketFault::Forged) => return Ok(refuse(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied")),
        Err(TicketFault::Expired) => return Ok(refuse(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired")),
    };
    let content = match app.store.find(ticket.repository()).await? {
        Some(repository) => repository.blob(digest).await?,
        None => None,
    };
    match content {
        Some(content) => compose_content(content, digest, headers),
        // It was there when the address was signed.
        None => Ok(refuse(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")),
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>\n"
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}
