//! Patterns for names and values: `harness/*`.

use std::{fmt, str::FromStr};

use globset::{Glob, GlobMatcher};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A pattern: `*` stands for any text, slashes included, `?` for one character, `{a,b}` for either.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    form: Form,
}

/// How a pattern is compared. Nearly all are one of the first two, which a thousand rules can be asked for in passing.
#[derive(Clone, Debug)]
enum Form {
    /// Nothing in it stands for something else.
    Exact,
    /// One `*`, at the end: what stands before it has so many bytes.
    Prefix(usize),
    Glob(Box<GlobMatcher>),
}

impl Pattern {
    /// Whether the whole of `text` fits the pattern.
    pub fn admits(&self, text: &str) -> bool {
        match &self.form {
            Form::Exact => self.text == text,
            Form::Prefix(n_bytes) => text.as_bytes().starts_with(&self.text.as_bytes()[..*n_bytes]),
            Form::Glob(glob) => glob.is_match(text),
        }
    }
}

impl Pattern {
    /// What every text that fits has in front of its first slash, if the pattern says all of that.
    pub(super) fn first_component(&self) -> Option<&str> {
        match self.form {
            Form::Exact => self.text.split('/').next(),
            Form::Prefix(n_bytes) => self.text[..n_bytes].split_once('/').map(|(first, _)| first),
            Form::Glob(_) => None,
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |text: &str| !text.contains(['*', '?', '[', ']', '{', '}', '\\']);
        let form = match text.strip_suffix('*') {
            None if is_plain(text) => Form::Exact,
            Some(prefix) if is_plain(prefix) => Form::Prefix(prefix.len()),
            _ => {
                let glob = Glob::new(text).map_err(|error| format!("`{text}` is no pattern: {}", error.kind()))?;
                Form::Glob(Box::new(glob.compile_matcher()))
            }
        };
        Ok(Self { text: text.to_owned(), form })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A pattern: harness/*, 1.16.?, {a,b}", "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_cuts_admit_what_the_pattern_does(pattern in "[ab/]{0,4}\\*?", text in "[ab/]{0,6}") {
            let glob = Glob::new(&pattern).unwrap().compile_matcher();
            let short = pattern.parse::<Pattern>().unwrap();
            prop_assert_eq!(short.admits(&text), glob.is_match(&text));
            if let (Some(first), true) = (short.first_component(), glob.is_match(&text)) {
                prop_assert_eq!(text.split('/').next(), Some(first));
            }
        }
    }
}
