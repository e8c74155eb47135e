//! From tree to value, in rounds.
//!
//! A derived `Deserialize` consumes its visitor and returns at the first error, so nothing can go on from there. But a
//! type can be asked again: each round leaves out the nodes that have failed, which uncovers the next. Elements and entries
//! are dropped, optional keys are absent, required ones are played by a [stand-in](super::stand_in). A round finds at
//! least one thing to leave out, so a file with n wrong values takes n + 1 rounds; unknown keys need none of their own.
//!
//! What is wrong with a whole because a part was left out is not said: the part has been complained about, and the
//! whole is read again when it is right.

use serde::de::DeserializeOwned;

use super::{
    compose::compose,
    deserializer::NodeDeserializer,
    ledger::Ledger,
    node::{Node, NodeValue},
};
use crate::diagnostic::{Diagnostic, Source};

/// The most rounds, which bounds the time that a wholly wrong file takes.
const MAX_ROUNDS: usize = 200;

/// The most complaints about one file.
const MAX_COMPLAINTS: usize = 1000;

/// Reads a file.
///
/// # Errors
/// Every complaint about the file, those of [`parse`](super::parse) too, in the order of their places.
pub fn from_str<T: DeserializeOwned>(source: &Source) -> Result<T, Vec<Diagnostic>> {
    let (root, mut complaints) = compose(source);
    let Some(root) = root else { return Err(sorted(complaints)) };
    match from_node(source, &root) {
        Ok(value) if complaints.is_empty() => Ok(value),
        Ok(_) => Err(sorted(complaints)),
        Err(more) if root.value == NodeValue::Null && root.scalar_text() == Some("") => {
            complaints.extend(more.into_iter().map(|complaint| complaint.note("nothing is written in the file")));
            Err(sorted(complaints))
        }
        Err(more) => {
            complaints.extend(more);
            Err(sorted(complaints))
        }
    }
}

/// Reads a part of a file.
///
/// # Errors
/// Every complaint about the part, in the order of their places.
pub fn from_node<T: DeserializeOwned>(source: &Source, node: &Node) -> Result<T, Vec<Diagnostic>> {
    let ledger = Ledger::new(source);
    let mut value = None;
    let mut is_cut_short = true;
    for _ in 0..MAX_ROUNDS {
        let before = ledger.progress();
        match T::deserialize(NodeDeserializer::value(node, &ledger)) {
            Ok(read) => {
                value = Some(read);
                is_cut_short = false;
            }
            Err(error) => {
                ledger.settle(node, error);
                is_cut_short = !ledger.is_dropped(node) && ledger.progress() > before;
            }
        }
        if !is_cut_short {
            break;
        }
    }
    let mut complaints = sorted(ledger.into_complaints());
    if is_cut_short && let Some(last) = complaints.last_mut() {
        last.notes.push("there may be more; the file is read no further".to_owned());
    }
    match value {
        Some(value) if complaints.is_empty() => Ok(value),
        _ => Err(complaints),
    }
}

