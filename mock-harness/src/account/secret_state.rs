//! Secrets in an account: made, changed, deleted, listed.
//!
//! Source: facts/harness D; what it leaves open, from the server's `SecretCrudServiceImpl`, December 2023.

use std::sync::Arc;

use testbed::{Secret, Timestamp};

use super::{
    Account, EntityRef, Refusal, Scope, SecretDraft, SecretSpec, StoredSecret, secret::BUILT_IN_MANAGER, state::State,
};

impl Account {
    /// The secret that `reference` means.
    pub fn secret(&self, reference: &EntityRef) -> Option<Arc<StoredSecret>> {
        self.state().secrets.get(reference).cloned()
    }

    /// The value that the text `reference` of a connector in `scope` leads to.
    pub fn secret_value(&self, reference: &str, scope: &Scope) -> Option<Secret> {
        let reference = EntityRef::parse(reference, scope).ok()?;
        self.secret(&reference)?.draft.spec.value().cloned()
    }

    /// The secrets that `is_listed` lets through.
    pub(crate) fn secrets(&self, is_listed: impl Fn(&StoredSecret) -> bool) -> Vec<Arc<StoredSecret>> {
        self.state().secrets.values().filter(|secret| is_listed(secret)).cloned().collect()
    }

    /// Makes a secret.
    ///
    /// # Errors
    /// A text without a value, organisation or project do not exist, or the identifier is taken.
    pub fn create_secret(&self, draft: SecretDraft, now: Timestamp) -> Result<Arc<StoredSecret>, Refusal> {
        if matches!(draft.spec, SecretSpec::Text { .. }) && draft.spec.value().is_none_or(is_empty) {
            return Err(no_value());
        }
        self.check_manager(&draft)?;
        self.add_secret(draft, false, now)
    }

    /// Makes a secret that YAML describes: a text or a file stays a draft, until a value is given.
    ///
    /// # Errors
    /// The value is there, where YAML must not have it; and as [`Account::create_secret`].
    pub fn create_secret_of_yaml(&self, draft: SecretDraft, now: Timestamp) -> Result<Arc<StoredSecret>, Refusal> {
        check_yaml(&draft)?;
        self.check_manager(&draft)?;
        let is_draft = draft.spec.manager().is_some() && draft.spec.value().is_none();
        self.add_secret(draft, is_draft, now)
    }

    /// The same for what an account has at its start: a value may be empty there.
    pub(super) fn add_secret(
        &self,
        draft: SecretDraft,
        is_draft: bool,
        now: Timestamp,
    ) -> Result<Arc<StoredSecret>, Refusal> {
        let mut state = self.state_mut();
        state.check_scope(&draft.scope)?;
        let reference = EntityRef { scope: draft.scope.clone(), identifier: draft.identifier.clone() };
        if state.secrets.contains_key(&reference) {
            let message = format!("Secret with identifier {} already exists in this scope", draft.identifier);
            return Err(Refusal::Invalid(message));
        }
        Ok(state.put_secret(reference, StoredSecret { draft, created_at: now, updated_at: now, revision: 0, is_draft }))
    }

    /// Changes the secret `reference`; without a value in `draft` the old one stays.
    ///
    /// # Errors
    /// There is none; a text's value is empty; the draft is of another scope, identifier, type or secret manager.
    pub fn update_secret(
        &self,
        reference: &EntityRef,
        mut draft: SecretDraft,
        now: Timestamp,
    ) -> Result<Arc<StoredSecret>, Refusal> {
        if matches!(draft.spec, SecretSpec::Text { .. }) && draft.spec.value().is_some_and(is_empty) {
            return Err(no_value());
        }
        let mut state = self.state_mut();
        let Some(old) = state.secrets.get(reference).cloned() else {
            let message = "No such secret found, please check identifier/scope and try again.";
            return Err(Refusal::Invalid(String::from(message)));
        };
        let is_same = draft.scope == reference.scope
            && draft.identifier == reference.identifier
            && draft.spec.kind() == old.draft.spec.kind()
            && draft.spec.manager() == old.draft.spec.manager();
        if !is_same {
            return Err(Refusal::Invalid(String::from(
                "Cannot change organization, project, identifier, type or secret manager of a secret after creation.",
            )));
        }
        let is_draft = old.is_draft && draft.spec.value().is_none();
        if let Some(value @ None) = draft.spec.value_mut() {
            *value = old.draft.spec.value().cloned();
        }
        draft.owner.clone_from(&old.draft.owner);
        let created_at = old.created_at;
        let secret = StoredSecret { draft, created_at, updated_at: now, revision: 0, is_draft };
        Ok(state.put_secret(reference.clone(), secret))
    }

