//! What a client shows of itself: nothing, a name and a password, or a token.
//!
//! Reading decides nothing: an expired token still says whose it was, so that the journal and rules can tell.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use oci::{AccountName, Principal};

use super::token::{Claims, TokenFault};
use crate::{accounts::Accounts, state::App};

/// What a request shows, and whom that makes it.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    proof: Proof,
    principal: Principal,
}

/// What a client shows.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// No `Authorization`, or one that cannot be read.
    None,
    /// A right name and password.
    Password,
    /// A wrong name or password.
    WrongPassword,
    /// A token, and what is wrong with it.
    Token(Result<Claims, TokenFault>),
}

impl Identity {
    /// Reads the `Authorization` header. A registry that asks for nothing looks at nothing.
    pub(crate) fn read(app: &App, headers: &HeaderMap) -> Self {
        let nobody = Self { proof: Proof::None, principal: Principal::Anonymous };
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, value)) = value.and_then(|value| value.trim().split_once(' ')) else { return nobody };
        if scheme.eq_ignore_ascii_case("basic") && app.settings.takes_passwords() {
            match read_password(&app.accounts, value.trim()) {
                Some(name) => Self { proof: Proof::Password, principal: Principal::Account(name) },
                None => Self { proof: Proof::WrongPassword, principal: Principal::Anonymous },
            }
        } else if scheme.eq_ignore_ascii_case("bearer") && app.settings.takes_tokens() {
            let read = app.tokens.read(value.trim(), app.clock.now());
            let principal = match &read {
                Ok(claims) => claims.principal(),
                Err(TokenFault::Expired(claims) | TokenFault::Audience(claims)) => claims.principal(),
                Err(TokenFault::Malformed) => Principal::Anonymous,
            };
            Self { proof: Proof::Token(read), principal }
        } else {
            nobody
        }
    }

    /// Whom the request is from.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whom the request is from, when nothing else of it is needed any more.
    pub(crate) fn into_principal(self) -> Principal {
        self.principal
    }

    /// What it shows.
    pub(crate) fn proof(&self) -> &Proof {
        &self.proof
    }

    /// The identifier of the token it shows, whether that is valid or not.
    pub(crate) fn token_id(&self) -> Option<&str> {
        match &self.proof {
            Proof::Token(Ok(claims)) => Some(&claims.jti),
            Proof::Token(Err(TokenFault::Expired(claims) | TokenFault::Audience(claims))) => Some(&claims.jti),
            _ => None,
        }
    }
}

/// The account whose name and password these are.
pub(super) fn read_password(accounts: &Accounts, value: &str) -> Option<AccountName> {
    let text = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    accounts.log_in(name, password)
}
