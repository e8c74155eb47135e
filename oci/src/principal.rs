//! Who a request is: an account, or nobody in particular.
//!
//! Passwords and tokens prove it elsewhere, and never pass through here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const ANONYMOUS: &str = "anonymous";
const ACCOUNT_PREFIX: &str = "account:";

/// The name that someone logs in with: not empty, no colon (it would end the name in HTTP Basic),
/// no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountName(Arc<str>);

/// Why a text is no account name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountNameError {
    /// Nothing at all.
    #[error("account name is empty")]
    Empty,
    /// A colon or a control character.
    #[error("account name `{}` contains {found:?}, which an account name cannot have", name.escape_debug())]
    Character {
        /// The text that was read.
        name: String,
        /// The first character that does not belong.
        found: char,
    },
}

/// Who a request is, which is what limits and grants are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Principal {
    /// Nobody logged in: `anonymous`.
    Anonymous,
    /// Someone did: `account:NAME`.
    Account(AccountName),
}

/// Why a text is no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// Neither of the two forms.
    #[error("principal `{text}` is neither `anonymous` nor `account:NAME`")]
    Form {
        /// The text that was read.
        text: String,
    },
    /// The name after `account:` is wrong.
    #[error(transparent)]
    Account(#[from] AccountNameError),
}

impl AccountName {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

str_view!(AccountName);
text_form!(AccountName, "an account name such as `ci-bot`", pattern = "^[^:\\u0000-\\u001f\\u007f]+$");

impl FromStr for AccountName {
    type Err = AccountNameError;

    fn from_str(text: &str) -> Result<Self, AccountNameError> {
        if text.is_empty() {
            return Err(AccountNameError::Empty);
        }
        match text.chars().find(|c| *c == ':' || c.is_control()) {
            Some(found) => Err(AccountNameError::Character { name: text.to_owned(), found }),
            None => Ok(AccountName(text.into())),
        }
    }
}

impl Principal {
    /// The account, if somebody logged in.
    pub fn account(&self) -> Option<&AccountName> {
        match self {
            Principal::Anonymous => None,
            Principal::Account(name) => Some(name),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::Anonymous => f.pad(ANONYMOUS),
            Principal::Account(name) => f.pad(&format!("{ACCOUNT_PREFIX}{name}")),
        }
    }
}

text_form!(Principal, "`anonymous` or `account:NAME`", pattern = "^(anonymous|account:[^:\\u0000-\\u001f\\u007f]+)$");

impl FromStr for Principal {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        if text == ANONYMOUS {
            return Ok(Principal::Anonymous);
        }
        match text.strip_prefix(ACCOUNT_PREFIX) {
            Some(name) => Ok(Principal::Account(name.parse()?)),
            None => Err(PrincipalError::Form { text: text.to_owned() }),
        }
    }
}

impl From<AccountName> for Principal {
    fn from(name: AccountName) -> Principal {
        Principal::Account(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expect: Result<Option<&str>, &str>) {
        let parsed = input.parse::<Principal>().map_err(|error| error.to_string());
        let account = parsed.as_ref().map(|principal| principal.account().map(AccountName::as_str));
        assert_eq!(account.map_err(String::as_str), expect, "for {input}");
    }

    #[test]
    fn a_principal_is_nobody_or_an_account() {
        check("anonymous", Ok(None));
        check("account:ci-bot", Ok(Some("ci-bot")));
        check("account:anonymous", Ok(Some("anonymous")));
        check("account:$oauthtoken", Ok(Some("$oauthtoken")));
        check("account:", Err("account name is empty"));
        check("account:a:b", Err("account name `a:b` contains ':', which an account name cannot have"));
        check("account:a\n", Err("account name `a\\n` contains '\\n', which an account name cannot have"));
        check("ci-bot", Err("principal `ci-bot` is neither `anonymous` nor `account:NAME`"));
    }

    #[test]
    fn a_principal_is_a_string_in_json() {
        let principal: Principal = serde_json::from_str(r#""account:x""#).expect("a principal");
        assert_eq!(serde_json::json!(principal), "account:x");
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(name in "[^:\\p{Cc}]{1,20}") {
            let principal = Principal::Account(name.parse().expect("a name"));
            prop_assert_eq!(principal.to_string().parse(), Ok(principal));
        }
    }
}
