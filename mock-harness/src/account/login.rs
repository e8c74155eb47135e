//! The login of a connector: its user name and password, with the secrets that it refers to looked up.

use testbed::task::Credentials;
use thiserror::Error;

use super::{Account, Connector, DockerAuth, secret::secret_not_found};

/// Why a connector with a login has none that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum LoginError {
    /// A secret that it refers to has gone. The text is the platform's.
    #[error("{}", secret_not_found(.identifier))]
    SecretGone {
        /// The secret's identifier.
        identifier: String,
    },
    /// The password is an empty text.
    #[error("the password is empty")]
    EmptyPassword,
    /// The user name is an empty text.
    #[error("the user name is empty")]
    EmptyUsername,
    /// The user name cannot be sent in Basic: no registry has such a name.
    #[error(transparent)]
    Username(#[from] oci::AccountNameError),
}

impl Account {
    /// The login of `connector`; none if it is anonymous, or no image registry's.
    pub(crate) fn login_of(&self, connector: &Connector) -> Result<Option<Credentials>, LoginError> {
        let Some(DockerAuth::UsernamePassword { username, username_ref, password_ref }) =
            connector.docker().map(|docker| &docker.auth)
        else {
            return Ok(None);
        };
        let secret = |text: &str| {
            let identifier = || String::from(text.rsplit('.').next().unwrap_or(text));
            let value = self.secret_value(text, &connector.scope);
            value.ok_or_else(|| LoginError::SecretGone { identifier: identifier() })
        };
        let username = match (username, username_ref) {
            (Some(username), _) => username.clone(),
            (None, Some(text)) => String::from(secret(text)?.expose()),
            (None, None) => String::new(),
        };
        if username.is_empty() {
            return Err(LoginError::EmptyUsername);
        }
        let password = secret(password_ref)?;
        if password.expose().is_empty() {
            return Err(LoginError::EmptyPassword);
        }
        Ok(Some(Credentials { username: username.parse()?, password, is_refresh_token: false }))
    }
}
