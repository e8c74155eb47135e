//! The layer that lets through or challenges.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::Method;
use oci::{Action, Endpoint, Principal, Scope};

use super::{
    Identity, Proof,
    challenge::{ChallengeError, compose_challenge},
};
use crate::{AuthConfig, error::RegistryError, exchange::Resolved, state::App};

/// Lets the request through if its proof allows what it asks for.
pub(crate) async fn authorize(State(app): State<App>, request: Request, next: Next) -> Response {
    match check(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// What a request must be allowed to do; `None` for the version check, where any proof will do.
fn needed(endpoint: &Endpoint, method: &Method) -> Option<Scope> {
    let reads = *method == Method::GET || *method == Method::HEAD;
    match endpoint {
        Endpoint::Ping | Endpoint::Token => None,
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

fn check(app: &App, request: &Request) -> Result<(), RegistryError> {
    let extensions = request.extensions();
    let (Some(resolved), Some(identity)) = (extensions.get::<Resolved>(), extensions.get::<Identity>()) else {
        return Ok(());
    };
    // What is no endpoint is told so without asking who wants to know; the token endpoint is where one logs in.
    let endpoint = match &resolved.endpoint {
        Ok(Endpoint::Token) | Err(_) => return Ok(()),
        Ok(endpoint) => endpoint,
    };
    let scope = needed(endpoint, request.method());
    let refuse = |error| {
        let challenge = compose_challenge(&app.settings, &resolved.host, scope.as_ref(), error);
        Err(RegistryError::Unauthorized { challenge: Box::new(challenge), needed: scope.clone().map(Box::new) })
    };
    match app.settings.auth {
        AuthConfig::None => Ok(()),
        AuthConfig::Basic => {
            let reads = scope.as_ref().is_none_or(|scope| scope.actions.iter().all(|action| *action == Action::Pull));
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
            Proof::Token(Ok(claims)) => match &scope {
                Some(scope) if !claims.allows(scope) => refuse(Some(ChallengeError::InsufficientScope)),
                _ => Ok(()),
            },
            Proof::Token(Err(_)) => refuse(Some(ChallengeError::InvalidToken)),
            // A password shown to the registry itself is not what it asks for, and no token at all is no error.
            Proof::None | Proof::Password | Proof::WrongPassword => refuse(None),
        },
    }
}

/// Whether a request may also read from the repository called `name`, as clients name it: for mounts.
pub(crate) fn may_pull(app: &App, identity: &Identity, name: &oci::RepositoryName) -> bool {
    match (app.settings.auth, identity.proof()) {
        (AuthConfig::Bearer, Proof::Token(Ok(claims))) => claims.allows(&Scope::pull(name)),
        (AuthConfig::Bearer, _) => false,
        (AuthConfig::Basic, _) => app.settings.anonymous || *identity.principal() != Principal::Anonymous,
        (AuthConfig::None, _) => true,
    }
}
