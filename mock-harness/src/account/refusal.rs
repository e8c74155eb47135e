//! Why the platform refuses a request: the cause, with its code and words. The shape on the wire is `api/envelope.rs`'s.
//!
//! Source: facts/harness B6, the table of situations.

use thiserror::Error;

/// One field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field.
    pub field: String,
    /// The rule's message.
    pub error: String,
}

/// Why a request is refused. The text is the message on the wire, without the prefix `Invalid request: `.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The body is no JSON, or a value is none of its type's.
    #[error("{0}")]
    Unreadable(String),
    /// Fields break rules.
    #[error("{}", told(.0))]
    Fields(Vec<FieldError>),
    /// Code `INVALID_REQUEST`; on the wire the text has the prefix.
    #[error("{0}")]
    Invalid(String),
    /// Something that the request names does not exist: `RESOURCE_NOT_FOUND_EXCEPTION` in the short envelope.
    #[error("{0}")]
    NotFound(String),
    /// Code `CONNECTOR_NOT_FOUND_EXCEPTION`.
    #[error("{0}")]
    NoConnector(String),
    /// 404, code `ENTITY_NOT_FOUND`.
    #[error("{0}")]
    NoEntity(String),
    /// Code `DUPLICATE_FIELD`.
    #[error("{0}")]
    Duplicate(String),
    /// Code `ENTITY_REFERENCE_EXCEPTION`.
    #[error("{0}")]
    Referenced(String),
}

fn told(errors: &[FieldError]) -> String {
    errors.iter().map(|FieldError { field, error }| format!("{field}: {error}")).collect::<Vec<_>>().join(", ")
}
