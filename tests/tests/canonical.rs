//! The canonical journal: the same seed gives the same bytes, and another seed gives others.

use std::fs;

use tests::program::{finish, pullrig};

/// Scenarios in which layers are pulled at the same time, steps run in parallel, limits are shared, tokens are made, blobs
/// are resumed, and pipelines are executed.
const SCENARIOS: &[&str] = &[
    "scenarios/limits/fleet.yaml",
    "scenarios/limits/account-quota.yaml",
    "scenarios/pulls/cut-and-resumed.yaml",
    "scenarios/pulls/multi-platform.yaml",
    "scenarios/pulls/outage.yaml",
    "scenarios/pulls/second-host.yaml",
    "scenarios/pulls/push-then-pull.yaml",
    "scenarios/connectors/step-connector.yaml",
    "tests/canonical/parallel.yaml",
];

/// What `pullrig run --report journal=` writes.
fn journal(seed: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.jsonl");
    let mut command = pullrig();
    command.args(["run", "--seed", seed, "--report"]).arg(format!("journal={}", file.display())).args(SCENARIOS);
    let output = finish(&mut command);
    assert_eq!(output.status, 0, "{}", output.stderr);
    fs::read_to_string(file).unwrap()
}

/// The entries of each scenario, without the lines that name it.
fn entries(journal: &str) -> Vec<Vec<&str>> {
    let mut scenarios = Vec::new();
    for line in journal.lines() {
        match line.starts_with("{\"scenario\":") {
            true => scenarios.push(Vec::new()),
            false => scenarios.last_mut().expect("a scenario comes before its entries").push(line),
        }
    }
    scenarios
}

#[test]
fn the_same_seed_gives_the_same_bytes_however_often() {
    let once = journal("11");
    for _ in 0..3 {
        let again = journal("11");
        let differing = once.lines().zip(again.lines()).find(|(once, again)| once != again);
        assert_eq!(differing, None);
        assert_eq!(once, again);
    }
}

#[test]
fn another_seed_gives_another_journal_of_every_scenario() {
    let (once, other) = (journal("11"), journal("12"));
    let (once, other) = (entries(&once), entries(&other));
    assert_eq!((once.len(), other.len()), (SCENARIOS.len(), SCENARIOS.len()));
    for ((once, other), name) in once.iter().zip(&other).zip(SCENARIOS) {
        assert_ne!(once, other, "{name}");
    }
}

#[test]
fn a_journal_is_read_back_as_it_was_written() {
    let journal = journal("11");
    for lines in entries(&journal) {
        let read = testbed::journal::read_canonical(&lines.join("\n")).unwrap();
        let again: Vec<_> = testbed::journal::canonical(&read).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(again, lines);
    }
}
