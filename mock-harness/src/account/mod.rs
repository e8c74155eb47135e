//! What an account holds: connectors, secrets, organisations and projects, delegates, API keys.
//!
//! Pure state behind one cheap handle, [`Account`]. It decides and never does: no socket, and no clock but for the
//! hearts of delegates; other instants are given.

mod connector;
mod connector_filter;
mod connector_state;
mod connector_type;
mod connectors;
mod delegate;
mod draft;
mod fixtures;
mod governance;
mod images;
mod key;
mod login;
mod profile;
mod references;
mod refusal;
mod scope;
mod secret;
mod secret_state;
mod settings;
mod state;
mod validation;

pub use connector::{Connectivity, Connector, ConnectorSpec, DockerAuth, DockerSpec, ProviderType, TestRecord};
pub(crate) use connector_filter::{ConnectorFilter, Search, SortOrder};
pub(crate) use connector_type::{catalogue, category, is_category};
pub(crate) use connectors::{ConnectorPage, ConnectorQuery};
pub use delegate::Delegate;
pub use draft::ConnectorDraft;
pub use fixtures::ConfigError;
pub(crate) use governance::Verdict;
pub use key::{ApiKey, Grant, TokenProblem};
pub(crate) use login::LoginError;
pub(crate) use profile::Profile;
pub use refusal::{FieldError, Refusal};
pub use scope::{EntityRef, Level, RefError, Scope};
pub(crate) use secret::secret_not_found;
pub use secret::{SecretDraft, SecretSpec, StoredSecret};
pub(crate) use settings::Setting;
pub use state::Account;
pub(crate) use validation::{FieldErrors, flag, text, texts, unreadable};
