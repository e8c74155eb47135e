//! The endpoints, one file each; here a request finds its own.
//!
//! Repository names contain slashes, so there are no routes: the path was parsed into a `Resolved` once, and the match below
//! is the whole table. GET and HEAD share a handler; the server leaves the body of a HEAD out.

mod blobs;
mod catalog;
mod listing;
mod manifests;
mod ping;
mod referrers;
mod tags;
mod token;
mod uploads;

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode};
use oci::{Endpoint, EndpointError, RepositoryName};

use crate::{AuthConfig, auth::Identity, error::RegistryError, exchange::Resolved, state::App};

/// Finds the endpoint and asks it.
pub(crate) async fn serve(State(app): State<App>, request: Request) -> Response {
    let Some(resolved) = request.extensions().get::<Resolved>().cloned() else {
        // The outermost layer puts it in, so this is a path that nobody resolved.
        return RegistryError::Path(EndpointError::NotFound { path: request.uri().path().to_owned() }).into_response();
    };
    match dispatch(&app, resolved, request).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn dispatch(app: &App, resolved: Resolved, request: Request) -> Result<Response, RegistryError> {
    let endpoint = resolved.endpoint.clone()?;
    let method = request.method().clone();
    let refuse = |allowed| Err(RegistryError::Method { method: method.clone(), allowed });
    let repository = match (endpoint.repository(), &resolved.repository) {
        (None, _) => None,
        (Some(_), Some(repository)) => Some(repository.clone()),
        (Some(named), None) => return Err(RegistryError::of_repository(named)),
    };
    let Some(repository) = repository else {
        return match (&endpoint, &method) {
            (Endpoint::Token, &Method::GET) => token::get_token(app, &request),
            (Endpoint::Token, &Method::POST) => token::post_token(app, request).await,
            (Endpoint::Token, _) => refuse("GET, POST"),
            (Endpoint::Catalog, &(Method::GET | Method::HEAD)) => catalog::get_catalog(app, &resolved, &request),
            (_, &(Method::GET | Method::HEAD)) => Ok(ping::get_ping()),
            _ => refuse("GET, HEAD"),
        };
    };
    match (endpoint, &method) {
        (Endpoint::Manifest { reference, .. }, &(Method::GET | Method::HEAD)) => {
            manifests::get_manifest(app, &repository, &reference, request.headers()).await
        }
        (Endpoint::Manifest { reference, .. }, &Method::PUT) => {
            check_push(app, &request)?;
            manifests::put_manifest(app, &resolved, &repository, &reference, request).await
        }
        (Endpoint::Manifest { reference, .. }, &Method::DELETE) => {
            check_push(app, &request)?;
            manifests::delete_manifest(app, &repository, &reference).await
        }
        (Endpoint::Manifest { .. }, _) => refuse("GET, HEAD, PUT, DELETE"),
        (Endpoint::Blob { digest, .. }, &(Method::GET | Method::HEAD)) => {
            blobs::get_blob(app, &repository, &digest, request.headers()).await
        }
        (Endpoint::Blob { digest, .. }, &Method::DELETE) => {
            check_push(app, &request)?;
            blobs::delete_blob(app, &repository, &digest).await
        }
        (Endpoint::Blob { .. }, _) => refuse("GET, HEAD, DELETE"),
        (Endpoint::Tags { .. }, &(Method::GET | Method::HEAD)) => tags::get_tags(app, &resolved, &repository, &request),
        (Endpoint::Referrers { digest, .. }, &(Method::GET | Method::HEAD)) => {
            referrers::get_referrers(app, &repository, &digest, &request)
        }
        (Endpoint::Uploads { .. }, &Method::POST) => {
            check_push(app, &request)?;
            uploads::post_upload(app, &resolved, &repository, request).await
        }
        (Endpoint::Uploads { .. }, _) => refuse("POST"),
        (Endpoint::Upload { id, .. }, method) => {
            check_push(app, &request)?;
            match *method {
                Method::GET | Method::HEAD => uploads::get_upload(app, &resolved, &repository, &id).await,
                Method::PATCH => uploads::patch_upload(app, &resolved, &repository, &id, request).await,
                Method::PUT => uploads::put_upload(app, &resolved, &repository, &id, request).await,
                Method::DELETE => uploads::delete_upload(app, &repository, &id),
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
fn check_push(app: &App, request: &Request) -> Result<(), RegistryError> {
    match (app.settings.push, app.settings.auth) {
        (true, _) => Ok(()),
        (false, AuthConfig::None) => Err(RegistryError::PushUnsupported),
        (false, _) => {
            let identity = request.extensions().get::<Identity>();
            Err(RegistryError::PushDenied(
                identity.map_or_else(String::new, |identity| identity.principal().to_string()),
            ))
        }
    }
}

/// An answer that is its status and headers.
fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The repository, which must be there.
fn find(app: &App, name: &RepositoryName) -> Result<std::sync::Arc<crate::store::Repository>, RegistryError> {
    app.store.find(name).ok_or_else(|| RegistryError::of_repository(name))
}

/// A header value out of text that was made here.
fn header_value(text: impl ToString) -> http::HeaderValue {
    // Digests, names, numbers and paths that came over HTTP are all visible ASCII.
    http::HeaderValue::try_from(text.to_string()).unwrap_or(http::HeaderValue::from_static(""))
}

/// Whether the client has the content already: its `If-None-Match` names the tag or everything.
fn has_already(headers: &http::HeaderMap, etag: &str) -> bool {
    headers.get_all(http::header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}
