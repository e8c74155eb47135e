//! The account's state behind its handle: short synchronous methods, each one decision.
//!
//! Source: facts/harness B5 (order of checks), B6 (what is refused, in which words).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rand::Rng;
use testbed::{Secret, Timestamp};

use super::{
    ApiKey, Connector, ConnectorDraft, Delegate, EntityRef, Level, Refusal, Scope, SecretDraft, SecretText, TestRecord,
    TokenProblem, secret::secret_not_found,
};
use crate::{
    config::{Behaviour, WorldPreset},
    delegate::{DelegatePool, DelegateTask, NoDelegateError, Tokens},
};

/// A handle to an account. Clones share it.
#[derive(Clone)]
pub struct Account(Arc<Shared>);

pub(super) struct Shared {
    pub(super) identifier: String,
    pub(super) default_internal_image_connector: String,
    pub(super) world: WorldPreset,
    pub(super) images: BTreeMap<String, String>,
    pub(super) behaviour: Behaviour,
    pub(super) delegates: DelegatePool,
    pub(super) delegate_tokens: Tokens,
    // A std mutex: every critical section is a few map operations and none of them awaits.
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) keys: Vec<ApiKey>,
    pub(super) organizations: BTreeMap<String, BTreeSet<String>>,
    pub(super) connectors: BTreeMap<EntityRef, Connector>,
    pub(super) secrets: BTreeMap<EntityRef, SecretText>,
    /// How often a connector was made or changed.
    pub(super) n_changes: u64,
    /// Which connectors are named by which stored pipeline.
    pub(super) references: BTreeMap<EntityRef, BTreeSet<EntityRef>>,
}

impl Account {
    pub(super) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Its identifier.
    pub fn identifier(&self) -> &str {
        &self.0.identifier
    }

    /// The platform's setting `defaultInternalImageConnector`; none if it is empty.
    pub fn default_internal_image_connector(&self) -> Option<&str> {
        Some(self.0.default_internal_image_connector.as_str()).filter(|setting| !setting.is_empty())
    }

    /// The platform's time: which images are the newest, and which registries have ended.
    pub fn world(&self) -> WorldPreset {
        self.0.world
    }

    /// The images that are set for the account in the place of the newest, by field name.
    pub fn image_overrides(&self) -> &BTreeMap<String, String> {
        &self.0.images
    }

    /// The switches.
    pub fn behaviour(&self) -> Behaviour {
        self.0.behaviour
    }

    /// The key that `token` is.
    ///
    /// # Errors
    /// The account `account` is another one, it has no such key, or the key has expired by `now`.
    pub fn find_key(&self, account: &str, token: &str, now: Timestamp) -> Result<ApiKey, TokenProblem> {
        if account != self.0.identifier {
            return Err(TokenProblem::NotFound);
        }
        let state = self.state();
        let key = state.keys.iter().find(|key| key.token.expose() == token).ok_or(TokenProblem::NotFound)?;
        if key.expires.is_some_and(|expires| expires <= now) {
            return Err(TokenProblem::Expired);
        }
        Ok(key.clone())
    }

    /// The organisations and their projects.
    pub fn organizations(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.state().organizations.clone()
    }

    /// Makes an organisation; false if there is one already.
    pub fn create_organization(&self, identifier: &str) -> bool {
        let mut state = self.state();
        if state.organizations.contains_key(identifier) {
            return false;
        }
        state.organizations.insert(String::from(identifier), BTreeSet::new());
        true
    }

    /// Makes a project; false if there is one already.
    ///
    /// # Errors
    /// The organisation does not exist.
    pub fn create_project(&self, org: &str, identifier: &str) -> Result<bool, Refusal> {
        let mut state = self.state();
        let projects = state.organizations.get_mut(org).ok_or_else(|| no_such("org", org))?;
        Ok(projects.insert(String::from(identifier)))
    }

