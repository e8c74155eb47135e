//! A text that must not be seen: passwords, tokens, API keys.

use std::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

/// The newtype struct that asks the deserializer of [`yaml`](crate::yaml) to keep the value out of excerpts; any other
/// takes it for a plain newtype.
pub(crate) const MARK: &str = "$pullrig::Secret";

/// A secret text. It is read from files and requests, and never written: there is no `Display` and no `Serialize`, and
/// `Debug` prints `[secret]`. The only way to the text is [`Secret::expose`], which is easy to search for.
///
/// Where it was read from a user's file, its place is [hidden](crate::diagnostic::Source::hide) there, so that complaints
/// about the line do not show it.
#[derive(Clone, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(MARK, SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret)
    }

    /// Deserializers of single values know no newtypes.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn to_json_and_schemas_it_is_a_string() {
        let read: Vec<Option<Secret>> = serde_json::from_str(r#"["hunter2", null]"#).unwrap();
        assert_eq!(read, [Some(Secret::new("hunter2")), None]);
        assert_eq!(serde_json::from_value::<Secret>("a".into()).unwrap().expose(), "a");
        let single = StrDeserializer::<Error>::new("b");
        assert_eq!(Secret::deserialize(single).unwrap().expose(), "b");
        assert!(serde_json::from_str::<Secret>("7").is_err());
        let schema = schemars::schema_for!(Secret).to_value();
        assert_eq!(schema["type"], "string");
    }
}
