//! The endpoints, one file each; here a request finds its own.
//!
//! Repository names contain slashes, so there are no routes: the path was parsed into a `Resolved` once, and the match below
//! is the whole table. GET and HEAD share a handler; the server leaves the body of a HEAD out.

mod blobs;
mod byteranges;
mod catalog;
mod cdn;
mod listing;
mod manifests;
mod mirror;
mod ping;
mod proxied;
mod referrers;
mod tags;
mod token;
mod uploads;

use std::{mem, sync::Arc};

use axum::{body::Body, extract::Request, response::Response};
use http::{Method, StatusCode, header};
use oci::{Endpoint, RepositoryName};

pub(crate) use listing::query;
pub(crate) use proxied::UpstreamSaid;

use crate::{
    AuthConfig, auth::Identity, error::RegistryError, exchange::Resolved, header::header_value, state::App,
    store::Repository,
};

/// Finds the endpoint and asks it, and adds what the registry says with every answer.
///
/// # Errors
/// What the endpoint refuses, what is no endpoint, and methods that an endpoint does not have.
pub(crate) async fn dispatch(
    app: &App,
    resolved: &Resolved,
    identity: &Identity,
    request: &mut Request,
) -> Result<Response, RegistryError> {
    let namespace = mirror::read_namespace(app, request)?;
    let mut response = ask(app, resolved, identity, request).await?;
    if !resolved.is_api() {
        return Ok(response);
    }
    let headers = response.headers_mut();
    if let Some(namespace) = namespace {
        headers.insert(mirror::NAMESPACE, namespace);
    }
    for warning in &app.settings.api.warnings {
        headers.append(header::WARNING, warning.clone());
    }
    Ok(response)
}

async fn ask(
    app: &App,
    resolved: &Resolved,
    identity: &Identity,
    request: &mut Request,
) -> Result<Response, RegistryError> {
    let endpoint = resolved.endpoint.as_ref().map_err(Clone::clone)?;
    let repository = match (endpoint.repository(), &resolved.repository) {
        (None, _) => None,
        (Some(_), Some(repository)) => Some(repository),
        (Some(named), None) => return Err(RegistryError::of_repository(named)),
    };
    match (endpoint, repository, request.method()) {
        (Endpoint::Manifest { reference, .. }, Some(repository), &(Method::GET | Method::HEAD)) => {
            if let Some(proxy) = &app.proxy {
                return Box::pin(proxied::get_manifest(
                    app,
                    proxy,
                    repository,
                    reference,
                    request.method(),
                    request.headers(),
                ))
                .await;
            }
            manifests::get_manifest(app, repository, reference, request.headers()).await
        }
        (Endpoint::Blob { digest, .. }, Some(repository), &(Method::GET | Method::HEAD)) => {
            if app.proxy.as_ref().is_some_and(|proxy| !proxy.has_blob(repository, app.clock.now())) {
                return Err(RegistryError::BlobUnknown(digest.clone()));
            }
            blobs::get_blob(app, resolved, repository, digest, request.headers()).await
        }
        // Boxed: all else is rarer, and larger than the room that each connection keeps for its exchange.
        _ => Box::pin(ask_rarer(app, resolved, identity, endpoint, repository, mem::take(request))).await,
    }
}

async fn ask_rarer(
    app: &App,
    resolved: &Resolved,
    identity: &Identity,
    endpoint: &Endpoint,
    repository: Option<&RepositoryName>,
    request: Request,
) -> Result<Response, RegistryError> {
    let method = request.method().clone();
    let refuse = |allowed| Err(RegistryError::Method { method: method.clone(), allowed });
    let Some(repository) = repository else {
        return match (endpoint, &method) {
            (Endpoint::Token, &Method::GET) => token::get_token(app, identity, &request),
            (Endpoint::Token, &Method::POST) => token::post_token(app, request).await,
            (Endpoint::Token, _) => refuse("GET, POST"),
            (Endpoint::Catalog, &(Method::GET | Method::HEAD)) => catalog::get_catalog(app, resolved, &request),
            (Endpoint::Cdn { digest }, &(Method::GET | Method::HEAD)) => cdn::get_content(app, digest, request).await,
            (_, &(Method::GET | Method::HEAD)) => Ok(ping::get_ping()),
            _ => refuse("GET, HEAD"),
        };
    };
    match (endpoint, &method) {
        (Endpoint::Manifest { reference, .. }, &Method::PUT) => {
            check_push(app, identity)?;
            manifests::put_manifest(app, resolved, repository, reference, request).await
        }
        (Endpoint::Manifest { reference, .. }, &Method::DELETE) => {
            check_push(app, identity)?;
            manifests::delete_manifest(app, repository, reference).await
        }
        (Endpoint::Manifest { .. }, _) => refuse("GET, HEAD, PUT, DELETE"),
        (Endpoint::Blob { digest, .. }, &Method::DELETE) => {
            check_push(app, identity)?;
            blobs::delete_blob(app, repository, digest).await
        }
        (Endpoint::Blob { .. }, _) => refuse("GET, HEAD, DELETE"),
        (Endpoint::Tags { .. }, &(Method::GET | Method::HEAD)) => {
            tags::get_tags(app, resolved, repository, request.uri()).await
        }
        (Endpoint::Referrers { digest, .. }, &(Method::GET | Method::HEAD)) => {
            referrers::get_referrers(app, resolved, repository, digest, request.uri()).await
        }
        (Endpoint::Uploads { .. }, &Method::POST) => {
            check_push(app, identity)?;
            uploads::post_upload(app, resolved, identity, repository, request).await
        }
        (Endpoint::Uploads { .. }, _) => refuse("POST"),
        (Endpoint::Upload { id, .. }, method) => {
            check_push(app, identity)?;
            match *method {
                Method::GET | Method::HEAD => uploads::get_upload(app, resolved, repository, id).await,
                Method::PATCH => uploads::patch_upload(app, resolved, repository, id, request).await,
                Method::PUT => uploads::put_upload(app, resolved, repository, id, request).await,
                Method::DELETE => uploads::delete_upload(app, repository, id),
                _ => refuse("GET, PATCH, PUT, DELETE"),
            }
        }
        _ => refuse("GET, HEAD"),
    }
}

/// Whether this registry takes pushes.
///
/// # Errors
/// `UNSUPPORTED` 405 where nobody may push, `DENIED` 403 where the client might be taken for somebody who may.
fn check_push(app: &App, identity: &Identity) -> Result<(), RegistryError> {
    match (app.settings.push, app.settings.auth) {
        (true, _) => Ok(()),
        (false, AuthConfig::None) => Err(RegistryError::SwitchedOff { what: "take pushes" }),
        (false, _) => Err(RegistryError::PushDenied(identity.principal().to_string())),
    }
}

/// An answer that is its status and headers.
fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The repository, which must be there.
async fn find(app: &App, name: &RepositoryName) -> Result<Arc<Repository>, RegistryError> {
    app.store.find(name).await?.ok_or_else(|| RegistryError::of_repository(name))
}

/// Whether the client has the content already: its `If-None-Match` names the tag or everything.
fn has_already(headers: &http::HeaderMap, etag: &str) -> bool {
    headers.get_all(http::header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}
