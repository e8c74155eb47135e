//! From configuration to an account. Fixtures go through the same checks as requests, and all complaints come at once.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, RwLock},
};

use serde_json::{Value, json};
use testbed::{Clock, Timestamp};
use thiserror::Error;

use super::{
    Account, ApiKey, Connectivity, ConnectorDraft, Delegate, EntityRef, Refusal, Scope, SecretDraft, SecretSpec,
    TestRecord,
    connector_type::category,
    images::{Images, no_such_field},
    profile::Profile,
    secret::BUILT_IN_MANAGER,
    settings::Settings,
    state::{Shared, State},
    validation::{identifier_error, unreadable},
};
use crate::{
    config::{HarnessImage, PlatformConfig, SecretConfig},
    delegate::{DelegatePool, Tokens},
    resolve::InternalImages,
};

/// One thing that is wrong with a [`PlatformConfig`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at}: {message}")]
pub struct ConfigError {
    /// Where: `connectors[1]`, counted from 0.
    pub at: String,
    /// What is wrong: the platform's own words where a request would be refused with them.
    pub message: String,
}

impl Account {
    /// The account that `config` describes, as of [`Clock::DEFAULT_START`].
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn from_config(config: &PlatformConfig) -> Result<Self, Vec<ConfigError>> {
        Self::from_config_at(config, Clock::DEFAULT_START)
    }

    /// The same, with everything made at `now`.
    ///
    /// # Errors
    /// As [`Account::from_config`].
    pub fn from_config_at(config: &PlatformConfig, now: Timestamp) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Complaints::default();
        let mut state = State {
            settings: Settings::from_config(config.settings, now),
            images: Images::new(&config.images, &config.image_overrides),
            ..State::default()
        };
        for (n, key) in config.api_keys.iter().enumerate() {
            let key = ApiKey::from_config(key);
            if !ApiKey::is_well_formed(key.token.expose()) {
                errors.add(format!("api-keys[{n}]"), "a key is pat.ACCOUNT.ID.SECRET, or sat.ACCOUNT.ID.SECRET");
            }
            state.keys.entry(key.token.expose().to_owned()).or_insert_with(|| Arc::new(key));
        }
        if config.account.trim().is_empty() {
            errors.add("account", "cannot be empty");
        }
        for (n, organization) in config.organizations.iter().enumerate() {
            for identifier in std::iter::once(&organization.identifier).chain(&organization.projects) {
                // Real identifiers of accounts and organisations are looser than those of connectors; only blank is refused.
                if identifier.trim().is_empty() {
                    errors.add(format!("organizations[{n}]"), "an identifier cannot be empty");
                }
                let project = (*identifier != organization.identifier).then_some(identifier.as_str());
                let scope = Scope::new(Some(&organization.identifier), project);
                state.profiles.insert(scope, Profile::new(identifier, now));
            }
            state
                .organizations
                .entry(organization.identifier.clone())
                .or_default()
                .extend(organization.projects.iter().cloned());
        }
        let mut names = BTreeSet::new();
        let mut delegates = Vec::new();
        for (n, delegate) in config.delegates.iter().enumerate() {
            let at = format!("delegates[{n}]");
            if !names.insert(&delegate.name) {
                errors.add(&at, format!("there are two delegates called `{}`", delegate.name));
            }
            if delegate.name.trim().is_empty() {
                errors.add(&at, "a delegate's name cannot be empty");
            }
            let delegate = Delegate::from_config(delegate, now);
            errors.note(&at, state.check_scope(&delegate.owner));
            delegates.push(delegate);
        }
        for field in config.images.keys().filter(|field| !InternalImages::is_field(field)) {
            errors.add("images", format!("Field {field} does not exist for infra type: K8"));
        }
        let known = |kubernetes| InternalImages::defaults(config.preset.unwrap_or_default(), kubernetes);
        for (overrides, kubernetes) in [(&config.image_overrides.k8, true), (&config.image_overrides.vm, false)] {
            for field in overrides.keys().filter(|field| !known(kubernetes).contains_key(*field)) {
                errors.add("image-overrides", no_such_field(field, kubernetes));
            }
        }
        for (n, policy) in config.governance.iter().enumerate() {
            for kind in policy.types.iter().filter(|kind| category(kind).is_none()) {
                errors.add(format!("governance[{n}]"), format!("there are no connectors of type {kind}"));
            }
        }
        let account = Self::new(Shared {
            identifier: config.account.clone(),
            default_internal_image_connector: config.default_internal_image_connector.clone(),
            world: config.preset.unwrap_or_default(),
            governance: config.governance.clone(),
            behaviour: config.behaviour,
            delegates: DelegatePool::new(delegates, now),
            delegate_tokens: Tokens::new(now),
            state: RwLock::new(state),
        });
        if let Some(setting) = account.default_internal_image_connector() {
            let read = EntityRef::parse(setting, &Scope::account());
            errors.note("default-internal-image-connector", read.map_err(|error| Refusal::Invalid(error.to_string())));
        }
        for (n, secret) in config.secrets.iter().enumerate() {
            errors.note(format!("secrets[{n}]"), add_secret(&account, secret, now));
        }
        let is_edited = config.connectors.iter().any(is_harness_image);
        if let Some(built_in) = built_in(config.harness_image.unwrap_or_default()).filter(|_| !is_edited) {
            errors.note("harness-image", add_connector(&account, &built_in, now));
        }
        for (n, connector) in config.connectors.iter().enumerate() {
            errors.note(format!("connectors[{n}]"), add_connector(&account, connector, now));
        }
        if errors.0.is_empty() { Ok(account) } else { Err(errors.0) }
    }
}

