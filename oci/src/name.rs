//! Repository names and tags, by the grammar of the distribution-spec.
//!
//! Which registry a name belongs to, and Docker's short forms, are the business of
//! [`crate::ImageReference`].
//!
//! Source: distribution-spec, "Pulling manifests".

use std::borrow::Borrow;
use std::str::FromStr;
use std::sync::Arc;

/// A repository's name within a registry, the spec's `<name>`: `library/alpine`. A clone is a
/// pointer.
///
/// Components of `[a-z0-9]+` joined by `.`, `_`, `__` or dashes; slashes between components; at
/// most 255 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Arc<str>);

/// A tag: a letter, digit or `_`, then up to 127 more of them, `.` or `-`. A clone is a pointer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

/// Why a text is no repository name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Longer than [`RepositoryName::MAX_LEN`].
    #[error("repository name has {actual} characters; at most {} are allowed", RepositoryName::MAX_LEN)]
    TooLong {
        /// Bytes that were found.
        actual: usize,
    },
    /// Upper case, which people try often enough to deserve its own words.
    #[error("repository name `{name}` must be lowercase")]
    Uppercase {
        /// The text that was read.
        name: String,
    },
    /// A component that does not fit the grammar.
    #[error(
        "repository name `{name}` is invalid: `{component}` is not letters and digits joined by `.`, `_`, `__` or `-`"
    )]
    Component {
        /// The text that was read.
        name: String,
        /// The part between two slashes that is wrong; may be empty.
        component: String,
    },
}

/// Why a text is no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing at all.
    #[error("tag is empty")]
    Empty,
    /// Longer than [`Tag::MAX_LEN`].
    #[error("tag has {actual} characters; at most {} are allowed", Tag::MAX_LEN)]
    TooLong {
        /// Bytes that were found.
        actual: usize,
    },
    /// A character that a tag cannot have, or cannot start with.
    #[error("tag `{tag}` is invalid: `{found}` cannot stand at position {position}")]
    Character {
        /// The text that was read.
        tag: String,
        /// The first character that does not belong.
        found: char,
        /// Where it is, counted in bytes from 0.
        position: usize,
    },
}

impl RepositoryName {
    /// Characters in the longest name; clients limit it, the spec only warns of it.
    pub const MAX_LEN: usize = 255;

    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows `prefix` and a slash: `harness/ci-addon` without `harness` is `ci-addon`.
    ///
    /// `None` when the name does not start with these components. Slashes around `prefix` are
    /// ignored, and an empty prefix is every name's.
    pub fn strip_prefix(&self, prefix: &str) -> Option<RepositoryName> {
        let prefix = prefix.trim_matches('/');
        if prefix.is_empty() {
            return Some(self.clone());
        }
        let rest = self.as_str().strip_prefix(prefix)?.strip_prefix('/')?;
        Some(RepositoryName(rest.into()))
    }

    /// The opposite of [`RepositoryName::strip_prefix`]: `prefix`, a slash, `name`.
    ///
    /// # Errors
    /// `prefix` does not fit the grammar of a name, or the two are too long together.
    pub fn join(prefix: &str, name: &RepositoryName) -> Result<RepositoryName, NameError> {
        let prefix = prefix.trim_matches('/');
        if prefix.is_empty() {
            return Ok(name.clone());
        }
        format!("{prefix}/{name}").parse()
    }
}

str_view!(RepositoryName);
text_form!(
    RepositoryName,
    "a repository name such as `library/alpine`",
    pattern = "^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$"
);

