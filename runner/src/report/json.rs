//! The JSON report: everything that a run found out.

use std::sync::Arc;

use serde::Serialize;
use testbed::{diagnostic::Diagnostic, journal::Entry, rule::RuleUse};

use super::complaints;
use crate::outcome::{Check, ScenarioOutcome, SuiteOutcome, Tally, Verdict};

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    seed: u64,
    elapsed_ms: u128,
    interrupted: bool,
    n_planned: usize,
    n_passed: usize,
    n_failed: usize,
    tally: Tally,
    scenarios: Vec<Scenario<'a>>,
}

#[derive(Serialize)]
struct Scenario<'a> {
    file: &'a str,
    title: &'a str,
    seed: u64,
    verdict: &'static str,
    elapsed_ms: u128,
    n_steps: usize,
    tally: Tally,
    checks: Vec<CheckRow<'a>>,
    complaints: Vec<Diagnostic>,
    idle_rules: &'a [(String, RuleUse)],
    /// Entries of the journal that no longer fitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    n_dropped: Option<u64>,
    journal: &'a [Arc<Entry>],
}

#[derive(Serialize)]
struct CheckRow<'a> {
    what: &'a str,
    expected: &'a str,
    seen: &'a str,
    passed: bool,
    line: usize,
    column: usize,
}

/// The version of the report's form. It grows when a field goes away or changes its meaning.
const VERSION: u32 = 1;

/// The report, with a newline at its end.
pub(super) fn render(outcome: &SuiteOutcome) -> serde_json::Result<String> {
    let n_passed = outcome.n_passed();
    let report = Report {
        version: VERSION,
        seed: outcome.seed.0,
        elapsed_ms: outcome.elapsed.as_millis(),
        interrupted: outcome.interrupted,
        n_planned: outcome.n_planned,
        n_passed,
        n_failed: outcome.scenarios.len() - n_passed,
        tally: outcome.tally(),
        scenarios: outcome.scenarios.iter().map(|scenario| row(scenario)).collect(),
    };
    let mut text = serde_json::to_string_pretty(&report)?;
    text.push('\n');
    Ok(text)
}

fn row(outcome: &ScenarioOutcome) -> Scenario<'_> {
    let verdict = match &outcome.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Broken(_) => "broken",
        Verdict::TimedOut(_) => "timed-out",
    };
    Scenario {
        file: &outcome.file,
        title: &outcome.title,
        seed: outcome.seed.0,
        verdict,
        elapsed_ms: outcome.elapsed.as_millis(),
        n_steps: outcome.n_steps,
        tally: outcome.tally,
        checks: outcome.checks.iter().map(|check| check_row(outcome, check)).collect(),
        complaints: complaints(outcome).into_iter().map(|complaint| complaint.diagnostic).collect(),
        idle_rules: &outcome.idle_rules,
        n_dropped: Some(outcome.n_dropped).filter(|n_dropped| *n_dropped > 0),
        journal: &outcome.journal,
    }
}

fn check_row<'a>(outcome: &ScenarioOutcome, check: &'a Check) -> CheckRow<'a> {
    let (line, column) = outcome.source.line_col(check.span.start);
    CheckRow { what: &check.what, expected: &check.expected, seen: &check.seen, passed: check.passed, line, column }
}
