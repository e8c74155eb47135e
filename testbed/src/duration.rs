//! Durations as people write them: `6h`, `1m 30s`, `250ms`. For `#[serde(with = "testbed::duration")]`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serializer, de};

/// Reads a duration.
///
/// # Errors
/// `text` is no duration, or a negative one.
pub fn parse(text: &str) -> Result<Duration, String> {
    let help = || format!("`{text}` is no duration; write `6h`, `1m 30s` or `250ms`");
    let signed: SignedDuration = text.trim().parse().map_err(|_| help())?;
    Duration::try_from(signed).map_err(|_| help())
}

/// Prints a duration: `6h`, `1m 30s`.
pub fn print(duration: Duration) -> String {
    format!("{:#}", SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX))
}

/// Writes a duration as text.
///
/// # Errors
/// Those of `serializer`.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&print(*duration))
}

/// Reads a duration from text.
///
/// # Errors
/// Those of [`parse`], and of `deserializer`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// Durations that may be absent. For `#[serde(default, with = "testbed::duration::optional")]`.
pub mod optional {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    /// Writes a duration as text.
    ///
    /// # Errors
    /// Those of `serializer`.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a duration from text.
    ///
    /// # Errors
    /// Those of [`parse`](super::parse), and of `deserializer`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse("6h"), Ok(Duration::from_secs(21_600)));
        assert_eq!(parse("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(print(Duration::from_secs(90)), "1m 30s");
        assert!(parse("-1s").is_err());
        assert!(parse("soon").is_err());
    }
}
