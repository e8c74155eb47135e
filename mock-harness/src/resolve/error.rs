//! Why a stage has no images: the documented failures, in the platform's words.
//!
//! Source: facts/harness A3, A10, E.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use thiserror::Error;

use crate::account::{Level, RefError};

/// Why a stage fails before anything is pulled. The text is the platform's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResolveError {
    /// A connector reference cannot be read.
    #[error(transparent)]
    Reference(#[from] RefError),
    /// A connector that is named does not exist. Code `CONNECTOR_NOT_FOUND_EXCEPTION`.
    #[error("Connector not found for identifier : [{identifier}] with scope: [{level}]")]
    NotFound {
        /// Its identifier.
        identifier: String,
        /// The level it was looked for at.
        level: Level,
    },
    /// A connector exists and cannot be used, because something that it needs is missing.
    #[error("Failed to find connector for identifier: [{identifier}] with scope: [{level}] with error: {error}")]
    Lookup {
        /// Its identifier.
        identifier: String,
        /// The level it lives at.
        level: Level,
        /// What is missing.
        error: String,
    },
    /// A connector of a type that CI does not know.
    #[error("Unexpected connector type:[{kind}]")]
    UnexpectedType {
        /// The type.
        kind: String,
    },
    /// An AWS connector was accepted, and the delegate can make nothing of it.
    #[error("Invalid image: {image} for ECR connector")]
    Ecr {
        /// The first image.
        image: String,
    },
    /// The connector's URL is none.
    #[error("Malformed registryUrl {url} in docker connector id: {identifier}")]
    MalformedUrl {
        /// The URL.
        url: String,
        /// The connector's identifier.
        identifier: String,
    },
    /// The connector's password is an empty text.
    #[error("Password should not be empty for docker connector: {identifier}")]
    EmptyPassword {
        /// The connector's identifier.
        identifier: String,
    },
    /// The connector's user name is an empty text, or none that can be sent.
    #[error("Username should not be empty for docker connector {identifier}")]
    EmptyUsername {
        /// The connector's identifier.
        identifier: String,
    },
    /// Hosted builds need connectors that go through the platform.
    #[error(
        "While using hosted infrastructure, all connectors should be configured to go via the Harness platform instead of \
         via the delegate. Please update the connectors: [{}] to connect via the Harness platform instead. This can be done \
         by editing the connector and updating the connectivity to go via the Harness platform.", .connectors.join(", ")
    )]
    Hosted {
        /// The identifiers of those that do not.
        connectors: Vec<String>,
    },
    /// The stage does not say where it runs.
    #[error(
        "Infrastructure or runtime field with type Cloud (for vm) or type Docker (for docker) is mandatory for execution"
    )]
    NoInfrastructure,
}

impl ResolveError {
    /// The platform's error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Reference(error) => error.code(),
            Self::NotFound { .. } => "CONNECTOR_NOT_FOUND_EXCEPTION",
            Self::Lookup { .. }
            | Self::UnexpectedType { .. }
            | Self::Ecr { .. }
            | Self::MalformedUrl { .. }
            | Self::EmptyPassword { .. }
            | Self::EmptyUsername { .. }
            | Self::Hosted { .. }
            | Self::NoInfrastructure => "INVALID_REQUEST",
        }
    }
}

impl Serialize for ResolveError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("ResolveError", 2)?;
        fields.serialize_field("code", self.code())?;
        fields.serialize_field("message", &self.to_string())?;
        fields.end()
    }
}
