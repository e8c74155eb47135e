//! Delegate tokens: what delegates are installed with. A name is told to whoever may see delegates, a value when it is
//! made, and to those who may change delegates.
//!
//! Source: facts/harness C (`/ng/api/delegate-token-ng`).

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use testbed::{Secret, Timestamp};
use thiserror::Error;

use crate::account::Scope;

/// The token that every account has.
pub(crate) const DEFAULT_TOKEN: &str = "default_token";

/// A delegate token.
#[derive(Clone, Debug)]
pub(crate) struct DelegateToken {
    pub(crate) name: String,
    pub(crate) owner: Scope,
    /// Its value; that of the token which every account has is told to nobody.
    pub(crate) value: Option<Secret>,
    pub(crate) created_at: Timestamp,
    /// Kind and identifier of who made it; none for those that the account began with.
    pub(crate) created_by: Option<(&'static str, String)>,
    /// When it is revoked by itself, in milliseconds.
    pub(crate) revoke_after_ms: Option<i64>,
    /// Whether somebody revoked it.
    pub(crate) is_revoked: bool,
}

/// `status` of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenStatus {
    Active,
    Revoked,
}

/// Why something cannot be done with a token. The text is the platform's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TokenRefusal {
    #[error("Token with given name {name} already exists for given account.")]
    Taken { name: String },
    #[error("Token revocation time can not be less than current time.")]
    RevokedBefore,
    #[error("Specified token does not exist.")]
    NoSuchToken,
    #[error("Specified token is already revoked.")]
    AlreadyRevoked,
}

/// The tokens of an account, by name, which is one in the whole account.
pub(crate) struct Tokens(Mutex<BTreeMap<String, DelegateToken>>);

impl Tokens {
    /// Those of an account that is made at `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        let token = DelegateToken {
            name: String::from(DEFAULT_TOKEN),
            owner: Scope::account(),
            value: None,
            created_at: now,
            created_by: None,
            revoke_after_ms: None,
            is_revoked: false,
        };
        Self(Mutex::new(BTreeMap::from([(token.name.clone(), token)])))
    }

    pub(crate) fn create(&self, token: DelegateToken, now: Timestamp) -> Result<DelegateToken, TokenRefusal> {
        if token.revoke_after_ms.is_some_and(|at| at < now.as_millisecond()) {
            return Err(TokenRefusal::RevokedBefore);
        }
        let mut tokens = self.lock();
        if tokens.contains_key(&token.name) {
            return Err(TokenRefusal::Taken { name: token.name });
        }
        tokens.insert(token.name.clone(), token.clone());
        Ok(token)
    }

    pub(crate) fn revoke(&self, name: &str, now: Timestamp) -> Result<DelegateToken, TokenRefusal> {
        let mut tokens = self.lock();
        let token = tokens.get_mut(name).ok_or(TokenRefusal::NoSuchToken)?;
        if token.status(now) == TokenStatus::Revoked {
            return Err(TokenRefusal::AlreadyRevoked);
        }
        token.is_revoked = true;
        Ok(token.clone())
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), TokenRefusal> {
        self.lock().remove(name).map(drop).ok_or(TokenRefusal::NoSuchToken)
    }

    /// The tokens of `owner`, or the one called `name` of any owner.
    pub(crate) fn list(&self, owner: &Scope, name: Option<&str>) -> Vec<DelegateToken> {
        let tokens = self.lock();
        match name {
            Some(name) => tokens.get(name).cloned().into_iter().collect(),
            None => tokens.values().filter(|token| token.owner == *owner).cloned().collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, DelegateToken>> {
        // No critical section can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DelegateToken {
    pub(crate) fn status(&self, now: Timestamp) -> TokenStatus {
        let is_over = self.revoke_after_ms.is_some_and(|at| at < now.as_millisecond());
        if self.is_revoked || is_over { TokenStatus::Revoked } else { TokenStatus::Active }
    }
}

impl TokenStatus {
    /// The word of the wire.
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Revoked => "REVOKED",
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.lock().len())
    }
}
