//! How each value of a preset is known: where it was seen, with an evidence mark.
//!
//! A value is named by the path of its key: `hosts`, `token.fields`, `limits.anonymous.allow` (a limit by its name).
//! What is said of a path holds for everything below it that has no source of its own.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use testbed::yaml::{Node, NodeValue};

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

/// The keys that say nothing about a registry.
const NO_VALUES: [&str; 3] = ["about", "base", "sources"];

/// The paths of all values in the tree of a preset's file.
pub(super) fn value_paths(root: &Node) -> Vec<String> {
    let mut paths = Vec::new();
    let NodeValue::Mapping(entries) = &root.value else { return paths };
    for (key, value) in entries.iter() {
        let Some(key) = key.scalar_text().filter(|key| !NO_VALUES.contains(key)) else { continue };
        match &value.value {
            NodeValue::Sequence(limits) if key == "limits" => {
                for limit in limits.iter() {
                    let name = limit.get("name").and_then(Node::scalar_text).unwrap_or_default();
                    paths.extend(keys_of(limit).filter(|key| *key != "name").map(|key| format!("limits.{name}.{key}")));
                }
            }
            NodeValue::Mapping(_) => paths.extend(keys_of(value).map(|below| format!("{key}.{below}"))),
            _ => paths.push(key.to_owned()),
        }
    }
    paths
}

fn keys_of(node: &Node) -> impl Iterator<Item = &str> {
    let entries = match &node.value {
        NodeValue::Mapping(entries) => &entries[..],
        _ => &[],
    };
    entries.iter().filter_map(|(key, _)| key.scalar_text())
}

/// The source of the value at `path`: its own, or that of the nearest path above it.
pub(super) fn source_of<'a>(sources: &'a BTreeMap<String, Evidence>, path: &str) -> Option<&'a Evidence> {
    let mut path = path;
    loop {
        if let Some(evidence) = sources.get(path) {
            return Some(evidence);
        }
        path = path.rsplit_once('.')?.0;
    }
}

/// Whether what is said of `above` holds for `path`.
pub(super) fn covers(above: &str, path: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use testbed::{diagnostic::Source, yaml};

    use super::*;

    #[test]
    fn values_are_named_by_the_paths_of_their_keys() {
        let text = "about: x\nhosts: [a.test, b.test]\ntoken: { fields: [token], unbound: true }\n\
                    limits: [{ name: pulls, counts: { any: any }, allow: 1/s }]\nsources: { hosts: { from: x, mark: D } }\n";
        let tree = yaml::parse(&Source::new("x.yaml", text)).unwrap();
        assert_eq!(
            value_paths(&tree),
            ["hosts", "token.fields", "token.unbound", "limits.pulls.counts", "limits.pulls.allow"]
        );
    }

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