    /// Whether organisation and project of `scope` exist.
    ///
    /// # Errors
    /// One of them does not, in the platform's words.
    pub fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        self.state().check_scope(scope)
    }

    /// The delegates that the platform knows of.
    pub fn delegates(&self) -> Vec<Arc<Delegate>> {
        self.0.delegates.delegates()
    }

    /// The delegate that does `task`: connected, owned by the account or by what the task is for, and with all selectors.
    /// Among several chance decides.
    ///
    /// # Errors
    /// There is none, in the platform's words.
    pub fn select_delegate(
        &self,
        task: &DelegateTask<'_>,
        random: &mut impl Rng,
    ) -> Result<Arc<Delegate>, NoDelegateError> {
        self.0.delegates.select(task, random)
    }

    /// Lets the delegate called `name` beat from now on, or silences it, whatever its plan was. False if there is none.
    pub fn turn_delegate(&self, name: &str, beats: bool) -> bool {
        self.0.delegates.turn(beats, |delegate| delegate.name == name) > 0
    }

    pub(crate) fn delegate_tokens(&self) -> &Tokens {
        &self.0.delegate_tokens
    }

    pub(crate) fn delegate_pool(&self) -> &DelegatePool {
        &self.0.delegates
    }

    /// The connector that `reference` means.
    pub fn connector(&self, reference: &EntityRef) -> Option<Connector> {
        self.state().connectors.get(reference).cloned()
    }

    /// All connectors that live in `scope` itself, the last changed first.
    pub fn connectors_in(&self, scope: &Scope) -> Vec<Connector> {
        let state = self.state();
        let mut found: Vec<_> =
            state.connectors.values().filter(|connector| connector.scope == *scope).cloned().collect();
        found.sort_by_key(|connector| std::cmp::Reverse(connector.revision));
        found
    }

    /// Whether an organisation or a project has a connector called `identifier`; resolution never sees it by itself.
    pub fn connector_below_account(&self, identifier: &str) -> Option<EntityRef> {
        let state = self.state();
        let is_below =
            |reference: &&EntityRef| reference.identifier == identifier && reference.scope.level() != Level::Account;
        state.connectors.keys().find(is_below).cloned()
    }

    /// Makes a connector.
    ///
    /// # Errors
    /// Organisation, project or a secret is missing, or the identifier is taken.
    pub fn create_connector(&self, draft: ConnectorDraft, now: Timestamp) -> Result<Connector, Refusal> {
        let mut connector = draft.into_connector(now);
        let mut state = self.state();
        state.check_scope(&connector.scope)?;
        state.check_secrets(&connector)?;
        let reference = connector.reference();
        if state.connectors.contains_key(&reference) {
            let Connector { name, identifier, .. } = connector;
            return Err(Refusal::Invalid(format!(
                "Connector: {name} has been given an identifier: {identifier} that already exists. Please enter a unique ID."
            )));
        }
        connector.revision = state.next_revision();
        state.connectors.insert(reference, connector.clone());
        Ok(connector)
    }

    /// Changes a connector.
    ///
    /// # Errors
    /// There is none, its type would change, or a secret is missing.
    pub fn update_connector(&self, draft: ConnectorDraft, now: Timestamp) -> Result<Connector, Refusal> {
        let mut connector = draft.into_connector(now);
        let mut state = self.state();
        state.check_scope(&connector.scope)?;
        let reference = connector.reference();
        let Some(old) = state.connectors.get(&reference) else {
            let org = connector.scope.org.iter().map(|org| format!(", organisation {org}"));
            let project = connector.scope.project.iter().map(|project| format!(", project {project}"));
            let rest: String = org.chain(project).collect();
            let Connector { identifier, .. } = connector;
            let account = self.identifier();
            return Err(Refusal::NoConnector(format!(
                "No connector exists with the identifier {identifier} in account {account}{rest}"
            )));
        };
        if old.kind() != connector.kind() {
            return Err(Refusal::Invalid(String::from("The connector type cannot change in the update request")));
        }
        state.check_secrets(&connector)?;
        connector.created_at = old.created_at;
        connector.tested.connected_at_ms = old.tested.connected_at_ms;
        connector.revision = state.next_revision();
        state.connectors.insert(reference, connector.clone());
        Ok(connector)
    }

    /// Deletes a connector; with `force` even if a pipeline names it.
    ///
    /// # Errors
    /// There is none, or it is referenced.
    pub fn delete_connector(&self, reference: &EntityRef, force: bool) -> Result<(), Refusal> {
        let mut state = self.state();
        if !state.connectors.contains_key(reference) {
            return Err(Refusal::Invalid(String::from("No such connector found")));
        }
        if !force && state.references.values().any(|named| named.contains(reference)) {
            let identifier = &reference.identifier;
            return Err(Refusal::Referenced(format!(
                "Could not delete the connector {identifier} as it is referenced by other entities"
            )));
        }
        state.connectors.remove(reference);
        Ok(())
    }

    /// Stores what a test found, unless the connector was changed after `tested` was read.
    pub fn record_test(&self, tested: &Connector, record: TestRecord) {
        let mut state = self.state();
        let current = state.connectors.get_mut(&tested.reference());
        if let Some(connector) = current.filter(|connector| connector.revision == tested.revision) {
            let connected_at_ms = record.connected_at_ms.max(connector.tested.connected_at_ms);
            connector.tested = TestRecord { connected_at_ms, ..record };
        }
    }

    /// Remembers which connectors a stored pipeline names; they cannot be deleted meanwhile.
    pub fn set_references(&self, pipeline: &EntityRef, named: BTreeSet<EntityRef>) {
        self.state().references.insert(pipeline.clone(), named);
    }

    /// The secret that `reference` means, value included.
    pub fn secret(&self, reference: &EntityRef) -> Option<SecretText> {
        self.state().secrets.get(reference).cloned()
    }

    /// The value that the text `reference` of a connector in `scope` leads to.
    pub fn secret_value(&self, reference: &str, scope: &Scope) -> Option<Secret> {
        let reference = EntityRef::parse(reference, scope).ok()?;
        self.secret(&reference)?.draft.value
    }

    /// All secrets that live in `scope` itself.
    pub fn secrets_in(&self, scope: &Scope) -> Vec<SecretText> {
        self.state().secrets.iter().filter(|(key, _)| key.scope == *scope).map(|(_, secret)| secret.clone()).collect()
    }

    /// Makes a text secret.
    ///
    /// # Errors
    /// The value is missing or an empty text, organisation or project do not exist, or the identifier is taken.
    pub fn create_secret(&self, draft: SecretDraft, now: Timestamp) -> Result<SecretText, Refusal> {
        if draft.value.as_ref().is_none_or(is_empty) {
            return Err(no_value());
        }
        self.add_secret(draft, now)
    }

    /// The same for what an account has at its start: a value may be empty there.
    pub(super) fn add_secret(&self, draft: SecretDraft, now: Timestamp) -> Result<SecretText, Refusal> {
        let mut state = self.state();
        state.check_scope(&draft.scope)?;
        let reference = EntityRef { scope: draft.scope.clone(), identifier: draft.identifier.clone() };
        if state.secrets.contains_key(&reference) {
            let SecretDraft { name, identifier, .. } = draft;
            return Err(Refusal::Invalid(format!(
                "Secret: {name} has been given an identifier: {identifier} that already exists. Please enter a unique ID."
            )));
        }
        let secret = SecretText { draft, created_at: now, updated_at: now };
        state.secrets.insert(reference, secret.clone());
        Ok(secret)
    }

    /// Changes a text secret; without a value in `draft` the old one stays.
    ///
    /// # Errors
    /// There is none, or the value is an empty text.
    pub fn update_secret(&self, mut draft: SecretDraft, now: Timestamp) -> Result<SecretText, Refusal> {
        if draft.value.as_ref().is_some_and(is_empty) {
            return Err(no_value());
        }
        let mut state = self.state();
        let reference = EntityRef { scope: draft.scope.clone(), identifier: draft.identifier.clone() };
        let old = state.secrets.get(&reference).ok_or_else(|| no_such_secret(&reference.identifier))?;
        draft.value = draft.value.or_else(|| old.draft.value.clone());
        let secret = SecretText { draft, created_at: old.created_at, updated_at: now };
        state.secrets.insert(reference, secret.clone());
        Ok(secret)
    }

    /// Deletes a text secret.
    ///
    /// # Errors
    /// There is none.
    pub fn delete_secret(&self, reference: &EntityRef) -> Result<(), Refusal> {
        let removed = self.state().secrets.remove(reference);
        removed.map(drop).ok_or_else(|| no_such_secret(&reference.identifier))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No critical section can be left half done, so a panic elsewhere does not spoil the state.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_revision(&mut self) -> u64 {
        self.n_changes += 1;
        self.n_changes
    }

    pub(super) fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        let Some(org) = &scope.org else {
            return match &scope.project {
                None => Ok(()),
                Some(project) => {
                    Err(Refusal::NotFound(format!("Project {project} specified without the org Identifier")))
                }
            };
        };
        let projects = self.organizations.get(org).ok_or_else(|| no_such("org", org))?;
        match &scope.project {
            Some(project) if !projects.contains(project) => Err(no_such("project", project)),
            _ => Ok(()),
        }
    }

    fn check_secrets(&self, connector: &Connector) -> Result<(), Refusal> {
        connector
            .secret_refs()
            .into_iter()
            .try_for_each(|(field, text)| self.check_secret(field, text, &connector.scope))
    }

    fn check_secret(&self, field: &str, text: &str, scope: &Scope) -> Result<(), Refusal> {
        let level = match text.split_once('.') {
            None => Level::Project,
            Some((prefix, _)) if prefix.eq_ignore_ascii_case("org") => Level::Org,
            Some(_) => Level::Account,
        };
        match scope.level() {
            Level::Account if level > Level::Account => {
                let word = level.word();
                return Err(Refusal::Invalid(format!("The {word} level secret cannot be used at account level")));
            }
            Level::Org if level > Level::Org => {
                return Err(Refusal::Invalid(String::from("The project level secret cannot be used at a org level")));
            }
            _ => {}
        }
        let reference = EntityRef::parse(text, scope).map_err(|error| Refusal::Invalid(error.to_string()))?;
        if self.secrets.contains_key(&reference) {
            return Ok(());
        }
        let (identifier, place) = (&reference.identifier, reference.scope.in_words());
        Err(Refusal::Invalid(format!(
            "Error while validating {field} field : Invalid request: No secret exists with the id {identifier} {place}"
        )))
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.0.identifier)
    }
}

fn no_such(kind: &str, identifier: &str) -> Refusal {
    Refusal::NotFound(format!("{kind} [{identifier}] not found."))
}

fn is_empty(value: &Secret) -> bool {
    value.expose().is_empty()
}

fn no_value() -> Refusal {
    Refusal::Invalid(String::from("value cannot be empty for a secret text."))
}

fn no_such_secret(identifier: &str) -> Refusal {
    Refusal::NotFound(secret_not_found(identifier))
}
