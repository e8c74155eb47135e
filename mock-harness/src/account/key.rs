//! API keys, and what makes one invalid.
//!
//! Source: facts/harness B1.

use testbed::{Secret, Timestamp};

use crate::config::{ApiKeyConfig, Permission, PrincipalKind};

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
    pub permissions: Vec<Permission>,
    /// When it stops being valid.
    pub expires: Option<Timestamp>,
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
        let ApiKeyConfig { token, principal, kind, permissions, expires } = config.clone();
        Self { token, principal, kind, permissions, expires }
    }

    /// Whether the key may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}
