//! The rules that single fields of a request body are held to.
//!
//! Source: facts/harness B5. The words for a missing value and for a text that is no URL are those of the validation
//! library that the server code uses.

use serde_json::{Map, Value};
use url::Url;

use super::refusal::{FieldError, Refusal};

/// The most characters of a name or an identifier.
const MAX_LENGTH: usize = 128;
const KEYWORDS: [&str; 24] = [
    "or",
    "and",
    "eq",
    "ne",
    "lt",
    "gt",
    "le",
    "ge",
    "div",
    "mod",
    "not",
    "null",
    "true",
    "false",
    "new",
    "var",
    "return",
    "step",
    "parallel",
    "stepGroup",
    "org",
    "account",
    "class",
    "shellScriptProvisioner",
];
/// The answer to a value of a wrong type, as the server's JSON layer words it.
const UNREADABLE: &str = "Unable to process JSON";

/// The broken rules of one body, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors {
    fields: Vec<FieldError>,
    /// What is told if no field breaks a rule.
    last: Option<Refusal>,
}

impl FieldErrors {
    pub(crate) fn add(&mut self, field: &str, error: impl Into<String>) {
        self.fields.push(FieldError { field: String::from(field), error: error.into() });
    }

    /// Something that is found to be wrong only where every field keeps its rules.
    pub(crate) fn add_last(&mut self, refusal: Refusal) {
        self.last.get_or_insert(refusal);
    }

    pub(crate) fn finish(self) -> Result<(), Refusal> {
        if self.fields.is_empty() { self.last.map_or(Ok(()), Err) } else { Err(Refusal::Fields(self.fields)) }
    }

    pub(crate) fn check_identifier(&mut self, identifier: &str) {
        if let Some(error) = identifier_error(identifier) {
            self.add("identifier", error);
        }
    }

    pub(crate) fn check_name(&mut self, name: &str) {
        if name.trim().is_empty() {
            self.add("name", "cannot be empty.");
        } else if name.chars().count() > MAX_LENGTH {
            self.add("name", "cannot be more than 128 characters long.");
        } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_. /".contains(c)) {
            self.add("name", "can only contain alphanumeric, dot, hyphen, forward slash and underscore characters.");
        }
    }

    pub(crate) fn check_url(&mut self, field: &str, url: &str) {
        if url.is_empty() {
            self.add(field, "must not be blank");
        } else if !Url::parse(url).is_ok_and(|url| url.has_host() && matches!(url.scheme(), "http" | "https")) {
            self.add(field, "must be a valid URL");
        }
    }
}

/// What is wrong with an identifier, in the platform's words.
pub(crate) fn identifier_error(identifier: &str) -> Option<String> {
    if identifier.trim().is_empty() {
        return Some(String::from("cannot be empty"));
    }
    let mut characters = identifier.chars();
    let is_first = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let is_rest = characters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    if !is_first || !is_rest || identifier.len() > MAX_LENGTH {
        return Some(String::from(
            "can be 128 characters long and can only contain alphanumeric, underscore and $ characters, and not start \
             with a number or $",
        ));
    }
    KEYWORDS.contains(&identifier).then(|| format!("{identifier} is a keyword, so cannot be used"))
}

/// A field that is text or missing; other types are unreadable, numbers and truth values are taken as their text.
pub(crate) fn text(object: &Map<String, Value>, field: &str) -> Result<Option<String>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(_) => Err(unreadable()),
    }
}

/// A field that is a truth value or missing.
pub(crate) fn flag(object: &Map<String, Value>, field: &str) -> Result<Option<bool>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|_| unreadable()),
        Some(_) => Err(unreadable()),
    }
}

/// A field that is an object or missing.
pub(crate) fn object<'a>(
    object: &'a Map<String, Value>,
    field: &str,
) -> Result<Option<&'a Map<String, Value>>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(_) => Err(unreadable()),
    }
}

/// A field that is a list of texts or missing.
pub(crate) fn texts(object: &Map<String, Value>, field: &str) -> Result<Vec<String>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().map(String::from).ok_or_else(unreadable)).collect()
        }
        Some(_) => Err(unreadable()),
    }
}

/// A field that maps texts to texts, or is missing.
pub(crate) fn tags(body: &Map<String, Value>, field: &str) -> Result<Map<String, Value>, Refusal> {
    let tags = object(body, field)?.cloned().unwrap_or_default();
    if tags.values().all(|value| value.is_string() || value.is_null()) { Ok(tags) } else { Err(unreadable()) }
}

/// The body has a value of a wrong type.
pub(crate) fn unreadable() -> Refusal {
    Refusal::Unreadable(String::from(UNREADABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_follow_the_pattern_and_avoid_keywords() {
        let bad = "can be 128 characters long and can only contain alphanumeric, underscore and $ characters, and not \
                   start with a number or $";
        let check = |identifier: &str, expect: Option<&str>| {
            assert_eq!(identifier_error(identifier).as_deref(), expect, "{identifier}");
        };
        check("harnessImage", None);
        check("_a$9", None);
        check(&"a".repeat(128), None);
        check(&"a".repeat(129), Some(bad));
        check("", Some("cannot be empty"));
        check("9a", Some(bad));
        check("$a", Some(bad));
        check("a-b", Some(bad));
        check("stepGroup", Some("stepGroup is a keyword, so cannot be used"));
        check("stepgroup", None);
    }

    #[test]
    fn names_may_have_blanks_and_not_everything() {
        let check = |name: &str, expect: Option<&str>| {
            let mut errors = FieldErrors::default();
            errors.check_name(name);
            let told = errors.finish().err().map(|refusal| refusal.to_string());
            assert_eq!(told.as_deref(), expect, "{name}");
        };
        check("Mirror of/Harness_images-1.0", None);
        check(" ", Some("name: cannot be empty."));
        check(&"a".repeat(129), Some("name: cannot be more than 128 characters long."));
        check(
            "a:b",
            Some("name: can only contain alphanumeric, dot, hyphen, forward slash and underscore characters."),
        );
    }
}
