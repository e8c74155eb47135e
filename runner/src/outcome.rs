//! What a run found out: plain data, of which every report is a function.
//!
//! Three families are kept apart. The user's file is wrong: that is found before anything is started, and never gets
//! here. The world could not be built or a step could not be carried out: [`Verdict::Broken`]. A check is false:
//! [`Verdict::Failed`].

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use testbed::{
    Seed,
    diagnostic::{Source, Span},
    journal::{Entry, Event},
    rule::RuleUse,
};

/// An expectation that was evaluated.
#[derive(Clone, Debug)]
pub struct Check {
    /// What was looked at: `pulls counted by hub`.
    pub what: String,
    /// What it had to be.
    pub expected: String,
    /// What it was.
    pub seen: String,
    /// Whether it was as expected.
    pub passed: bool,
    /// The place of the expectation in the scenario file.
    pub span: Span,
    /// The journal's entries that it was made from: numbers after the first, up to the second.
    pub entries: (u64, u64),
    /// The actor whose exchanges it is about, if it is about one's only.
    pub actor: Option<String>,
}

/// How one scenario went.
#[derive(Clone, Debug)]
pub struct ScenarioOutcome {
    /// The file, as it was named.
    pub file: String,
    /// The scenario's sentence.
    pub title: String,
    /// The seed that it ran with.
    pub seed: Seed,
    /// How it ended.
    pub verdict: Verdict,
    /// The scenario's text, for places in it.
    pub source: Source,
    /// All checks, in order.
    pub checks: Vec<Check>,
    /// Steps that were carried out.
    pub n_steps: usize,
    /// The world's journal.
    pub journal: Vec<Arc<Entry>>,
    /// Entries of it that no longer fitted: the oldest.
    pub n_dropped: u64,
    /// Rules that never applied, with the registry's name, or `harness-api`.
    pub idle_rules: Vec<(String, RuleUse)>,
    /// Numbers for the summary.
    pub tally: Tally,
    /// Wire time.
    pub elapsed: Duration,
}

/// How a scenario ended.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Every check was true.
    Passed,
    /// Some check was false.
    Failed,
    /// The world could not be built, or a step could not be carried out.
    Broken(Broken),
    /// It took longer than allowed, in wire time.
    TimedOut(Duration),
}

/// What could not be done.
#[derive(Clone, Debug)]
pub struct Broken {
    /// What, with the causes.
    pub message: String,
    /// Where in the scenario file, if it was a step.
    pub span: Option<Span>,
    /// The journal's entries of that step: numbers after the first, up to the second.
    pub entries: (u64, u64),
}

/// Numbers of one scenario, or of a suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Manifest GETs that were answered with the manifest.
    pub n_pulls: u64,
    /// Manifest GETs that a limit refused.
    pub n_refused: u64,
    /// Requests to registries and to the Harness API.
    pub n_requests: u64,
    /// How far the clocks moved, in milliseconds.
    pub policy_time_ms: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.n_pulls += other.n_pulls;
        self.n_refused += other.n_refused;
        self.n_requests += other.n_requests;
        self.policy_time_ms += other.policy_time_ms;
    }
}

impl ScenarioOutcome {
    /// The checks that were false.
    pub fn failed_checks(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.passed)
    }

    /// Whether all is well.
    pub fn passed(&self) -> bool {
        matches!(self.verdict, Verdict::Passed)
    }

    /// The journal's entries around a check, oldest first: those that it was made from, the newest [`AROUND`] of them.
    pub fn around(&self, check: &Check) -> Vec<&Entry> {
        self.newest(check.entries, check.actor.as_deref())
    }

    /// The same around a step that could not be carried out.
    pub fn around_broken(&self, broken: &Broken) -> Vec<&Entry> {
        self.newest(broken.entries, None)
    }

    fn newest(&self, (after, up_to): (u64, u64), actor: Option<&str>) -> Vec<&Entry> {
        let is_about = |entry: &Entry| match (actor, &entry.event) {
            (Some(actor), Event::Exchange(exchange)) => *exchange.actor == *actor,
            (Some(_), Event::ClockMoved(_) | Event::StepStarted(_)) | (None, _) => true,
            (Some(_), _) => false,
        };
        let made_from =
            self.journal.iter().map(|entry| &**entry).filter(|entry| after < entry.seq && entry.seq <= up_to);
        let mut newest: Vec<_> = made_from.rev().filter(|entry| is_about(entry)).take(AROUND).collect();
        newest.reverse();
        newest
    }
}

/// How many entries of the journal are shown around a failed check.
pub const AROUND: usize = 12;

/// How a whole run went.
#[derive(Clone, Debug)]
pub struct SuiteOutcome {
    /// The scenarios, in the order of their files.
    pub scenarios: Vec<Arc<ScenarioOutcome>>,
    /// How many there would have been; fewer were run if it was interrupted, or stopped at the first failure.
    pub n_planned: usize,
    /// The seed of the run.
    pub seed: Seed,
    /// Wire time.
    pub elapsed: Duration,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

impl SuiteOutcome {
    /// The exit status that tells the run as a whole: the gravest of what happened.
    pub fn exit(&self) -> Exit {
        if self.interrupted {
            return Exit::Interrupted;
        }
        self.scenarios
            .iter()
            .map(|scenario| Exit::of(&scenario.verdict))
            .max_by_key(|exit| exit.gravity())
            .unwrap_or(Exit::NothingMatched)
    }

    /// The numbers of all scenarios.
    pub fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        for scenario in &self.scenarios {
            sum += scenario.tally;
        }
        sum
    }

    /// How many scenarios passed.
    pub fn n_passed(&self) -> usize {
        self.scenarios.iter().filter(|scenario| scenario.passed()).count()
    }
}

/// The exit statuses of `pullrig`. They are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything passed.
    Passed = 0,
    /// A check failed.
    CheckFailed = 1,
    /// The command line or a scenario file is wrong.
    Usage = 2,
    /// The environment is not fit: a client is missing, a port is taken.
    Environment = 3,
    /// No scenario matched.
    NothingMatched = 4,
    /// A threshold was broken.
    ThresholdBroken = 5,
    /// Something took too long.
    TimedOut = 6,
    /// The run was interrupted.
    Interrupted = 130,
}

impl Exit {
    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Passed,
            Verdict::Failed => Self::CheckFailed,
            Verdict::Broken(_) => Self::Environment,
            Verdict::TimedOut(_) => Self::TimedOut,
        }
    }

    /// Which status stands for a run in which several apply: a wrong file hides more than a slow scenario, and that more
    /// than a false check.
    fn gravity(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::NothingMatched => 1,
            Self::ThresholdBroken => 2,
            Self::CheckFailed => 3,
            Self::TimedOut => 4,
            Self::Environment => 5,
            Self::Usage => 6,
            Self::Interrupted => 7,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
