//! Dialects: the exact words in which registries refuse, by name.
//!
//! They are data, in `testbed/dialects/`: each has a line about it, its source with an evidence mark, a status, headers and
//! a body. What is different in each refusal is a placeholder in braces:
//!
//! | placeholder | is |
//! |---|---|
//! | `{account}`, `{token-id}` | who was refused, and the id of the token |
//! | `{retry-after}`, `{go-duration}` | until it would be let through: seconds rounded up; as Go prints it (`880.092µs`) |
//! | `{limit}`, `{observed}`, `{window-seconds}`, `{window-unit}` | how much is allowed, one more, in which window, and its unit (`minute`) |
//! | `{name}` | the limit's name |
//! | `{now-rfc3339}`, `{reset-epoch}`, `{reset-http-date}` | the present, and when it would be let through |
//! | `{hex-id}`, `{uuid}`, `{edge}`, `{ray}` | ids, the same for the same refusal |
//!
//! A header whose placeholder has no value is left out; for a body see `otherwise` and `assumed` in [`Dialect`].
//!
//! Source: facts/registry 0.2, A7-A9, B1, B2, B4.

mod compose;
mod go_duration;

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use bytes::Bytes;
use oci::PullLimit;
use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, diagnostic::Source, yaml};

pub use go_duration::go_duration;

const FILES: [(&str, &str); 3] = [
    ("docker-hub.yaml", include_str!("../../dialects/docker-hub.yaml")),
    ("registries.yaml", include_str!("../../dialects/registries.yaml")),
    ("others.yaml", include_str!("../../dialects/others.yaml")),
];

static DIALECTS: LazyLock<BTreeMap<String, Dialect>> = LazyLock::new(|| {
    // The files are part of the program; a test reads them all.
    FILES.iter().flat_map(|(name, text)| read(&Source::new(*name, *text)).unwrap_or_default()).collect()
});

/// One way to refuse.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a dialect")]
pub struct Dialect {
    /// What it is called where limits and rules are written.
    #[serde(skip_deserializing)]
    pub name: String,
    /// One line about it.
    pub about: String,
    /// Where it is known from, with evidence marks; `[U]` marks what is not verified.
    pub source: String,
    /// The status.
    pub status: u16,
    /// The headers beside `Date` and `Content-Length`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// Whether the body is the whole answer, its status line included, which goes out byte by byte before the connection is
    /// closed.
    #[serde(default)]
    pub raw: bool,
    /// The dialect in its place where a value of its body is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
    /// The values that stand in for facts that are not known.
    #[serde(default)]
    pub assumed: Assumed,
}

/// The values that stand in for [`Facts`] that are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Assumed {
    /// How much is allowed.
    pub limit: Option<PullLimit>,
    /// Until it would be let through.
    #[serde(with = "crate::duration::optional")]
    pub retry_after: Option<Duration>,
}

/// What is known about a refusal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The account that was refused.
    pub account: Option<String>,
    /// The id of the token that it showed.
    pub token_id: Option<String>,
    /// Until it would be let through.
    pub retry_after: Option<Duration>,
    /// How much is allowed in which window.
    pub limit: Option<(u64, Duration)>,
    /// The limit's name.
    pub name: Option<String>,
    /// The present.
    pub now: Timestamp,
}

/// A refusal as it goes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Composed {
    /// The status.
    pub status: u16,
    /// The headers beside `Date` and `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body; or, if it is `raw`, the whole answer.
    pub body: Bytes,
    /// Whether the body is the whole answer.
    pub raw: bool,
}

/// The dialect called `name`.
pub fn find(name: &str) -> Option<&'static Dialect> {
    DIALECTS.get(name)
}

/// The names of all dialects, sorted.
pub fn names() -> Vec<&'static str> {
    DIALECTS.keys().map(String::as_str).collect()
}

/// The name of the dialect that was probably meant by `name`.
pub fn closest(name: &str) -> Option<&'static str> {
    yaml::closest(name, &names())
}

fn read(source: &Source) -> Result<BTreeMap<String, Dialect>, Vec<crate::diagnostic::Diagnostic>> {
    let dialects: BTreeMap<String, Dialect> = yaml::from_str(source)?;
    Ok(dialects.into_iter().map(|(name, dialect)| (name.clone(), Dialect { name, ..dialect })).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_can_be_read() {
        let mut n_read = 0;
        for (name, text) in FILES {
            match read(&Source::new(name, text)) {
                Ok(dialects) => n_read += dialects.len(),
                Err(complaints) => {
                    panic!("{}", complaints.iter().map(|complaint| complaint.render(false)).collect::<String>())
                }
            }
        }
        assert_eq!(n_read, names().len(), "two dialects have one name");
    }

    #[test]
    fn every_dialect_tells_its_source_and_mark() {
        for dialect in DIALECTS.values() {
            assert!(!dialect.about.is_empty(), "{}", dialect.name);
            let marks = ["[S]", "[D]", "[W]", "[I]", "[F]", "[U]"];
            assert!(marks.iter().any(|mark| dialect.source.contains(mark)), "{}: {}", dialect.name, dialect.source);
            assert!((200..600).contains(&dialect.status), "{}", dialect.name);
            assert!(dialect.otherwise.iter().all(|name| find(name).is_some_and(|other| other.otherwise.is_none())));
        }
    }

    #[test]
    fn names_that_are_nearly_right_are_known() {
        assert_eq!(closest("dockerhub-anonymus"), Some("dockerhub-anonymous"));
        assert_eq!(closest("quai"), Some("quay"));
        assert_eq!(closest("something-else"), None);
    }
}
