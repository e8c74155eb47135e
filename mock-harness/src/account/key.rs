//! API keys: what makes one invalid, and what it may do where.
//!
//! Source: facts/harness B1, B6 (permissions).

use testbed::{Secret, Timestamp};

use super::Scope;
use crate::config::{ApiKeyConfig, GrantConfig, Permission, PrincipalKind};

/// An API key.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The key itself.
    pub token: Secret,
    /// Its owner's identifier.
    pub principal: String,
    /// What the owner is.
    pub kind: PrincipalKind,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// When it stops being valid.
    pub expires: Option<Timestamp>,
}

/// Permissions that hold somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What may be done.
    pub permissions: Vec<Permission>,
    /// Where.
    pub scope: Scope,
    /// Whether below that scope too.
    pub below: bool,
    /// With which resources; empty means with all, those to come included.
    pub resources: Vec<String>,
}

/// Why a token is not valid. On the wire all of these are `Token is not valid.`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenProblem {
    /// No key was sent.
    Missing,
    /// No such key in this account.
    NotFound,
    /// It was valid.
    Expired,
}

impl ApiKey {
    pub(super) fn from_config(config: &ApiKeyConfig) -> Self {
        let ApiKeyConfig { token, principal, kind, permissions, grants, expires } = config.clone();
        let is_service_account = token.expose().starts_with("sat.");
        let by_prefix = if is_service_account { PrincipalKind::ServiceAccount } else { PrincipalKind::User };
        let everywhere = match permissions {
            Some(permissions) => permissions,
            None if grants.is_empty() => Permission::all(),
            None => Vec::new(),
        };
        let everywhere = Grant { permissions: everywhere, scope: Scope::account(), below: true, resources: Vec::new() };
        let grants = std::iter::once(everywhere).chain(grants.iter().map(Grant::from_config)).collect();
        Self { token, principal, kind: kind.unwrap_or(by_prefix), grants, expires }
    }

    /// Whether a text has the form of a key: `pat.` or `sat.`, then two or three parts.
    pub(super) fn is_well_formed(token: &str) -> bool {
        let mut parts = token.split('.');
        let begins = matches!(parts.next(), Some("pat" | "sat"));
        let rest: Vec<_> = parts.collect();
        begins && matches!(rest.len(), 2 | 3) && rest.iter().all(|part| !part.is_empty())
    }

    /// Whether the key may do this in `scope`: with the resource `identifier`, or, without one, with all of them.
    pub fn may(&self, permission: Permission, scope: &Scope, identifier: Option<&str>) -> bool {
        self.grants.iter().any(|grant| grant.allows(permission, scope, identifier))
    }
}

impl Grant {
    fn from_config(config: &GrantConfig) -> Self {
        let GrantConfig { permissions, organization, project, resources, below } = config.clone();
        let scope = Scope::new(organization.as_deref(), project.as_deref());
        Self { permissions, scope, below, resources }
    }

    fn allows(&self, permission: Permission, scope: &Scope, identifier: Option<&str>) -> bool {
        let is_named = || identifier.is_some_and(|identifier| self.resources.iter().any(|name| name == identifier));
        self.permissions.contains(&permission)
            && (self.scope == *scope || (self.below && self.scope.contains(scope)))
            && (self.resources.is_empty() || is_named())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_holds_where_it_says_and_below() {
        let permission = Permission::ConnectorView;
        let grant = |org: Option<&str>, project: Option<&str>, below: bool, resources: &[&str]| Grant {
            permissions: vec![permission],
            scope: Scope::new(org, project),
            below,
            resources: resources.iter().map(|name| String::from(*name)).collect(),
        };
        let scopes = [Scope::account(), Scope::new(Some("o"), None), Scope::new(Some("o"), Some("p"))];
        let check = |grant: Grant, identifier: Option<&str>, expect: [bool; 3]| {
            let told = scopes.each_ref().map(|scope| grant.allows(permission, scope, identifier));
            assert_eq!(told, expect, "{grant:?} {identifier:?}");
            assert!(!grant.allows(Permission::ConnectorEdit, &scopes[0], identifier));
        };
        check(grant(None, None, true, &[]), None, [true; 3]);
        check(grant(None, None, false, &[]), None, [true, false, false]);
        check(grant(Some("o"), None, true, &[]), None, [false, true, true]);
        check(grant(Some("o"), None, false, &[]), None, [false, true, false]);
        check(grant(Some("other"), None, true, &[]), None, [false; 3]);
        check(grant(Some("o"), Some("p"), true, &[]), None, [false, false, true]);
        check(grant(None, None, true, &["a"]), None, [false; 3]);
        check(grant(None, None, true, &["a"]), Some("a"), [true; 3]);
        check(grant(None, None, true, &["a"]), Some("b"), [false; 3]);
    }

    #[test]
    fn keys_have_three_parts_or_four() {
        for good in ["pat.acme.id.secret", "sat.acme.id.secret", "pat.id.secret"] {
            assert!(ApiKey::is_well_formed(good), "{good}");
        }
        for bad in ["", "pat", "pat.x", "pat.a..c", "key.a.b.c", "pat.a.b.c.d"] {
            assert!(!ApiKey::is_well_formed(bad), "{bad}");
        }
    }
}
