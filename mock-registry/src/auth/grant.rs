//! What a principal may do: the part of a wish that a token is made of.
//!
//! Asking for too much is no error; the token then allows less, and the registry says `insufficient_scope`.
//!
//! Source: Docker token specification, "Requesting a Token"; facts/registry A2, C1, C3.

use oci::{Action, Principal, RepositoryName, Scope};

use super::{Identity, Proof};
use crate::{AbsentRepository, AuthConfig, state::App};

/// The part of `wished` that `principal` may have; resources of which nothing is left are left out.
pub(crate) fn grant(app: &App, principal: &Principal, wished: &[Scope]) -> Vec<Scope> {
    let allowed = |scope: &Scope| Scope {
        actions: scope.actions.iter().filter(|action| may(app, principal, scope, action)).cloned().collect(),
        ..scope.clone()
    };
    wished.iter().map(allowed).filter(|scope| !scope.actions.is_empty()).collect()
}

/// Whether this client would be let read from the repository called `name`, as clients name it: for mounts, which are
/// authorized by another repository's scope.
pub(crate) fn may_pull(app: &App, identity: &Identity, name: &RepositoryName) -> bool {
    match (app.settings.auth, identity.proof()) {
        (AuthConfig::None, _) => true,
        (AuthConfig::Basic, _) => app.settings.anonymous || identity.principal().account().is_some(),
        (AuthConfig::Bearer, Proof::Token(Ok(_))) => may(app, identity.principal(), &Scope::pull(name), &Action::Pull),
        (AuthConfig::Bearer, _) => false,
    }
}

pub(super) fn may(app: &App, principal: &Principal, scope: &Scope, action: &Action) -> bool {
    let settings = &app.settings;
    let has_account = principal.account().is_some();
    match (scope.resource_type.as_str(), scope.class.as_deref(), action) {
        ("registry", None, Action::Star) => scope.name == "catalog" && (has_account || settings.anonymous),
        ("repository", None, Action::Pull) => {
            // Who only reads may not know whether a repository is absent or private; who pushes makes it.
            let may_create = has_account && settings.push && scope.allows(&Action::Push);
            (has_account || settings.anonymous)
                && (may_create || settings.absent == AbsentRepository::NotFound || exists(app, &scope.name))
        }
        ("repository", None, Action::Push | Action::Delete | Action::Star) => has_account && settings.push,
        _ => false,
    }
}

/// Whether the repository, as clients name it, is here.
fn exists(app: &App, name: &str) -> bool {
    let Ok(name) = name.parse::<RepositoryName>() else { return false };
    app.settings.stored_name(&name).is_some_and(|name| app.store.has(&name))
}
