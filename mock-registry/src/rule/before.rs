//! What a rule does before there is an answer, and the answer that it gives in place of the registry's own.

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use oci::{Endpoint, Reference};
use testbed::{
    dialect::Facts,
    rule::{Action, Answer, Fired, MoveTag, RangeFault, Redirect},
    server::RawAnswer,
};

use super::answer::Sent;
use crate::{
    auth::Identity,
    dialects,
    error::{AnsweredError, RegistryError},
    exchange::Resolved,
    state::App,
    store::StoredManifest,
};

/// Does what comes before the registry's own answer, and returns the rule's answer if that takes its place. What changes the
/// registry is done first, then the client waits.
pub(crate) async fn begin(
    app: &App,
    resolved: &Resolved,
    identity: &Identity,
    fired: &Fired,
    request: &mut Request,
) -> Option<Response> {
    for action in fired.actions.iter() {
        match action {
            Action::ExpireToken => {
                if let Some(token) = identity.token_id() {
                    app.tokens.revoke(token);
                }
            }
            Action::MoveTag(to) => {
                if let Err(error) = move_tag(app, resolved, to).await {
                    return Some(axum::response::IntoResponse::into_response(error));
                }
            }
            Action::DropSession => drop_session(app, resolved),
            Action::Range(fault) => change_range(*fault, request),
            _ => {}
        }
    }
    for action in fired.actions.iter() {
        if let Action::Delay(delay) = action {
            tokio::time::sleep(delay.duration).await;
        }
    }
    fired.actions.iter().find_map(|action| match action {
        Action::Answer(answer) => Some(compose_answer(app, identity, answer)),
        Action::Raw(text) => Some(compose_raw(text)),
        Action::Redirect(redirect) => Some(compose_redirect(redirect, request)),
        Action::NoAnswer => Some(unanswered(Sent::Nothing)),
        Action::Close => Some(unanswered(Sent::End)),
        _ => None,
    })
}

async fn move_tag(app: &App, resolved: &Resolved, MoveTag { to }: &MoveTag) -> Result<(), RegistryError> {
    let (Some(name), Some(Reference::Tag(tag))) = (&resolved.repository, resolved.reference()) else { return Ok(()) };
    let Some(repository) = app.store.find(name).await? else { return Ok(()) };
    let Some(manifest) = repository.manifest(to).await else { return Ok(()) };
    let StoredManifest { digest, media_type, bytes, .. } = &*manifest;
    let same = StoredManifest::under(digest.clone(), media_type.clone(), bytes.clone());
    repository.put_manifest(same, vec![tag], Vec::new()).await?;
    Ok(())
}

fn drop_session(app: &App, resolved: &Resolved) {
    if let (Some(name), Ok(Endpoint::Upload { id, .. })) = (&resolved.repository, &resolved.endpoint) {
        app.uploads.close(name, id);
    }
}

/// Nothing of a blob is as far in as this.
const BEYOND_ANY_BLOB: HeaderValue = HeaderValue::from_static("bytes=9223372036854775806-");

fn change_range(fault: RangeFault, request: &mut Request) {
    let headers = request.headers_mut();
    match fault {
        RangeFault::Ignore => {
            headers.remove(header::RANGE);
        }
        RangeFault::Refuse => {
            if let Some(range) = headers.get_mut(header::RANGE) {
                *range = BEYOND_ANY_BLOB;
            }
        }
        RangeFault::Lie => {}
    }
}

fn compose_answer(app: &App, identity: &Identity, answer: &Answer) -> Response {
    let mut response = match &answer.dialect {
        Some(dialect) => dialects::compose(
            dialect,
            &Facts {
                account: identity.principal().account().map(ToString::to_string),
                token_id: identity.token_id().map(str::to_owned),
                now: app.clock.now(),
                ..Facts::default()
            },
        ),
        None => compose_own(answer),
    };
    // The configuration was checked; the book can also be filled by hand.
    if let Some(status) = answer.status {
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn compose_own(answer: &Answer) -> Response {
    let body = match (&answer.body, &answer.json) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(json)) => json.to_string().into_bytes(),
        (None, None) => Vec::new(),
    };
    let code = oci::ErrorBody::parse(&body).and_then(|body| body.first().map(|entry| entry.code.clone()));
    let mut response = Response::new(Body::from(body));
    if answer.json.is_some() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(code) = code {
        response.extensions_mut().insert(AnsweredError(code));
    }
    response
}

fn compose_raw(text: &str) -> Response {
    let status = text.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let mut response = unanswered(Sent::Raw(status));
    response.extensions_mut().insert(RawAnswer(Bytes::from(text.to_owned())));
    response
}

fn compose_redirect(redirect: &Redirect, request: &Request) -> Response {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
    if let Ok(location) = HeaderValue::try_from(redirect.location(target)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Stands for an answer that HTTP has no words for.
fn unanswered(sent: Sent) -> Response {
    let mut response = Response::new(Body::empty());
    if let Sent::End = sent {
        response.extensions_mut().insert(RawAnswer(Bytes::new()));
    }
    response.extensions_mut().insert(sent);
    response
}
