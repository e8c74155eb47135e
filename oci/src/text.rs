//! What every type written as text shares: its serde form, its JSON Schema, its view as a `str`.
//!
//! A type brings `FromStr` and `Display`; the macros here add the rest, so that no type can print
//! one thing and serialize another.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads a `T` from a string, through its `FromStr`; `expecting` completes "expected …" when it is
/// no string at all.
pub(crate) fn deserialize<'de, T, D>(deserializer: D, expecting: &'static str) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(TextVisitor { expecting, target: PhantomData })
}

struct TextVisitor<T> {
    expecting: &'static str,
    target: PhantomData<T>,
}

impl<T> Visitor<'_> for TextVisitor<T>
where
    T: FromStr<Err: fmt::Display>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Serialize, Deserialize and JsonSchema of a type that has `FromStr` and `Display`.
macro_rules! text_form {
    ($type:ident, $expecting:literal $(, pattern = $pattern:literal)?) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::deserialize(deserializer, $expecting)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": $expecting,
                    $("pattern": $pattern,)?
                })
            }
        }
    };
}

/// `AsRef<str>` and `Display` of a type that has `as_str`.
macro_rules! str_view {
    ($type:ident) => {
        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::Tag;

    #[test]
    fn a_value_of_another_type_is_told_what_was_expected() {
        let error = serde_json::from_str::<Tag>("3").unwrap_err().to_string();
        assert!(error.contains("expected a tag such as `3.19`"), "{error}");
    }

    #[test]
    fn the_schema_carries_the_pattern() {
        let schema = schemars::schema_for!(Tag);
        assert_eq!(
            schema.get("pattern").and_then(|pattern| pattern.as_str()),
            Some("^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$")
        );
    }
}
