//! Text secrets: their drafts and their kept form. A value goes in and never comes out through the API.
//!
//! Source: facts/harness D.

use serde_json::{Map, Value};
use testbed::{Secret, Timestamp};

use super::{
    Refusal, Scope,
    validation::{FieldErrors, object, tags, text, unreadable},
};

/// A text secret as it is kept.
#[derive(Clone, Debug)]
pub struct SecretText {
    /// What a request said about it.
    pub draft: SecretDraft,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A text secret as a request body says it.
#[derive(Clone, Debug)]
pub struct SecretDraft {
    /// Where it lives.
    pub scope: Scope,
    /// Its identifier.
    pub identifier: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Map<String, Value>,
    /// `secretManagerIdentifier`: `harnessSecretManager` is the built-in one.
    pub manager: String,
    /// `valueType`: `Inline`.
    pub value_type: String,
    /// Its value; an update may leave it as it was.
    pub value: Option<Secret>,
}

impl SecretDraft {
    /// Reads a request body, `{"secret": {…}}`, of a request whose query names the scope `query`.
    ///
    /// # Errors
    /// Fields break rules; the type is not `SecretText`; body and query name different scopes.
    pub fn read(body: &Value, query: &Scope) -> Result<Self, Refusal> {
        let body = body.as_object().ok_or_else(unreadable)?;
        let mut errors = FieldErrors::default();
        let Some(body) = object(body, "secret")? else {
            errors.add("secret", "must not be null");
            errors.finish()?;
            return Err(unreadable());
        };
        let identifier = text(body, "identifier")?.unwrap_or_default();
        let name = text(body, "name")?.unwrap_or_default();
        errors.check_name(&name);
        errors.check_identifier(&identifier);
        let spec = object(body, "spec")?;
        match text(body, "type")?.as_deref() {
            None => errors.add("type", "must not be null"),
            Some("SecretText") => {}
            // The other types exist, and this mock has no use for them.
            Some(_) => return Err(unreadable()),
        }
        if spec.is_none() {
            errors.add("spec", "must not be null");
        }
        errors.finish()?;
        let empty = Map::new();
        let spec = spec.unwrap_or(&empty);
        let scope = Scope::new(text(body, "orgIdentifier")?.as_deref(), text(body, "projectIdentifier")?.as_deref());
        if scope != *query {
            return Err(Refusal::Invalid(String::from("Invalid request, scope in payload and params do not match.")));
        }
        Ok(Self {
            scope,
            identifier,
            name,
            description: text(body, "description")?,
            tags: tags(body, "tags")?,
            manager: text(spec, "secretManagerIdentifier")?.unwrap_or_else(|| String::from("harnessSecretManager")),
            value_type: text(spec, "valueType")?.unwrap_or_else(|| String::from("Inline")),
            value: text(spec, "value")?.map(Secret::new),
        })
    }
}

/// The platform's words about a secret that does not exist.
pub(crate) fn secret_not_found(identifier: &str) -> String {
    format!("Secret with identifier [{identifier}] is not found in the given scope")
}
