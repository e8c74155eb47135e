//! What organisations and projects are called, and what else is told of them; nothing is decided by it.
//!
//! Source: the Go SDK's `Organization` and `Project`.

use serde_json::{Map, Value};
use testbed::Timestamp;

use super::{
    refusal::Refusal,
    validation::{tags, text, texts},
};

/// What is told of an organisation or a project beside its identifier.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    /// Its name; without one it is its identifier.
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) tags: Map<String, Value>,
    /// A project's colour, such as `#0063F7`.
    pub(crate) color: Option<String>,
    /// A project's modules, such as `CI`.
    pub(crate) modules: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
}

impl Profile {
    /// What is known of one of which nobody has told anything.
    pub(crate) fn new(identifier: &str, now: Timestamp) -> Self {
        Self {
            name: String::from(identifier),
            description: String::new(),
            tags: Map::new(),
            color: None,
            modules: Vec::new(),
            created_at: now,
            modified_at: now,
        }
    }

    /// Reads the object `organization` or `project` of a request body.
    ///
    /// # Errors
    /// A value has a wrong type.
    pub(crate) fn read(identifier: &str, body: &Map<String, Value>, now: Timestamp) -> Result<Self, Refusal> {
        let name = text(body, "name")?.filter(|name| !name.trim().is_empty());
        Ok(Self {
            name: name.unwrap_or_else(|| String::from(identifier)),
            description: text(body, "description")?.unwrap_or_default(),
            tags: tags(body, "tags")?,
            color: text(body, "color")?,
            modules: texts(body, "modules")?,
            ..Self::new(identifier, now)
        })
    }
}
