//! The report for people: a line for each scenario as it ends, then what failed, then a summary.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Complaint, complaints};
use crate::{
    outcome::{ScenarioOutcome, SuiteOutcome, Verdict},
    suite::{Reporter, SuiteEvent},
};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// Shows a suite on standard error: a bar while it runs if that is a terminal, and lines that stay.
pub struct Terminal {
    bar: ProgressBar,
    is_quiet: bool,
    /// What is under way: file and step, by the scenario's place.
    running: Mutex<BTreeMap<usize, (String, String)>>,
}

impl Terminal {
    /// With a bar if `shows_progress`; without a line for each scenario that passed if `is_quiet`.
    pub fn new(shows_progress: bool, is_quiet: bool) -> Self {
        let bar = if shows_progress { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("     {spinner} {pos}/{len} [{elapsed_precise}] {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, is_quiet, running: Mutex::default() }
    }

    /// Tells what failed, in full, and sums up.
    pub fn finish(&self, outcome: &SuiteOutcome) {
        self.bar.finish_and_clear();
        self.say(&told(outcome));
    }

    fn say(&self, text: &str) {
        // Standard error that is closed leaves nobody to tell.
        self.bar.suspend(|| drop(anstream::stderr().write_all(text.as_bytes())));
    }

    fn show_running(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let told: Vec<_> = running.values().map(|(file, step)| format!("{file} {step}")).collect();
        self.bar.set_message(told.join(", "));
    }
}

impl Reporter for Terminal {
    fn event(&self, event: SuiteEvent) {
        match event {
            SuiteEvent::Started { n_scenarios, options } => {
                self.bar.set_length(n_scenarios as u64);
                self.say(&format!(
                    "{STRONG}{:>12}{STRONG:#} {}, {} at a time, seed {}\n",
                    "Running",
                    counted(n_scenarios, "scenario"),
                    options.jobs,
                    options.seed
                ));
            }
            SuiteEvent::ScenarioStarted { index, file } => {
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                running.insert(index, (file, String::new()));
                drop(running);
                self.show_running();
            }
            SuiteEvent::StepStarted { index, step } => {
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((_, current)) = running.get_mut(&index) {
                    *current = step;
                }
                drop(running);
                self.show_running();
            }
            SuiteEvent::ScenarioFinished { index, outcome } => {
                self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&index);
                self.bar.inc(1);
                if !self.is_quiet || !outcome.passed() {
                    self.say(&line(&outcome));
                }
                self.show_running();
            }
        }
    }
}

/// What failed, in full, and the summary.
pub(super) fn told(outcome: &SuiteOutcome) -> String {
    let failed = outcome.scenarios.iter().filter(|scenario| !scenario.passed());
    let mut text: String = failed.map(|scenario| failure(scenario)).collect();
    text.push_str(&summary(outcome));
    text
}

/// One scenario on one line, and a warning for each rule of it that never applied.
fn line(outcome: &ScenarioOutcome) -> String {
    let (style, word) = word(&outcome.verdict);
    let elapsed = seconds(outcome.elapsed);
    let mut text = format!("{style}{word:>12}{style:#} [{elapsed}] {}  {DIM}{}{DIM:#}\n", outcome.file, outcome.title);
    for (registry, rule) in &outcome.idle_rules {
        let _ = write!(text, "{ODD}{:>12}{ODD:#} the rule `{}` of {registry} never applied", "warning", rule.name);
        if rule.n_matched > 0 {
            let _ = write!(text, "; it was about {}", counted(rule.n_matched, "exchange"));
        }
        if let Some(near_miss) = &rule.near_miss {
            let _ = write!(text, "; the nearest one: {near_miss}");
        }
        text.push('\n');
    }
    text
}

fn word(verdict: &Verdict) -> (Style, &'static str) {
    match verdict {
        Verdict::Passed => (GOOD, "PASS"),
        Verdict::Failed => (BAD, "FAIL"),
        Verdict::Broken(_) => (BAD, "BROKEN"),
        Verdict::TimedOut(_) => (BAD, "TIMEOUT"),
    }
}

/// A scenario that did not pass: each complaint with its place, the journal around it, and how to see it again.
fn failure(outcome: &ScenarioOutcome) -> String {
    let (style, word) = word(&outcome.verdict);
    let mut text = format!("\n{style}{word:>12}{style:#} {}: {}\n\n", outcome.file, outcome.title);
    for Complaint { diagnostic, around } in complaints(outcome) {
        let _ = writeln!(text, "{}", diagnostic.render(true));
        if !around.is_empty() {
            let _ = writeln!(text, "  {STRONG}the journal around it{STRONG:#}");
            for entry in around {
                let _ = writeln!(text, "    {DIM}{entry}{DIM:#}");
            }
        }
        text.push('\n');
    }
    let _ = writeln!(text, "  {DIM}again:{DIM:#} pullrig run {} --seed {}", outcome.file, outcome.seed);
    text
}

fn summary(outcome: &SuiteOutcome) -> String {
    let n_passed = outcome.n_passed();
    let n_failed = outcome.scenarios.len() - n_passed;
    let n_left = outcome.n_planned - outcome.scenarios.len();
    let tally = outcome.tally();
    let style = if n_failed == 0 && n_left == 0 { GOOD } else { BAD };
    let mut text = format!(
        "{DIM}{:->12}{DIM:#}\n{style}{:>12}{style:#} [{}] {}: {GOOD}{n_passed} passed{GOOD:#}, ",
        "",
        "Summary",
        seconds(outcome.elapsed),
        counted(outcome.n_planned, "scenario"),
    );
    let bad = if n_failed == 0 { Style::new() } else { BAD };
    let _ = write!(text, "{bad}{n_failed} failed{bad:#}");
    if n_left > 0 {
        let why = if outcome.interrupted { "interrupted" } else { "not run after the first failure" };
        let _ = write!(text, ", {ODD}{n_left} {why}{ODD:#}");
    }
    let policy_time = Duration::from_secs(tally.policy_time_ms / 1000);
    let _ = writeln!(
        text,
        "\n{:>12} {}, {} refused by limits, {}, {} of policy time",
        "",
        counted(tally.n_pulls, "pull"),
        tally.n_refused,
        counted(tally.n_requests, "request"),
        testbed::duration::print(policy_time),
    );
    text
}

fn seconds(elapsed: Duration) -> String {
    format!("{:>7.3}s", elapsed.as_secs_f64())
}

fn counted(n: impl TryInto<u64>, noun: &str) -> String {
    match n.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}