/// In the order of their places, and no more than anyone would read.
pub(super) fn sorted(mut complaints: Vec<Diagnostic>) -> Vec<Diagnostic> {
    complaints.sort_by_key(|complaint| complaint.span);
    let n_more = complaints.len().saturating_sub(MAX_COMPLAINTS);
    complaints.truncate(MAX_COMPLAINTS);
    if let Some(last) = complaints.last_mut().filter(|_| n_more > 0) {
        last.notes.push(format!("{n_more} more are not shown"));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::yaml::Spanned;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Scenario {
        scenario: Spanned<String>,
        #[serde(default)]
        registries: BTreeMap<String, Registry>,
        #[serde(default)]
        steps: Vec<Step>,
        seed: Option<u32>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case", expecting = "a registry")]
    struct Registry {
        preset: String,
        limit: Option<Limit>,
        port: u16,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Step {
        Pull { image: String, count: u32 },
        Advance(Limit),
        Reset,
        Push(Push),
        Pair(u8, u8),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Push {
        image: Limit,
        size: u8,
        force: bool,
    }

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(try_from = "String")]
    struct Limit(String);

    impl TryFrom<String> for Limit {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            if text.contains('/') { Ok(Self(text)) } else { Err(format!("`{text}` is no limit such as `100/6h`")) }
        }
    }

    /// At most one of two keys.
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(try_from = "BTreeMap<String, u8>")]
    struct Few(BTreeMap<String, u8>);

    impl TryFrom<BTreeMap<String, u8>> for Few {
        type Error = String;

        fn try_from(entries: BTreeMap<String, u8>) -> Result<Self, String> {
            if entries.len() == 1 {
                Ok(Self(entries))
            } else {
                Err(format!("expected one entry, found {}", entries.len()))
            }
        }
    }

    fn read<T: DeserializeOwned>(yaml: &str) -> Result<T, Vec<Diagnostic>> {
        from_str(&Source::new("x.yaml", yaml))
    }

    /// The complaints, a line each.
    #[track_caller]
    fn check<T: DeserializeOwned>(yaml: &str, expected: &[&str]) {
        let complaints = read::<T>(yaml).map(|_| Vec::new()).unwrap_or_else(|complaints| complaints);
        let lines: Vec<_> = complaints.iter().map(|complaint| complaint.to_string()).collect();
        assert_eq!(lines, expected);
    }

    #[track_caller]
    fn check_rendered(yaml: &str, expected: &str) {
        let complaints = read::<Scenario>(yaml).unwrap_err();
        let rendered: Vec<_> = complaints.iter().map(|complaint| complaint.render(false)).collect();
        assert_eq!(rendered.join("\n"), expected.trim());
    }

    #[test]
    fn a_right_file_is_read() {
        let yaml = "scenario: é\nregistries:\n  hub: {preset: 3.10, port: 0x10, limit: 1/6h, tags: [1.20, true, null_, '~']}\n\
                    steps:\n- pull: {image: a, count: 2}\n- advance: 1/s\n- reset\n- reset:\n- pair: [1, 2]\n";
        let text = |text: &str| text.to_owned();
        let tags = ["1.20", "true", "null_", "~"].map(text).to_vec();
        let registry = Registry { preset: text("3.10"), limit: Some(Limit(text("1/6h"))), port: 16, tags };
        assert_eq!(
            read::<Scenario>(yaml),
            Ok(Scenario {
                scenario: text("é").into(),
                registries: BTreeMap::from([(text("hub"), registry)]),
                steps: vec![
                    Step::Pull { image: text("a"), count: 2 },
                    Step::Advance(Limit(text("1/s"))),
                    Step::Reset,
                    Step::Reset,
                    Step::Pair(1, 2),
                ],
                seed: None,
            })
        );
    }

    #[test]
    fn all_complaints_come_at_once_and_in_order() {
        check_rendered(
            "scenario: é\nregistries:\n  hub: {preset: é, limitt: 2, port: 70000, tags: b}\nsteps:\n- pul: {}\n- advance: 6\nseed: x\nseed: 1\n",
            "
error: unknown key `limitt` in a registry
 --> x.yaml:3:20
  |
3 |   hub: {preset: é, limitt: 2, port: 70000, tags: b}
  |                    ^^^^^^ did you mean `limit`?
  |
  = help: the keys known here are `preset`, `limit`, `port` and `tags`
error: expected a whole number from 0 to 65535, found 70000
 --> x.yaml:3:37
  |
3 |   hub: {preset: é, limitt: 2, port: 70000, tags: b}
  |                                     ^^^^^
error: expected a list, found text
 --> x.yaml:3:50
  |
3 |   hub: {preset: é, limitt: 2, port: 70000, tags: b}
  |                                                  ^
error: `pul` is not a step
 --> x.yaml:5:3
  |
5 | - pul: {}
  |   ^^^ did you mean `pull`?
  |
  = help: known are `pull`, `advance`, `reset`, `push` and `pair`
error: `6` is no limit such as `100/6h`
 --> x.yaml:6:12
  |
6 | - advance: 6
  |            ^
error: expected a whole number from 0 to 4294967295, found text
 --> x.yaml:7:7
  |
7 | seed: x
  |       ^
error: key `seed` is given twice
 --> x.yaml:8:1
  |
8 | seed: 1
  | ^^^^
  |
  = note: the first `seed` is at line 7",
        );
    }

    #[test]
    fn an_empty_file_lacks_everything() {
        check_rendered(
            "",
            "
error: expected a mapping, found nothing
 --> x.yaml:1:1
  |
1 |
  | ^
  |
  = note: nothing is written in the file",
        );
    }

    #[test]
    fn every_missing_key_is_named() {
        check::<Registry>(
            "{}",
            &["x.yaml:1:1: missing key `preset` in a registry", "x.yaml:1:1: missing key `port` in a registry"],
        );
        check::<BTreeMap<String, Registry>>(
            "a:\n  tags: []\nb:\n  port: 1\n",
            &[
                "x.yaml:2:3: missing key `preset` in a registry",
                "x.yaml:2:3: missing key `port` in a registry",
                "x.yaml:4:3: missing key `preset` in a registry",
            ],
        );
        // Also behind a type that takes no more than its own notation.
        check::<Push>(
            "{}",
            &[
                "x.yaml:1:1: missing key `image` in a push",
                "x.yaml:1:1: missing key `size` in a push",
                "x.yaml:1:1: missing key `force` in a push",
            ],
        );
    }

    #[test]
    fn a_key_that_is_wrong_is_not_missing_too() {
        check::<Registry>(
            "{preset: [], prot: 1}",
            &["x.yaml:1:10: expected text, found a list", "x.yaml:1:14: unknown key `prot` in a registry"],
        );
        check::<Push>(
            "{image: x}",
            &[
                "x.yaml:1:2: missing key `size` in a push",
                "x.yaml:1:2: missing key `force` in a push",
                "x.yaml:1:9: `x` is no limit such as `100/6h`",
            ],
        );
    }

    #[test]
    fn a_whole_is_not_blamed_for_its_parts() {
        check::<Few>(
            "{a: x, b: 1, c: 300}",
            &[
                "x.yaml:1:5: expected a whole number from 0 to 255, found text",
                "x.yaml:1:17: expected a whole number from 0 to 255, found 300",
            ],
        );
        check::<Vec<Few>>(
            "- {a: 1, b: 1}\n- {}\n- {b: 2}\n",
            &["x.yaml:1:3: expected one entry, found 2", "x.yaml:2:3: expected one entry, found 0"],
        );
    }

    #[test]
    fn steps_are_mappings_of_one_key() {
        check::<Vec<Step>>(
            "- pull\n- reset: {}\n- pull: {image: a}\n  push: 3\n- []\n- {}\n-\n- nonsense\n- push: {image: a/b, size: 300, force: yes}\n- pair: [1, x]\n- pair: [1]\n- pair: [1, 2, 3]\n- pull:\n",
            &[
                "x.yaml:1:3: `pull` needs a value",
                "x.yaml:2:10: `reset` takes no value, found a mapping",
                "x.yaml:3:10: missing key `count` in `pull`",
                "x.yaml:4:3: a step has one key, and `push` is another",
                "x.yaml:5:3: expected a step, found a list",
                "x.yaml:6:3: expected a step, found an empty mapping",
                "x.yaml:7:2: expected a step, found nothing",
                "x.yaml:8:3: `nonsense` is not a step",
                "x.yaml:9:28: expected a whole number from 0 to 255, found 300",
                "x.yaml:9:40: expected `true` or `false`, found text",
                "x.yaml:10:13: expected a whole number from 0 to 255, found text",
                "x.yaml:11:9: expected a list of 2, found 1",
                "x.yaml:12:9: expected a list of 2, found 3",
                "x.yaml:13:7: expected a mapping, found nothing",
            ],
        );
    }

    #[test]
    fn keys_are_read_as_their_type() {
        assert_eq!(
            read::<BTreeMap<u16, bool>>("{429: true, 0x10: false}"),
            Ok(BTreeMap::from([(429, true), (16, false)]))
        );
        check::<BTreeMap<u16, bool>>(
            "{x: true, 70000: false, 1: yes}",
            &[
                "x.yaml:1:2: expected a whole number from 0 to 65535, found text",
                "x.yaml:1:11: expected a whole number from 0 to 65535, found 70000",
                "x.yaml:1:28: expected `true` or `false`, found text",
            ],
        );
        check::<BTreeMap<Limit, bool>>("{x: true}", &["x.yaml:1:2: `x` is no limit such as `100/6h`"]);
    }

    #[test]
    fn types_are_told_in_plain_words() {
        check::<String>("[]", &["x.yaml:1:1: expected text, found a list"]);
        check::<String>("~", &["x.yaml:1:1: expected text, found nothing"]);
        check::<bool>("0", &["x.yaml:1:1: expected `true` or `false`, found 0"]);
        check::<char>("ab", &["x.yaml:1:1: expected one character, found `ab`"]);
        check::<i8>("-129", &["x.yaml:1:1: expected a whole number from -128 to 127, found -129"]);
        check::<u64>("-1", &["x.yaml:1:1: expected a whole number, 0 or more, found -1"]);
        check::<std::num::NonZeroU32>("0", &["x.yaml:1:1: expected a whole number from 1 to 4294967295, found 0"]);
        check::<f64>("x", &["x.yaml:1:1: expected a number, found text"]);
        check::<u8>("1.5", &["x.yaml:1:1: expected a whole number from 0 to 255, found 1.5"]);
        check::<Vec<u8>>("{a: 1}", &["x.yaml:1:1: expected a list, found a mapping"]);
        check::<BTreeMap<String, u8>>("[]", &["x.yaml:1:1: expected a mapping, found a list"]);
        check::<(u8, u8)>("[1]", &["x.yaml:1:1: expected a list of 2, found 1"]);
        check::<()>("x", &["x.yaml:1:1: expected nothing, found text"]);
    }

    #[test]
    fn json_values_keep_their_types() {
        let yaml = "a: [1, -2, 1.5, true, ~, '5', x, {1: 2}]\n3: &x {b: 18446744073709551615}\nc: *x\n";
        assert_eq!(
            read::<serde_json::Value>(yaml),
            Ok(serde_json::json!({
                "a": [1, -2, 1.5, true, null, "5", "x", {"1": 2}],
                "3": {"b": u64::MAX},
                "c": {"b": u64::MAX},
            }))
        );
    }

    #[test]
    fn what_an_alias_repeats_is_complained_about_once() {
        check::<BTreeMap<String, Vec<u8>>>(
            "a: &a [x, 1]\nb: *a\nc: &c x\nd: *c\n",
            &[
                "x.yaml:1:8: expected a whole number from 0 to 255, found text",
                "x.yaml:3:7: expected a list, found text",
                "x.yaml:4:4: expected a list, found text",
            ],
        );
    }

    #[test]
    fn a_wholly_wrong_file_has_an_end() {
        let complaints = read::<Vec<u8>>(&"- x\n".repeat(50_000)).unwrap_err();
        assert_eq!(complaints.len(), MAX_ROUNDS);
        assert_eq!(complaints.last().unwrap().notes, ["there may be more; the file is read no further"]);
        let complaints = read::<Registry>(&(0..1500).map(|n| format!("k{n}: 1\n")).collect::<String>()).unwrap_err();
        assert_eq!(complaints.len(), MAX_COMPLAINTS);
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_read_back(
            numbers in proptest::collection::vec(any::<i64>(), 0..4),
            texts in proptest::collection::btree_map(".{0,8}", any::<Option<bool>>(), 0..4),
        ) {
            let value = serde_json::json!({ "numbers": numbers, "texts": texts });
            prop_assert_eq!(read::<serde_json::Value>(&value.to_string()), Ok(value));
        }

        #[test]
        fn no_mapping_makes_a_panic(yaml in "(registries: |steps: |\n- |\n  |hub: |pull: |preset: |port: |image: |[0-9a]|[\\[\\]{},~ ]){0,16}") {
            if let Err(complaints) = read::<Scenario>(&yaml) {
                prop_assert!(!complaints.is_empty());
            }
        }
    }
}
