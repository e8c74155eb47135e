//! Secrets: their drafts and their kept form. A value goes in and never comes out through the API.
//!
//! Source: facts/harness D; what else a secret has, from the server's `SecretDTOV2`, December 2023.

use serde_json::{Map, Value};
use testbed::{Secret, Timestamp};

use super::{
    Refusal, Scope,
    connector_type::without_secrets,
    validation::{FieldErrors, object, tags, text, unreadable},
};
use crate::config::PrincipalKind;

/// The built-in secret manager.
pub(super) const BUILT_IN_MANAGER: &str = "harnessSecretManager";

/// A secret as it is kept.
#[derive(Clone, Debug)]
pub struct StoredSecret {
    /// What a request said about it.
    pub draft: SecretDraft,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// A number that grows with each change of a secret in the account.
    pub revision: u64,
    /// Whether it was made of YAML, and lacks the value that YAML cannot have.
    pub is_draft: bool,
}

/// A secret as a request body says it.
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
    /// What it is.
    pub spec: SecretSpec,
    /// Whose it alone is, if it is private.
    pub owner: Option<(PrincipalKind, String)>,
}

/// What a secret is.
#[derive(Clone, Debug)]
pub enum SecretSpec {
    /// `SecretText`.
    Text {
        /// `secretManagerIdentifier`: `harnessSecretManager` is the built-in one.
        manager: String,
        /// `valueType`: `Inline`, `Reference`, `CustomSecretManagerValues`.
        value_type: String,
        /// Its value; an update may leave it as it was.
        value: Option<Secret>,
        /// `additionalMetadata`.
        metadata: Value,
    },
    /// `SecretFile`.
    File {
        /// `secretManagerIdentifier`.
        manager: String,
        /// Its content; an update may leave it as it was.
        content: Option<Secret>,
        /// `additionalMetadata`.
        metadata: Value,
    },
    /// `SSHKey` and `WinRmCredentials`: they refer to other secrets.
    Other {
        /// The type.
        kind: &'static str,
        /// The spec as it came, without what looks like a secret in plain text.
        spec: Value,
    },
}

impl SecretDraft {
    /// Reads a request body, `{"secret": {…}}`.
    ///
    /// # Errors
    /// Fields break rules, or have a wrong type; there is no such type of secret.
    pub fn read(body: &Value) -> Result<Self, Refusal> {
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
        let kind = text(body, "type")?;
        if kind.is_none() {
            errors.add("type", "must not be null");
        }
        let spec = object(body, "spec")?;
        if spec.is_none() {
            errors.add("spec", "must not be null");
        }
        let spec = SecretSpec::read(kind.as_deref().unwrap_or("SecretText"), spec.unwrap_or(&Map::new()))?;
        let scope = Scope::new(text(body, "orgIdentifier")?.as_deref(), text(body, "projectIdentifier")?.as_deref());
        let (description, tags) = (text(body, "description")?, tags(body, "tags")?);
        errors.finish()?;
        Ok(Self { scope, identifier, name, description, tags, spec, owner: None })
    }

    /// Refuses a draft of another scope than the query names.
    ///
    /// # Errors
    /// It is of another one.
    pub fn check_scope(&self, query: &Scope) -> Result<(), Refusal> {
        if self.scope == *query {
            return Ok(());
        }
        Err(Refusal::Invalid(String::from("Invalid request, scope in payload and params do not match.")))
    }
}

impl SecretSpec {
    fn read(kind: &str, spec: &Map<String, Value>) -> Result<Self, Refusal> {
        let manager = || Ok(text(spec, "secretManagerIdentifier")?.unwrap_or_else(|| String::from(BUILT_IN_MANAGER)));
        let metadata = || match object(spec, "additionalMetadata")? {
            Some(metadata) => Ok(Value::Object(without_secrets(metadata))),
            None => Ok(Value::Null),
        };
        let other = |kind| {
            let mut kept = without_secrets(spec);
            // A field of text secrets, which one puts here by mistake.
            kept.remove("value");
            Ok(Self::Other { kind, spec: Value::Object(kept) })
        };
        match kind {
            "SecretText" => {
                let value_type = text(spec, "valueType")?.unwrap_or_else(|| String::from("Inline"));
                if !matches!(value_type.as_str(), "Inline" | "Reference" | "CustomSecretManagerValues") {
                    return Err(unreadable());
                }
                let value = text(spec, "value")?.map(Secret::new);
                Ok(Self::Text { manager: manager()?, value_type, value, metadata: metadata()? })
            }
            "SecretFile" => Ok(Self::File { manager: manager()?, content: None, metadata: metadata()? }),
            "SSHKey" => other("SSHKey"),
            "WinRmCredentials" => other("WinRmCredentials"),
            _ => Err(unreadable()),
        }
    }

    /// The type on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } => "SecretText",
            Self::File { .. } => "SecretFile",
            Self::Other { kind, .. } => kind,
        }
    }

    /// The secret manager that holds it, if one does.
    pub fn manager(&self) -> Option<&str> {
        match self {
            Self::Text { manager, .. } | Self::File { manager, .. } => Some(manager),
            Self::Other { .. } => None,
        }
    }

    /// Its value, or a file's content.
    pub fn value(&self) -> Option<&Secret> {
        match self {
            Self::Text { value, .. } => value.as_ref(),
            Self::File { content, .. } => content.as_ref(),
            Self::Other { .. } => None,
        }
    }

    /// Where the value goes, if it can have one.
    pub(super) fn value_mut(&mut self) -> Option<&mut Option<Secret>> {
        match self {
            Self::Text { value, .. } => Some(value),
            Self::File { content, .. } => Some(content),
            Self::Other { .. } => None,
        }
    }
}

/// The platform's words about a secret that does not exist.
pub(crate) fn secret_not_found(identifier: &str) -> String {
    format!("Secret with identifier [{identifier}] is not found in the given scope")
}
