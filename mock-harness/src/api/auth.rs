//! Who asks, and what they may do: `x-api-key`, the account, permissions.
//!
//! Source: facts/harness B1, B6 (permissions).

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{HeaderMap, request::Parts};
use serde_json::Value;

use super::{
    envelope::{ApiError, Denied},
    params::Params,
};
use crate::{
    account::{ApiKey, Scope},
    config::{InvalidKeyBody, Permission, PrincipalKind},
    platform::Platform,
};

/// The owner of a valid key, in the account.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    key: Arc<ApiKey>,
    account: String,
}

/// Whether a caller is known, as the outermost layer found out.
pub(crate) type Identified = Result<Caller, ApiError>;

/// Finds out who asks. A missing key is told first, then a missing account, then a key that is not valid.
pub(crate) fn identify(platform: &Platform, headers: &HeaderMap, params: &Params) -> Identified {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    let token = header("x-api-key").ok_or_else(|| invalid_token(platform))?;
    let account = header("harness-account")
        .or_else(|| params.get("accountIdentifier"))
        .or_else(|| params.get("accountId"))
        .or_else(|| params.get("routingId"))
        // As the log service spells it.
        .or_else(|| params.get("accountID"))
        .ok_or(ApiError::NoAccount)?;
    let found = platform.account().find_key(account, token, platform.clock().now());
    let key = found.map_err(|_| invalid_token(platform))?;
    Ok(Caller { key, account: String::from(account) })
}

fn invalid_token(platform: &Platform) -> ApiError {
    ApiError::InvalidToken(platform.account().behaviour().invalid_key_body)
}

impl Caller {
    pub(crate) fn principal(&self) -> &str {
        &self.key.principal
    }

    /// What the key's owner is, as the wire has it, and who.
    pub(crate) fn kind_and_principal(&self) -> (&'static str, String) {
        (self.key.kind.wire(), self.key.principal.clone())
    }

    /// What the caller is, and who.
    pub(crate) fn owner(&self) -> (PrincipalKind, String) {
        (self.key.kind, self.key.principal.clone())
    }

    /// Whether the caller may do this in `scope`: with the resource `identifier`, or with all of them.
    pub(crate) fn may(&self, permission: Permission, scope: &Scope, identifier: Option<&str>) -> bool {
        self.key.may(permission, scope, identifier)
    }

    /// Checks a permission in `scope`, on the resource `identifier` if there is one yet.
    pub(crate) fn require(
        &self,
        permission: Permission,
        scope: &Scope,
        identifier: Option<&str>,
        attributes: Value,
    ) -> Result<(), ApiError> {
        self.require_of(permission, scope, identifier, || attributes)
    }

    /// The same, with attributes that are only told to who lacks the permission.
    pub(crate) fn require_of(
        &self,
        permission: Permission,
        scope: &Scope,
        identifier: Option<&str>,
        attributes: impl FnOnce() -> Value,
    ) -> Result<(), ApiError> {
        if self.may(permission, scope, identifier) {
            return Ok(());
        }
        Err(ApiError::Denied(Box::new(Denied {
            kind: self.key.kind.wire(),
            principal: self.key.principal.clone(),
            permission,
            account: self.account.clone(),
            scope: scope.clone(),
            identifier: identifier.map(String::from),
            attributes: attributes(),
        })))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Identified>().cloned().unwrap_or(Err(ApiError::InvalidToken(InvalidKeyBody::default())))
    }
}
