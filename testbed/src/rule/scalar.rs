//! Values that are texts and may be written as whole numbers: `nth: 2`, `after: 1024`.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, Visitor},
};

/// Reads a text, or the text of a whole number.
///
/// # Errors
/// It is neither.
pub fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct TextOrNumber;

    impl Visitor<'_> for TextOrNumber {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text or a whole number")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(String::from(text))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }

    deserializer.deserialize_any(TextOrNumber)
}
