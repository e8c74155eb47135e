//! The JUnit report, in the dialect that Jenkins and its successors read.
//!
//! A suite for each folder, a case for each scenario. A false check is a `<failure>`; a world that could not be built, a
//! step that could not be carried out and a timeout are an `<error>`.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::complaints;
use crate::outcome::{ScenarioOutcome, SuiteOutcome, Verdict};

/// The report.
pub(super) fn render(outcome: &SuiteOutcome) -> Result<String, SerializeError> {
    let mut suites = BTreeMap::<&str, TestSuite>::new();
    for scenario in &outcome.scenarios {
        let (folder, _) = scenario.file.rsplit_once('/').unwrap_or((".", &scenario.file));
        suites.entry(folder).or_insert_with(|| TestSuite::new(folder)).add_test_case(case(scenario, folder));
    }
    let mut report = Report::new("pullrig");
    report.set_time(outcome.elapsed);
    report.add_test_suites(suites.into_values());
    report.to_string()
}

fn case(scenario: &ScenarioOutcome, folder: &str) -> TestCase {
    let complaints = complaints(scenario);
    let status = match &scenario.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        verdict => {
            let kind = if matches!(verdict, Verdict::Failed) { NonSuccessKind::Failure } else { NonSuccessKind::Error };
            let mut status = TestCaseStatus::non_success(kind);
            if let Some(first) = complaints.first() {
                status.set_message(first.diagnostic.to_string());
            }
            let mut told = Vec::new();
            for complaint in &complaints {
                told.push(complaint.diagnostic.render(false));
                if !complaint.around.is_empty() {
                    told.push(String::from("the journal around it:"));
                    told.extend(complaint.around.iter().map(ToString::to_string));
                }
            }
            told.push(format!("seed {}", scenario.seed));
            status.set_description(told.join("\n"));
            status
        }
    };
    let mut case = TestCase::new(&scenario.title, status);
    case.set_classname(folder);
    case.set_time(scenario.elapsed);
    case.extra.insert("file".into(), scenario.file.as_str().into());
    case
}