/// The connector that Harness makes at account set-up. Source: facts/harness A4, and F for the one of Google's registry.
fn built_in(variant: HarnessImage) -> Option<Value> {
    let (url, provider, execute_on_delegate) = match variant {
        HarnessImage::Absent => return None,
        HarnessImage::BuiltIn => ("https://index.docker.io/v2/", "DockerHub", false),
        HarnessImage::BuiltInViaDelegate => ("https://index.docker.io/v2/", "DockerHub", true),
        HarnessImage::BuiltInGar => ("https://us-docker.pkg.dev/gar-prod-setup/harness-public", "Other", false),
    };
    Some(json!({
        "name": "Harness Docker Connector",
        "identifier": "harnessImage",
        "description": "Harness internal connector",
        "type": "DockerRegistry",
        "spec": {
            "dockerRegistryUrl": url,
            "providerType": provider,
            "auth": { "type": "Anonymous" },
            "executeOnDelegate": execute_on_delegate,
        },
    }))
}

/// Whether a connector's body is of the account's `harnessImage`.
fn is_harness_image(body: &Value) -> bool {
    let is_empty = |field: &str| body[field].as_str().unwrap_or_default().is_empty();
    body["identifier"] == "harnessImage" && is_empty("orgIdentifier") && is_empty("projectIdentifier")
}

fn add_connector(account: &Account, connector: &Value, now: Timestamp) -> Result<(), Refusal> {
    let draft = ConnectorDraft::read_connector(connector.as_object().ok_or_else(unreadable)?)?;
    let made = account.create_connector(draft, now)?;
    account.record_test(&made, TestRecord::never(Connectivity::Unknown));
    Ok(())
}

fn add_secret(account: &Account, config: &SecretConfig, now: Timestamp) -> Result<(), Refusal> {
    if let Some(error) = identifier_error(&config.identifier) {
        return Err(Refusal::Invalid(error));
    }
    let draft = SecretDraft {
        scope: Scope::new(config.organization.as_deref(), config.project.as_deref()),
        identifier: config.identifier.clone(),
        name: config.identifier.clone(),
        description: None,
        tags: serde_json::Map::new(),
        spec: SecretSpec::Text {
            manager: String::from(BUILT_IN_MANAGER),
            value_type: String::from("Inline"),
            value: Some(config.value.clone()),
            metadata: Value::Null,
        },
        owner: None,
    };
    account.add_secret(draft, false, now).map(drop)
}

#[derive(Default)]
struct Complaints(Vec<ConfigError>);

impl Complaints {
    fn add(&mut self, at: impl Into<String>, message: impl fmt::Display) {
        self.0.push(ConfigError { at: at.into(), message: message.to_string() });
    }

    fn note<T>(&mut self, at: impl Into<String>, outcome: Result<T, Refusal>) {
        if let Err(refusal) = outcome {
            self.add(at, refusal);
        }
    }
}
