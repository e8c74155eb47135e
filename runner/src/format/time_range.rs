//! How long something takes, exactly or between two bounds.

use std::{fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use testbed::duration;

/// A duration, or a range of them with both ends included: `3s`, `900ms..1100ms`. Ranges are for clients whose waits differ
/// by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    first: Duration,
    last: Duration,
}

impl TimeRange {
    /// Whether `time` is within it.
    pub fn admits(self, time: Duration) -> bool {
        (self.first..=self.last).contains(&time)
    }
}

impl fmt::Display for TimeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration::print(self.first))?;
        if self.first == self.last { Ok(()) } else { write!(f, " to {}", duration::print(self.last)) }
    }
}

impl FromStr for TimeRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (duration::parse(first)?, duration::parse(last)?);
        if first > last {
            return Err(format!("`{text}` is empty: the first is longer than the last"));
        }
        Ok(Self { first, last })
    }
}

impl<'de> Deserialize<'de> for TimeRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for TimeRange {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration, or a range with both ends included: 3s, 900ms..1100ms",
            "type": "string",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_its_ends() {
        let admits = |text: &str, ms| text.parse::<TimeRange>().map(|range| range.admits(Duration::from_millis(ms)));
        assert_eq!(admits("3s", 3000), Ok(true));
        assert_eq!(admits("3s", 3001), Ok(false));
        assert_eq!(admits("900ms..1100ms", 900), Ok(true));
        assert_eq!(admits("900ms..1100ms", 1100), Ok(true));
        assert_eq!(admits("900ms..1100ms", 899), Ok(false));
        assert!(admits("2s..1s", 1).is_err());
        assert!(admits("2s..", 1).is_err());
        assert_eq!("900ms..1s".parse::<TimeRange>().map(|range| range.to_string()).as_deref(), Ok("900ms to 1s"));
    }
}