/// Names are ordered as their texts are, so a text finds its place among them.
impl Borrow<str> for RepositoryName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > RepositoryName::MAX_LEN {
            return Err(NameError::TooLong { actual: text.len() });
        }
        if let Some(component) = text.split('/').find(|component| !is_component(component)) {
            let name = text.to_owned();
            return Err(if text.bytes().any(|b| b.is_ascii_uppercase()) {
                NameError::Uppercase { name }
            } else {
                NameError::Component { name, component: component.to_owned() }
            });
        }
        Ok(RepositoryName(text.into()))
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`: runs of letters and digits, and separators between them, none at the ends.
fn is_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let is_word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.first().is_some_and(is_word)
        && bytes.last().is_some_and(is_word)
        && bytes.chunk_by(|a, b| is_word(a) == is_word(b)).all(|run| {
            run.first().is_some_and(is_word) || matches!(run, b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-')
        })
}

impl Tag {
    /// Characters in the longest tag.
    pub const MAX_LEN: usize = 128;

    /// `latest`, which is meant where an image reference has neither tag nor digest.
    pub fn latest() -> Tag {
        Tag("latest".into())
    }

    /// The tag as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

str_view!(Tag);
text_form!(Tag, "a tag such as `3.19`", pattern = "^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$");

/// Tags are ordered as their texts are, so a text finds its place among them.
impl Borrow<str> for Tag {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        if text.is_empty() {
            return Err(TagError::Empty);
        }
        if text.len() > Tag::MAX_LEN {
            return Err(TagError::TooLong { actual: text.len() });
        }
        let fits = |position: usize, c: char| {
            c.is_ascii_alphanumeric() || c == '_' || (position > 0 && matches!(c, '.' | '-'))
        };
        if let Some((position, found)) = text.char_indices().find(|&(position, c)| !fits(position, c)) {
            return Err(TagError::Character { tag: text.to_owned(), found, position });
        }
        Ok(Tag(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expect: Option<&str>) {
        let actual = input.parse::<RepositoryName>().err().map(|error| error.to_string());
        assert_eq!(actual.as_deref(), expect, "for {input}");
    }

    fn name(text: &str) -> RepositoryName {
        text.parse().expect("a name")
    }

    #[test]
    fn names_follow_the_grammar() {
        for good in ["alpine", "library/alpine", "a.b_c__d---e/0", "harness/ci-addon"] {
            check(good, None);
        }
        check("Alpine", Some("repository name `Alpine` must be lowercase"));
        for bad in ["", "/a", "a/", "a//b", "-a", "a-", "a..b", "a___b", "a._b", "a b", "\u{e9}", "a:b"] {
            assert!(bad.parse::<RepositoryName>().is_err(), "{bad}");
        }
        check(
            "a/b_/c",
            Some("repository name `a/b_/c` is invalid: `b_` is not letters and digits joined by `.`, `_`, `__` or `-`"),
        );
        check(&"a".repeat(255), None);
        check(&"a".repeat(256), Some("repository name has 256 characters; at most 255 are allowed"));
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        let image = name("registry/harness/ci-addon");
        assert_eq!(image.strip_prefix("registry"), Some(name("harness/ci-addon")));
        assert_eq!(image.strip_prefix("/registry/harness/"), Some(name("ci-addon")));
        assert_eq!(image.strip_prefix(""), Some(image.clone()));
        assert_eq!(image.strip_prefix("reg"), None);
        assert_eq!(name("registry").strip_prefix("registry"), None);
        assert!(RepositoryName::join("Not", &image).is_err());
    }

    #[test]
    fn tags_follow_the_grammar() {
        let check = |input: &str, expect: Option<&str>| {
            let actual = input.parse::<Tag>().err().map(|error| error.to_string());
            assert_eq!(actual.as_deref(), expect, "for {input}");
        };
        check("3.19", None);
        check("_x-Y.z", None);
        check(&"a".repeat(128), None);
        check(&"a".repeat(129), Some("tag has 129 characters; at most 128 are allowed"));
        check("", Some("tag is empty"));
        check(".a", Some("tag `.a` is invalid: `.` cannot stand at position 0"));
        check("a/b", Some("tag `a/b` is invalid: `/` cannot stand at position 1"));
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(
            name in crate::arbitrary::repository_name(),
            tag in crate::arbitrary::tag(),
        ) {
            prop_assert_eq!(name.to_string().parse(), Ok(name));
            prop_assert_eq!(tag.to_string().parse(), Ok(tag));
        }

        #[test]
        fn a_joined_prefix_can_be_stripped(
            prefix in crate::arbitrary::repository_name(),
            name in crate::arbitrary::repository_name(),
        ) {
            let joined = RepositoryName::join(prefix.as_str(), &name).expect("short enough");
            prop_assert_eq!(joined.strip_prefix(prefix.as_str()), Some(name));
        }

        #[test]
        fn near_misses_do_not_panic(text in "[a-z0-9._/-]{0,12}|.*") {
            let _ = (text.parse::<RepositoryName>(), text.parse::<Tag>());
        }
    }
}
