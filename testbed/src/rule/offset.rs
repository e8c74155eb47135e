//! Places in a body: `1MiB`, `50%`.

use std::{fmt, str::FromStr};

use oci::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::scalar::text_or_number;

/// A place in a body: `1MiB` or `50%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Offset {
    /// So many bytes from its begin.
    Bytes(ByteSize),
    /// So many per cent of its length, from 0 to 100.
    Percent(f64),
}

impl Offset {
    /// The place in a body of `length` bytes; never past its end.
    pub fn in_body(self, length: u64) -> u64 {
        match self {
            Self::Bytes(size) => size.bytes().min(length),
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a body need not be exact to the byte past 2^53, and it is between 0 and the length"
            )]
            Self::Percent(percent) => ((length as f64 * percent / 100.0) as u64).min(length),
        }
    }
}

impl FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| format!("`{text}` is no share; write `50%`"))?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(format!("`{text}` is not between 0% and 100%"));
            }
            return Ok(Self::Percent(percent));
        }
        text.parse().map(Self::Bytes).map_err(|_| format!("`{text}` is no place in a body; write `1MiB` or `50%`"))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(size) => size.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_number(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Offset {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Offset".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A place in a body: 1MiB or 50%", "type": ["string", "integer"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_lie_within_the_body() {
        let at = |text: &str| text.parse::<Offset>().map(|offset| offset.in_body(1000));
        assert_eq!(at("50%"), Ok(500));
        assert_eq!(at("100%"), Ok(1000));
        assert_eq!(at("12"), Ok(12));
        assert_eq!(at("1MiB"), Ok(1000));
        assert_eq!(at("101%"), Err(String::from("`101%` is not between 0% and 100%")));
        assert!(at("half").is_err());
    }
}