    /// As [`Account::update_secret`], of YAML.
    ///
    /// # Errors
    /// The value is there, where YAML must not have it; and as [`Account::update_secret`].
    pub fn update_secret_of_yaml(
        &self,
        reference: &EntityRef,
        draft: SecretDraft,
        now: Timestamp,
    ) -> Result<Arc<StoredSecret>, Refusal> {
        check_yaml(&draft)?;
        self.update_secret(reference, draft, now)
    }

    /// Deletes a secret, whoever names it.
    ///
    /// # Errors
    /// There is none.
    pub fn delete_secret(&self, reference: &EntityRef) -> Result<(), Refusal> {
        let removed = self.state_mut().secrets.remove(reference);
        removed.map(drop).ok_or_else(|| no_such_entity(&reference.identifier))
    }

    /// Deletes a secret that nobody names; with `force` also one that connectors name.
    ///
    /// # Errors
    /// There is none, it is referenced, or `force` is not enabled.
    pub(crate) fn delete_unused_secret(&self, reference: &EntityRef, force: bool) -> Result<(), Refusal> {
        let mut state = self.state_mut();
        let identifier = &reference.identifier;
        if force && !state.settings.force_delete() {
            let account = self.identifier();
            return Err(Refusal::Invalid(format!(
                "Parameter forcedDelete cannot be true. Force deletion of secret is not enabled for this account [{account}]"
            )));
        }
        if !state.secrets.contains_key(reference) {
            return Err(no_such_entity(identifier));
        }
        if !force && state.of_connectors.is_named(reference) {
            return Err(Refusal::Referenced(format!(
                "Could not delete the secret {identifier} as it is referenced by other entities"
            )));
        }
        state.secrets.remove(reference);
        Ok(())
    }

    fn check_manager(&self, draft: &SecretDraft) -> Result<(), Refusal> {
        if draft.spec.manager() == Some(BUILT_IN_MANAGER) && self.state().settings.built_in_manager_disabled() {
            return Err(Refusal::Invalid(String::from(
                "Built-in Harness Secret Manager cannot be used to create Secret as it has been disabled.",
            )));
        }
        Ok(())
    }
}

impl State {
    fn put_secret(&mut self, reference: EntityRef, mut secret: StoredSecret) -> Arc<StoredSecret> {
        self.n_secret_changes += 1;
        secret.revision = self.n_secret_changes;
        let secret = Arc::new(secret);
        self.secrets.insert(reference, Arc::clone(&secret));
        secret
    }
}

fn check_yaml(draft: &SecretDraft) -> Result<(), Refusal> {
    let SecretSpec::Text { value_type, value, .. } = &draft.spec else { return Ok(()) };
    match (value_type.as_str(), value) {
        ("Inline", Some(_)) => Err(Refusal::Invalid(String::from("Inline secret text cannot be provided in YAML."))),
        ("Reference", None) => {
            Err(Refusal::Invalid(String::from("value cannot be empty for reference secret text in YAML.")))
        }
        _ => Ok(()),
    }
}

fn no_such_entity(identifier: &str) -> Refusal {
    Refusal::NoEntity(format!("Secret with identifier [{identifier}] does not exist in the specified scope"))
}

fn is_empty(value: &Secret) -> bool {
    value.expose().is_empty()
}

fn no_value() -> Refusal {
    Refusal::Invalid(String::from("value cannot be empty for a secret text."))
}
