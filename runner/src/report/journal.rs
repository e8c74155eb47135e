//! The canonical journal: JSON lines, one for each scenario that tells which, and one for each entry of its journal.
//!
//! Two runs with the same seed differ in no byte, so a difference between two versions of a client, or of pullrig, is seen
//! with `diff`.

use serde::Serialize;
use testbed::journal::canonical;

use crate::outcome::SuiteOutcome;

/// What stands above the entries of one scenario.
#[derive(Serialize)]
struct Head<'a> {
    scenario: &'a str,
    title: &'a str,
    seed: u64,
    n_entries: usize,
    /// Entries that no longer fitted; the first that are told come after them.
    #[serde(skip_serializing_if = "Option::is_none")]
    n_dropped: Option<u64>,
}

/// The report, each line with a newline at its end.
pub(super) fn render(outcome: &SuiteOutcome) -> serde_json::Result<String> {
    let mut text = String::new();
    for scenario in &outcome.scenarios {
        let lines = canonical(&scenario.journal)?;
        let head = Head {
            scenario: &scenario.file,
            title: &scenario.title,
            seed: scenario.seed.0,
            n_entries: lines.len(),
            n_dropped: Some(scenario.n_dropped).filter(|n_dropped| *n_dropped > 0),
        };
        text.push_str(&serde_json::to_string(&head)?);
        text.push('\n');
        for line in lines {
            text.push_str(&line.to_string());
            text.push('\n');
        }
    }
    Ok(text)
}
