//! How each value of a preset is known: where it was seen, with an evidence mark.
//!
//! A value is named by the path of its key: `hosts`, `token.fields`. What is said of a path holds for everything below it
//! that has no source of its own.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// How a value is known.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a source")]
pub struct Evidence {
    /// Where it was seen: a page, a source file, a thread.
    pub from: String,
    /// How good that is.
    pub mark: Mark,
    /// With [`Mark::U`]: what is assumed, and why. The key that has the source is the one to change it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumes: Option<String>,
}

/// How good a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Mark {
    /// Read in source code.
    S,
    /// Documented.
    D,
    /// Seen on the wire, in a dump or a log.
    W,
    /// Said in an issue or a pull request.
    I,
    /// Seen only as a fixture in tests of others.
    F,
    /// Not verified: an assumption.
    U,
}

impl Mark {
    /// What it stands for.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::S => "read in source code",
            Self::D => "documented",
            Self::W => "seen on the wire",
            Self::I => "said in an issue",
            Self::F => "a fixture of other tests",
            Self::U => "not verified",
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The source of the value at `path`: its own, or that of the nearest path above it.
pub fn source_of<'a>(sources: &'a BTreeMap<String, Evidence>, path: &str) -> Option<&'a Evidence> {
    let mut path = path;
    loop {
        if let Some(evidence) = sources.get(path) {
            return Some(evidence);
        }
        path = path.rsplit_once('.')?.0;
    }
}

/// Whether what is said of `above` holds for `path`.
pub fn covers(above: &str, path: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_holds_for_what_is_below_its_path() {
        let evidence = |from: &str| Evidence { from: from.into(), mark: Mark::D, assumes: None };
        let sources = BTreeMap::from([
            (String::from("limits"), evidence("all")),
            (String::from("limits.pulls"), evidence("one")),
        ]);
        let from = |path| source_of(&sources, path).map(|evidence| evidence.from.as_str());
        assert_eq!(from("limits.pulls.allow"), Some("one"));
        assert_eq!(from("limits.pulls-2.allow"), Some("all"));
        assert_eq!(from("hosts"), None);
        assert!(covers("limits", "limits.a") && covers("a", "a") && !covers("limit", "limits"));
    }
}
