//! The layer that lets through or challenges.

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{Method, header};
use oci::{Action, Endpoint, Scope};
use testbed::dialect::Facts;

use super::{
    Identity, Proof,
    challenge::{ChallengeError, compose_challenges},
    grant::may,
    may_pull,
    token::Claims,
};
use crate::{
    AbsentRepository, AuthConfig, api::query, dialects::compose, error::RegistryError, exchange::Resolved, state::App,
};

/// Lets the request through if its proof allows what it asks for.
///
/// # Errors
/// `UNAUTHORIZED` 401 with the challenge.
pub(crate) fn authorize(
    app: &App,
    resolved: &Resolved,
    identity: &Identity,
    request: &Request,
) -> Result<(), RegistryError> {
    if app.settings.auth == AuthConfig::None {
        return Ok(());
    }
    // What is no endpoint is told so without asking who wants to know; the token endpoint is where one logs in, and the second
    // host has proofs of its own.
    let endpoint = match &resolved.endpoint {
        Ok(Endpoint::Token | Endpoint::Cdn { .. }) | Err(_) => return Ok(()),
        Ok(endpoint) => endpoint,
    };
    let mut needed: Vec<Scope> = needed(endpoint, request.method()).into_iter().collect();
    needed.extend(mount_source(app, identity, endpoint, request));
    let refuse = |error| {
        let challenges = compose_challenges(&app.settings, &resolved.host, endpoint, &needed, error);
        Err(RegistryError::Unauthorized { challenges, needed: needed.clone() })
    };
    let allows = |claims: &Claims, scope: &Scope| {
        let is_unbound = || scope.actions.iter().all(|action| may(app, identity.principal(), scope, action));
        claims.allows(scope) || (app.settings.token.unbound && is_unbound())
    };
    match app.settings.auth {
        AuthConfig::None => Ok(()),
        AuthConfig::Basic => {
            let reads = needed.iter().all(|scope| scope.actions.iter().all(|action| *action == Action::Pull));
            match identity.proof() {
                Proof::Password => Ok(()),
                Proof::None if app.settings.anonymous && reads => Ok(()),
                _ => refuse(None),
            }
        }
        AuthConfig::Bearer => match identity.proof() {
            Proof::Token(Ok(claims)) if app.tokens.is_revoked(&claims.jti) => {
                refuse(Some(ChallengeError::InvalidToken))
            }
            Proof::Token(Ok(claims)) if !needed.iter().all(|scope| allows(claims, scope)) => {
                if app.settings.absent == AbsentRepository::Denied {
                    return Err(RegistryError::Denied);
                }
                refuse(Some(ChallengeError::InsufficientScope))
            }
            Proof::Token(Ok(_)) => Ok(()),
            Proof::Token(Err(_)) => refuse(Some(ChallengeError::InvalidToken)),
            // A password shown to the registry itself is not what it asks for, and no token at all is no error.
            Proof::None | Proof::Password | Proof::WrongPassword => refuse(None),
        },
    }
}

/// The answer to a client that is not let through, in the registry's own dialect if it has one.
pub(crate) fn compose_refusal(app: &App, error: RegistryError) -> Response {
    let dialect = match &error {
        RegistryError::Unauthorized { .. } => app.settings.challenge.body.as_deref(),
        RegistryError::WrongCredentials => app.settings.token.refusal.as_deref(),
        _ => None,
    };
    let plain = error.into_response();
    let Some(dialect) = dialect else { return plain };
    let facts = Facts { now: app.clock.now(), ..Facts::default() };
    let mut response = compose(dialect, &facts);
    for challenge in plain.headers().get_all(header::WWW_AUTHENTICATE) {
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge.clone());
    }
    response
}

/// What a request must be allowed to do; `None` for the version check, where any proof will do.
fn needed(endpoint: &Endpoint, method: &Method) -> Option<Scope> {
    let reads = *method == Method::GET || *method == Method::HEAD;
    match endpoint {
        Endpoint::Ping | Endpoint::Token | Endpoint::Cdn { .. } => None,
        Endpoint::Catalog => Some(Scope::catalog()),
        Endpoint::Uploads { repository } | Endpoint::Upload { repository, .. } => Some(Scope::push(repository)),
        Endpoint::Manifest { repository, .. }
        | Endpoint::Blob { repository, .. }
        | Endpoint::Tags { repository }
        | Endpoint::Referrers { repository, .. } => Some(match *method {
            _ if reads => Scope::pull(repository),
            Method::DELETE => Scope::repository(repository, [Action::Delete]),
            _ => Scope::push(repository),
        }),
    }
}

/// What a mount must be allowed besides the push: to read where the blob is, as the reference registry asks for it. Whom no
/// token would ever give that is not asked: then the mount fails, and becomes an upload.
///
/// Source: facts/registry A24, C1.
fn mount_source(app: &App, identity: &Identity, endpoint: &Endpoint, request: &Request) -> Option<Scope> {
    let (Endpoint::Uploads { .. }, &Method::POST) = (endpoint, request.method()) else { return None };
    let query = query(request.uri());
    let get = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    get("mount")?;
    let source = get("from")?.parse().ok()?;
    let is_known = matches!(identity.proof(), Proof::Token(Ok(_)));
    (!is_known || may_pull(app, identity, &source)).then(|| Scope::pull(&source))
}
