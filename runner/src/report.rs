//! Reports: each a function of the outcome, and one file.

mod journal;
mod json;
mod junit;
mod terminal;
mod verdicts;

use std::{fmt, path::PathBuf, str::FromStr};

pub use terminal::Terminal;
pub use verdicts::verdicts;

use crate::outcome::{Check, ScenarioOutcome, SuiteOutcome, Verdict};
use testbed::{
    diagnostic::{Diagnostic, Severity},
    journal::Entry,
};

/// A report that was asked for: `junit=report.xml`. The path `-` is standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRequest {
    /// What kind.
    pub kind: ReportKind,
    /// Where to.
    pub path: PathBuf,
}

/// The kinds of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// JUnit XML: a suite for each folder, a case for each scenario.
    Junit,
    /// JSON: everything, the journal included.
    Json,
    /// JSON lines: the canonical journal of each scenario, which the same seed repeats to the byte.
    Journal,
}

impl ReportRequest {
    /// The report's text.
    ///
    /// # Errors
    /// The outcome cannot be told in this form.
    pub fn render(&self, outcome: &SuiteOutcome) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        match self.kind {
            ReportKind::Junit => Ok(junit::render(outcome)?),
            ReportKind::Json => Ok(json::render(outcome)?),
            ReportKind::Journal => Ok(journal::render(outcome)?),
        }
    }
}

impl FromStr for ReportRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let help = || {
            format!(
                "`{text}` is no report; write `junit=FILE`, `json=FILE` or `journal=FILE`, with `-` for standard output"
            )
        };
        let (kind, path) = text.split_once('=').ok_or_else(help)?;
        let kind = match kind {
            "junit" => ReportKind::Junit,
            "json" => ReportKind::Json,
            "journal" => ReportKind::Journal,
            _ => return Err(help()),
        };
        if path.is_empty() {
            return Err(help());
        }
        Ok(Self { kind, path: PathBuf::from(path) })
    }
}

impl fmt::Display for ReportRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ReportKind::Junit => "junit",
            ReportKind::Json => "json",
            ReportKind::Journal => "journal",
        };
        write!(f, "{kind}={}", self.path.display())
    }
}

/// Something that a scenario that did not pass has to say, and the journal around it.
pub(crate) struct Complaint<'a> {
    /// What, with its place in the file.
    pub(crate) diagnostic: Diagnostic,
    /// The journal around it, oldest first.
    pub(crate) around: Vec<&'a Entry>,
}

/// What a scenario has to say for itself if it did not pass: its false checks, and what else went wrong.
pub(crate) fn complaints(outcome: &ScenarioOutcome) -> Vec<Complaint<'_>> {
    let false_checks = outcome
        .failed_checks()
        .map(|check| Complaint { diagnostic: false_check(outcome, check), around: outcome.around(check) });
    let mut complaints: Vec<_> = false_checks.collect();
    match &outcome.verdict {
        Verdict::Passed | Verdict::Failed => {}
        Verdict::Broken(broken) => {
            let message = broken.message.as_str();
            let diagnostic = match broken.span {
                Some(span) => {
                    Diagnostic::at(&outcome.source, span, message).label("this step could not be carried out")
                }
                None => Diagnostic::about(&outcome.source, message),
            };
            complaints.push(Complaint { diagnostic, around: outcome.around_broken(broken) });
        }
        Verdict::TimedOut(after) => {
            let message = format!("not done after {} of wire time", testbed::duration::print(*after));
            let last = outcome.journal.last().map(|entry| format!("the last thing that happened: {entry}"));
            let mut diagnostic = Diagnostic::about(&outcome.source, message).hint("give it more with `--timeout`");
            diagnostic.notes.extend(last);
            complaints.push(Complaint { diagnostic, around: Vec::new() });
        }
    }
    complaints
}

fn false_check(outcome: &ScenarioOutcome, check: &Check) -> Diagnostic {
    Diagnostic::at(
        &outcome.source,
        check.span,
        format!("{}: expected {}, saw {}", check.what, check.expected, check.seen),
    )
    .severity(Severity::Failure)
    .label(format!("expected {}", check.expected))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use testbed::{
        Clock, Event, Journal, Seed,
        diagnostic::{Source, Span},
        journal::{PullStarted, StepStarted},
    };

    use super::*;
    use crate::outcome::{Broken, Tally};

    const TEXT: &str = "scenario: Shows something\nsteps: []\nexpect:\n  hub: { pulls: 3 }\n";

    fn scenario(file: &str, verdict: Verdict) -> ScenarioOutcome {
        let journal = Journal::new(&Clock::starting_at(Clock::DEFAULT_START));
        journal.record(Event::StepStarted(StepStarted {
            step: String::from("1"),
            kind: String::from("pull"),
            line: 2,
        }));
        let pull = PullStarted { from: String::from("client"), image: String::from("alpine:3"), account: None };
        journal.record(Event::PullStarted(pull));
        let at = TEXT.find('3').unwrap();
        let check = Check {
            what: String::from("pulls answered by hub"),
            expected: String::from("3"),
            seen: String::from("2"),
            passed: !matches!(verdict, Verdict::Failed),
            span: Span::new(at, at + 1),
            entries: (1, 2),
            actor: None,
        };
        ScenarioOutcome {
            file: String::from(file),
            title: String::from("Shows something"),
            seed: Seed(7),
            verdict,
            source: Source::new(file, TEXT),
            checks: vec![check],
            n_steps: 1,
            journal: journal.entries(),
            n_dropped: 0,
            idle_rules: Vec::new(),
            tally: Tally { n_pulls: 2, n_refused: 1, n_requests: 9, policy_time_ms: 21_600_000 },
            elapsed: Duration::from_millis(12),
        }
    }

    fn suite() -> SuiteOutcome {
        let step = TEXT.find("[]").unwrap();
        let broken = Broken {
            message: String::from("no route to host"),
            span: Some(Span::new(step, step + 2)),
            entries: (0, 1),
        };
        let scenarios = vec![
            scenario("scenarios/a/good.yaml", Verdict::Passed),
            scenario("scenarios/a/false.yaml", Verdict::Failed),
            scenario("scenarios/b/broken.yaml", Verdict::Broken(broken)),
            scenario("scenarios/b/slow.yaml", Verdict::TimedOut(Duration::from_secs(60))),
        ];
        SuiteOutcome {
            scenarios: scenarios.into_iter().map(Arc::new).collect(),
            n_planned: 5,
            seed: Seed(7),
            elapsed: Duration::from_millis(40),
            interrupted: true,
        }
    }

    #[test]
    fn the_terminal_tells_what_failed_and_where() {
        let told = terminal::told(&suite());
        insta::assert_snapshot!(anstream::adapter::strip_str(&told));
    }

    #[test]
    fn junit_keeps_failures_and_errors_apart() {
        let xml = "junit=x.xml".parse::<ReportRequest>().unwrap().render(&suite()).unwrap();
        let xml = xml.lines().filter(|line| !line.contains("<testsuites")).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(xml);
    }

    #[test]
    fn json_holds_everything() {
        let json = "json=-".parse::<ReportRequest>().unwrap().render(&suite()).unwrap();
        insta::assert_snapshot!(json);
    }

    #[test]
    fn a_report_that_does_not_exist_is_refused() {
        for text in ["junit", "html=x", "junit="] {
            assert!(text.parse::<ReportRequest>().unwrap_err().contains("write `junit=FILE`"), "{text}");
        }
    }
}
