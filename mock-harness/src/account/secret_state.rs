//! Secrets in an account.
//!
//! Source: facts/harness D.

use testbed::{Secret, Timestamp};

use super::{Account, EntityRef, Refusal, Scope, SecretDraft, SecretText, secret::secret_not_found};

impl Account {
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
        if draft.manager == "harnessSecretManager" && self.state().settings.built_in_manager_disabled() {
            let message = "Built-in Harness Secret Manager cannot be used to create Secret as it has been disabled.";
            return Err(Refusal::Invalid(String::from(message)));
        }
        self.add_secret(draft, now)
    }

    /// The same for what an account has at its start: a value may be empty there.
    pub(super) fn add_secret(&self, draft: SecretDraft, now: Timestamp) -> Result<SecretText, Refusal> {
        let mut state = self.state_mut();
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
        let mut state = self.state_mut();
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
        let removed = self.state_mut().secrets.remove(reference);
        removed.map(drop).ok_or_else(|| no_such_secret(&reference.identifier))
    }
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
