//! Connectors in an account: made, changed, deleted, listed, tested.
//!
//! Source: facts/harness B5 (order of checks), B6 (what is refused, in which words); the order of an update is that of the
//! server of December 2023.

use std::{collections::BTreeSet, sync::Arc};

use testbed::Timestamp;

use super::{
    Account, Connector, ConnectorDraft, EntityRef, Level, Refusal, Scope, TestRecord,
    connectors::{ConnectorPage, ConnectorQuery},
    state::State,
};
use crate::config::{DuplicateIdentifier, SecretPrefix};

impl Account {
    /// The connector that `reference` means.
    pub fn connector(&self, reference: &EntityRef) -> Option<Connector> {
        self.find_connector(reference).map(Arc::unwrap_or_clone)
    }

    /// The same, shared.
    pub(crate) fn find_connector(&self, reference: &EntityRef) -> Option<Arc<Connector>> {
        self.state().connectors.get(reference).cloned()
    }

    /// All connectors that live in `scope` itself, the last changed first.
    pub fn connectors_in(&self, scope: &Scope) -> Vec<Connector> {
        self.state().connectors.in_scope(scope).map(|connector| Connector::clone(connector)).collect()
    }

    /// One page of a list, of connectors that `may_see` lets through, if it is given.
    pub(crate) fn list_connectors(
        &self,
        query: &ConnectorQuery<'_>,
        may_see: Option<&dyn Fn(&Connector) -> bool>,
    ) -> ConnectorPage {
        self.state().connectors.page(query, may_see)
    }

    /// All connectors called `identifier`, wherever they live and in whatever case; resolution never looks at more than
    /// the one that a reference means.
    pub fn connectors_called(&self, identifier: &str) -> Vec<EntityRef> {
        self.state().connectors.called(identifier)
    }

    /// Makes a connector.
    ///
    /// # Errors
    /// Organisation, project or a secret is missing, or the identifier is taken.
    pub fn create_connector(&self, draft: ConnectorDraft, now: Timestamp) -> Result<Arc<Connector>, Refusal> {
        let connector = draft.into_connector(now);
        let behaviour = self.behaviour();
        let mut state = self.state_mut();
        state.check_scope(&connector.scope)?;
        state.check_secrets(&connector, behaviour.missing_secret_prefix)?;
        if state.connectors.get(&connector.reference()).is_some() {
            let Connector { name, identifier, .. } = connector;
            return Err(match behaviour.duplicate_identifier {
                DuplicateIdentifier::InvalidRequest => Refusal::Invalid(format!(
                    "Connector: {name} has been given an identifier: {identifier} that already exists. Please enter a \
                     unique ID."
                )),
                DuplicateIdentifier::DuplicateField => {
                    Refusal::Duplicate(format!("Connector [{identifier}] already exists"))
                }
            });
        }
        Ok(state.put(connector))
    }

    /// Changes a connector.
    ///
    /// # Errors
    /// There is none, its type would change, or organisation, project or a secret is missing.
    pub fn update_connector(&self, draft: ConnectorDraft, now: Timestamp) -> Result<Arc<Connector>, Refusal> {
        let mut connector = draft.into_connector(now);
        let mut state = self.state_mut();
        let Some(old) = state.connectors.get(&connector.reference()).cloned() else {
            return Err(Refusal::NoConnector(self.no_such_connector(&connector.reference())));
        };
        if old.kind() != connector.kind() {
            let none = self.no_such_connector(&connector.reference());
            return Err(Refusal::Invalid(format!("{none} with type {}", connector.kind())));
        }
        state.check_scope(&connector.scope)?;
        state.check_secrets(&connector, self.behaviour().missing_secret_prefix)?;
        connector.created_at = old.created_at;
        connector.made = old.made;
        connector.tested.connected_at_ms = old.tested.connected_at_ms;
        Ok(state.put(connector))
    }

    /// Deletes a connector; with `force` even if a pipeline names it.
    ///
    /// # Errors
    /// There is none, or it is referenced.
    pub fn delete_connector(&self, reference: &EntityRef, force: bool) -> Result<(), Refusal> {
        let mut state = self.state_mut();
        if state.connectors.get(reference).is_none() {
            return Err(Refusal::Invalid(String::from("No such connector found")));
        }
        if !force && state.of_pipelines.is_named(reference) {
            let identifier = &reference.identifier;
            return Err(Refusal::Referenced(format!(
                "Could not delete the connector {identifier} as it is referenced by other entities"
            )));
        }
        state.of_connectors.set(reference, BTreeSet::new());
        state.connectors.remove(reference);
        Ok(())
    }

    /// Stores what a test found, unless the connector was changed after `tested` was read.
    pub fn record_test(&self, tested: &Connector, record: TestRecord) {
        self.state_mut().connectors.amend(&tested.reference(), tested.revision, |connector| {
            let connected_at_ms = record.connected_at_ms.max(connector.tested.connected_at_ms);
            connector.tested = TestRecord { connected_at_ms, ..record };
        });
    }

    /// Remembers which connectors a stored pipeline names; they cannot be deleted meanwhile.
    pub fn set_references(&self, pipeline: &EntityRef, named: BTreeSet<EntityRef>) {
        self.state_mut().of_pipelines.set(pipeline, named);
    }

    /// The platform's words about a connector that does not exist.
    pub(crate) fn no_such_connector(&self, reference: &EntityRef) -> String {
        let EntityRef { scope, identifier } = reference;
        let org = scope.org.iter().map(|org| format!(", organisation {org}"));
        let project = scope.project.iter().map(|project| format!(", project {project}"));
        let rest: String = org.chain(project).collect();
        format!("No connector exists with the identifier {identifier} in account {}{rest}", self.identifier())
    }
}

impl State {
    fn put(&mut self, connector: Connector) -> Arc<Connector> {
        let named = connector.named_secrets();
        let named = named.iter().filter_map(|text| EntityRef::parse(text, &connector.scope).ok()).collect();
        self.of_connectors.set(&connector.reference(), named);
        self.connectors.put(connector)
    }

    fn check_secrets(&self, connector: &Connector, prefix: SecretPrefix) -> Result<(), Refusal> {
        connector
            .secret_refs()
            .into_iter()
            .try_for_each(|(field, text)| self.check_secret(field, text, &connector.scope, prefix))
    }

    fn check_secret(&self, field: &str, text: &str, scope: &Scope, prefix: SecretPrefix) -> Result<(), Refusal> {
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
        let inner = match prefix {
            SecretPrefix::Nested => "Invalid request: ",
            SecretPrefix::Outer => "",
        };
        Err(Refusal::Invalid(format!(
            "Error while validating {field} field : {inner}No secret exists with the id {identifier} {place}"
        )))
    }
}
