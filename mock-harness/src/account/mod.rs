//! What an account holds: connectors, secrets, organisations and projects, delegates, API keys.
//!
//! Pure state behind one cheap handle, [`Account`]. It decides and never does: no socket, and no clock but for the
//! hearts of delegates; other instants are given.

mod connector;
mod connector_type;
mod delegate;
mod draft;
mod fixtures;
mod key;
mod login;
mod refusal;
mod scope;
mod secret;
mod state;
mod validation;

pub use connector::{Connectivity, Connector, ConnectorSpec, DockerAuth, DockerSpec, ProviderType, TestRecord};
pub use delegate::Delegate;
pub use draft::ConnectorDraft;
pub use fixtures::ConfigError;
pub use key::{ApiKey, TokenProblem};
pub(crate) use login::LoginError;
pub use refusal::{FieldError, Refusal};
pub use scope::{EntityRef, Level, RefError, Scope};
pub(crate) use secret::secret_not_found;
pub use secret::{SecretDraft, SecretText};
pub use state::Account;
pub(crate) use validation::FieldErrors;
