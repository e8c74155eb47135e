//! The values of a preset, by the paths of their keys: `hosts`, `token.fields`, `limits.anonymous.allow` (a limit by its
//! name).

use testbed::yaml::{Node, NodeValue};

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
}
