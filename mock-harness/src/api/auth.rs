//! Who asks, and what they may do: `x-api-key`, the account, permissions.
//!
//! Source: facts/harness B1, B6 (permissions).

use axum::extract::FromRequestParts;
use http::{HeaderMap, request::Parts};
use serde_json::Value;

use super::{
    envelope::{ApiError, Denied},
    params::Params,
};
use crate::{
    account::{ApiKey, Scope},
    config::Permission,
    platform::Platform,
};

/// The owner of a valid key, in the account.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    key: ApiKey,
    account: String,
}

/// Whether a caller is known, as the outermost layer found out.
pub(crate) type Identified = Result<Caller, ApiError>;

/// Finds out who asks. A missing key is told first, then a missing account, then a key that is not valid.
pub(crate) fn identify(platform: &Platform, headers: &HeaderMap, params: &Params) -> Identified {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    let token = header("x-api-key").ok_or(ApiError::InvalidToken)?;
    let account = header("harness-account")
        .or_else(|| params.get("accountIdentifier"))
        .or_else(|| params.get("accountId"))
        .or_else(|| params.get("routingId"))
        .ok_or(ApiError::NoAccount)?;
    let found = platform.account().find_key(account, token, platform.clock().now());
    let key = found.map_err(|_| ApiError::InvalidToken)?;
    Ok(Caller { key, account: String::from(account) })
}

impl Caller {
    pub(crate) fn principal(&self) -> &str {
        &self.key.principal
    }

    /// What the key's owner is, as the wire has it, and who.
    pub(crate) fn kind_and_principal(&self) -> (&'static str, String) {
        (self.key.kind.wire(), self.key.principal.clone())
    }

    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.key.may(permission)
    }

    /// Checks a permission in `scope`, on the resource `identifier` if there is one yet.
    pub(crate) fn require(
        &self,
        permission: Permission,
        scope: &Scope,
        identifier: Option<&str>,
        attributes: Value,
    ) -> Result<(), ApiError> {
        if self.may(permission) {
            return Ok(());
        }
        Err(ApiError::Denied(Box::new(Denied {
            kind: self.key.kind.wire(),
            principal: self.key.principal.clone(),
            permission,
            account: self.account.clone(),
            scope: scope.clone(),
            identifier: identifier.map(String::from),
            attributes,
        })))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Identified>().cloned().unwrap_or(Err(ApiError::InvalidToken))
    }
}
