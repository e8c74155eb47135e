//! How failures of reading are worded: serde's terms in, a person's words out.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::secrets::secret_name;

/// A failure on its way up to the node that it belongs to. [`Ledger::settle`](super::ledger::Ledger::settle) meets it there.
#[derive(Debug)]
pub(super) enum ReadError {
    /// Some node below is settled; nodes above are only incomplete.
    Recorded,
    /// This node cannot be had, and why has been said elsewhere.
    Silent,
    /// This mapping lacks a key.
    MissingKey {
        key: &'static str,
        /// What the mapping is: `a registry`.
        subject: Option<String>,
    },
    /// This node is wrong.
    Unplaced(Box<Wording>),
}

/// What a complaint says, before it has a place.
#[derive(Debug, Default)]
pub(super) struct Wording {
    pub(super) message: String,
    pub(super) label: Option<Box<str>>,
    pub(super) hint: Option<Box<str>>,
}

impl ReadError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Wording::new(message).into()
    }
}

impl Wording {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    pub(super) fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A key that a struct does not have. `subject` is what the struct is: `a registry`.
    pub(super) fn unknown_key(key: &str, known: &[&'static str], subject: Option<&str>) -> Self {
        let place = subject.map(|subject| format!(" in {subject}")).unwrap_or_default();
        let hint = match known {
            [] => "no key is known here".to_owned(),
            [one] => format!("the only key known here is `{one}`"),
            many => format!("the keys known here are {}", list(many)),
        };
        Self { label: did_you_mean(key, known), ..Self::new(format!("unknown key {}{place}", quote_key(key))) }
            .hint(hint)
    }

    /// A name that no variant of an enum has. `subject` is what the enum is: `a step`.
    pub(super) fn unknown_variant(name: &str, known: &[&'static str], subject: Option<&str>) -> Self {
        let message = match subject {
            Some(subject) => format!("{} is not {subject}", quote(name)),
            None => format!("{} is not known here", quote(name)),
        };
        let hint = match known {
            [] => "nothing is known here".to_owned(),
            [one] => format!("the only one known is `{one}`"),
            many => format!("known are {}", list(many)),
        };
        Self { label: did_you_mean(name, known), ..Self::new(message) }.hint(hint)
    }
}

impl From<Wording> for ReadError {
    fn from(wording: Wording) -> Self {
        Self::Unplaced(Box::new(wording))
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded | Self::Silent => f.write_str("complained about elsewhere"),
            Self::MissingKey { key, .. } => write!(f, "missing key `{key}`"),
            Self::Unplaced(wording) => f.write_str(&wording.message),
        }
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Str(_) => "text".to_owned(),
            other => describe_found(other),
        };
        Self::new(format!("expected {}, found {found}", describe_expected(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", describe_expected(expected), describe_found(found)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {length}", describe_expected(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Wording::unknown_variant(variant, expected, None).into()
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Wording::unknown_key(field, expected, None).into()
    }

    fn missing_field(key: &'static str) -> Self {
        Self::MissingKey { key, subject: None }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("key `{field}` is given twice"))
    }
}

/// What a visitor reads, from its `expecting` text: `a registry` for `struct Registry`, or the text itself.
pub(super) fn subject(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.strip_prefix("struct ").or_else(|| text.strip_prefix("enum ")) {
        Some(name) if !name.contains([' ', ':']) => humanize(name),
        _ => text,
    }
}

fn describe_expected(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    let whole = |from: &str, to: &str| format!("a whole number from {from} to {to}");
    let (sign, number) = match text.strip_prefix("a nonzero ") {
        Some(number) => (1, number),
        None => (0, text.as_str()),
    };
    match number {
        "u8" => whole(&sign.to_string(), &u8::MAX.to_string()),
        "u16" => whole(&sign.to_string(), &u16::MAX.to_string()),
        "u32" => whole(&sign.to_string(), &u32::MAX.to_string()),
        "u64" | "usize" => format!("a whole number, {sign} or more"),
        "i8" => whole(&i8::MIN.to_string(), &i8::MAX.to_string()),
        "i16" => whole(&i16::MIN.to_string(), &i16::MAX.to_string()),
        "i32" => whole(&i32::MIN.to_string(), &i32::MAX.to_string()),
        "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "a string" | "a borrowed string" | "string" => "text".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a character" => "one character".to_owned(),
        "unit" => "nothing".to_owned(),
        other if other.starts_with("struct ") => "a mapping".to_owned(),
        other => match tuple_length(other) {
            Some(length) => format!("a list of {length}"),
            None => text,
        },
    }
}

/// The length in `a tuple of size 2`, `tuple struct Pair with 2 elements`, `tuple variant Step::Pair with 2 elements`.
fn tuple_length(expected: &str) -> Option<&str> {
    let derived = || expected.strip_prefix("tuple ")?.rsplit_once(" with ")?.1.split_once(" element");
    expected.strip_prefix("a tuple of size ").or_else(|| derived().map(|(length, _)| length))
}

fn describe_found(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Char(value) => quote(value.encode_utf8(&mut [0; 4])),
        Unexpected::Str(text) => quote(text),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq | Unexpected::TupleVariant => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// `PullStep` -> `a pull step`.
fn humanize(type_name: &str) -> String {
    let mut words = String::new();
    let mut after_lowercase = false;
    for char in type_name.chars() {
        if char.is_uppercase() && after_lowercase {
            words.push(' ');
        }
        after_lowercase = !char.is_uppercase();
        words.extend(char.to_lowercase());
    }
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {words}")
}

/// A piece of the file in backticks: in one line, and not too much of it.
pub(super) fn quote(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let shown: String = text.chars().take(MAX_CHARS).flat_map(shown_char).collect();
    let more = if text.chars().nth(MAX_CHARS).is_some() { ".." } else { "" };
    format!("`{shown}{more}`")
}

/// A key in backticks, without the secret that may be stuck to it.
pub(super) fn quote_key(key: &str) -> String {
    match secret_name(key) {
        Some(name) => quote(&format!("{name}:..")),
        None => quote(key),
    }
}

fn shown_char(char: char) -> impl Iterator<Item = char> {
    let escaped = char.is_control().then(|| char.escape_default());
    let plain = escaped.is_none().then_some(char);
    escaped.into_iter().flatten().chain(plain)
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn did_you_mean(name: &str, known: &[&'static str]) -> Option<Box<str>> {
    closest(name, known).map(|known| format!("did you mean `{known}`?").into())
}

/// The known name that was probably meant.
pub(crate) fn closest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let normal = |name: &str| name.to_lowercase().replace(['_', ' '], "-");
    let name = normal(name);
    let distance = |known: &str| strsim::damerau_levenshtein(&name, &normal(known));
    let (distance, best) = known.iter().map(|known| (distance(known), *known)).min_by_key(|(distance, _)| *distance)?;
    (distance <= best.chars().count().max(name.chars().count()).div_ceil(3).min(3)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_become_words() {
        for (name, words) in [("Registry", "a registry"), ("ImageSpec", "an image spec"), ("HTTPStep", "a httpstep")] {
            assert_eq!(humanize(name), words);
        }
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["limit", "preset", "max-pulls", "ab"];
        for (name, expected) in [
            ("limitt", Some("limit")),
            ("lmiit", Some("limit")),
            ("Preset", Some("preset")),
            ("max_pulls", Some("max-pulls")),
            ("maxPulls", Some("max-pulls")),
            ("x", None),
            ("delay", None),
            ("xy", None),
        ] {
            assert_eq!(closest(name, &known), expected, "{name}");
        }
        assert_eq!(closest(&"limit".repeat(1000), &known), None);
    }

    #[test]
    fn quoted_text_stays_in_its_line() {
        assert_eq!(quote("a\nb\u{1b}"), "`a\\nb\\u{1b}`");
        assert_eq!(quote(&"é".repeat(61)), format!("`{}..`", "é".repeat(60)));
    }
}
