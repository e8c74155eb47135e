//! Sizes as people write them: `3MiB`, `512KiB`, `10MB`, `42`.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes, written with a binary unit (`KiB`, `MiB`, …), a decimal one (`KB`, `MB`, …),
/// or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ByteSizeError {
    /// There is no number in front.
    #[error("size `{text}` does not start with a whole number, as `64MiB` does")]
    NoNumber {
        /// The text that was read.
        text: String,
    },
    /// A unit that nobody knows.
    #[error("size unit `{unit}` is unknown; use B, KiB, MiB, GiB, TiB or KB, MB, GB, TB")]
    UnknownUnit {
        /// The word after the number.
        unit: String,
    },
    /// More than 64 bits of bytes.
    #[error("size `{text}` is more than {} bytes", u64::MAX)]
    TooLarge {
        /// The text that was read.
        text: String,
    },
}

/// Binary units, largest first: the ones that sizes are printed in.
const BINARY: [(&str, u64); 7] = [
    ("EiB", 1 << 60),
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

const DECIMAL: [(&str, u64); 6] = [
    ("EB", 1_000_000_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
];

impl ByteSize {
    /// How many bytes it is.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// In the largest binary unit that divides it: `3MiB`, `1025B`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) =
            BINARY.into_iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)).unwrap_or(("B", 1));
        f.pad(&format!("{}{unit}", self.0 / factor))
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let trimmed = text.trim();
        let unit = trimmed.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &trimmed[..trimmed.len() - unit.len()];
        if digits.is_empty() {
            return Err(ByteSizeError::NoNumber { text: text.to_owned() });
        }
        let factor = factor(unit.trim_start())?;
        let too_large = || ByteSizeError::TooLarge { text: text.to_owned() };
        let count: u64 = digits.parse().map_err(|_| too_large())?;
        count.checked_mul(factor).map(ByteSize).ok_or_else(too_large)
    }
}

fn factor(unit: &str) -> Result<u64, ByteSizeError> {
    if unit.is_empty() {
        return Ok(1);
    }
    let found = BINARY.into_iter().chain(DECIMAL).find(|(name, _)| name.eq_ignore_ascii_case(unit));
    match found {
        Some((_, factor)) => Ok(factor),
        None => Err(ByteSizeError::UnknownUnit { unit: unit.to_owned() }),
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteSizeVisitor)
    }
}

struct ByteSizeVisitor;

impl Visitor<'_> for ByteSizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as `64MiB`, or a number of bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
        match bytes.try_into() {
            Ok(bytes) => Ok(ByteSize(bytes)),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(bytes), &self)),
        }
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "description": "a size such as `64MiB`, or a number of bytes",
            "pattern": "^[0-9]+ *([KMGTPEkmgtpe]?[iI]?[bB])?$",
            "minimum": 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expect: &str) {
        let actual = match input.parse::<ByteSize>() {
            Ok(size) => format!("{size} = {}", size.bytes()),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expect, "for {input}");
    }

    #[test]
    fn sizes_read_as_people_write_them() {
        check("3MiB", "3MiB = 3145728");
        check("512 KiB", "512KiB = 524288");
        check("10MB", "10000000B = 10000000");
        check("1TiB", "1TiB = 1099511627776");
        check("1024", "1KiB = 1024");
        check("4B", "4B = 4");
        check("2kb", "2000B = 2000");
        check("0", "0B = 0");
    }

    #[test]
    fn each_mistake_is_named() {
        let too_large = |text: &str| format!("size `{text}` is more than 18446744073709551615 bytes");
        check("", "size `` does not start with a whole number, as `64MiB` does");
        check("-1", "size `-1` does not start with a whole number, as `64MiB` does");
        check("1.5MiB", "size unit `.5MiB` is unknown; use B, KiB, MiB, GiB, TiB or KB, MB, GB, TB");
        check("16EiB", &too_large("16EiB"));
        check("99999999999999999999", &too_large("99999999999999999999"));
    }

    #[test]
    fn numbers_are_bytes() {
        let read = |json: &str| serde_json::from_str::<ByteSize>(json).ok();
        assert_eq!(read("42"), Some(ByteSize(42)));
        assert_eq!(read(r#""1KiB""#), Some(ByteSize(1024)));
        assert_eq!(read("-1"), None);
        assert_eq!(serde_json::json!(ByteSize(2048)), "2KiB");
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(count: u64, shift in 0..64_u32) {
            let size = ByteSize(count << shift);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}
