//! Runs many scenarios, each in a world of its own, several at a time.

use std::{
    any::Any,
    num::NonZeroUsize,
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use testbed::{Clock, Seed, diagnostic::Diagnostic, journal::Entry, rule::RuleUse};
use tokio::task::JoinSet;

use crate::{
    check,
    outcome::{Broken, ScenarioOutcome, SuiteOutcome, Tally, Verdict},
    plan::Plan,
    run::{self, Findings},
    world::{HARNESS_API, World, with_causes},
};

/// How a suite is run.
#[derive(Clone, Copy, Debug)]
pub struct SuiteOptions {
    /// The seed of every scenario that has none of its own.
    pub seed: Seed,
    /// How many scenarios at a time.
    pub jobs: NonZeroUsize,
    /// Start no further scenario once one did not pass.
    pub fail_fast: bool,
    /// The longest that one scenario may take, in wire time.
    pub timeout: Duration,
}

/// What happens while a suite runs, for whoever shows it. Scenarios are named by their place in the list of plans.
#[derive(Clone, Debug)]
pub enum SuiteEvent {
    /// It begins.
    Started {
        /// How many scenarios.
        n_scenarios: usize,
        /// How it is run.
        options: SuiteOptions,
    },
    /// A scenario's world is being built.
    ScenarioStarted {
        /// Which.
        index: usize,
        /// Its file.
        file: String,
    },
    /// A scenario begins a step.
    StepStarted {
        /// Which scenario.
        index: usize,
        /// The step: `3 pull`.
        step: String,
    },
    /// A scenario is done.
    ScenarioFinished {
        /// Which.
        index: usize,
        /// How it went.
        outcome: Arc<ScenarioOutcome>,
    },
}

/// Whoever shows a suite while it runs.
pub trait Reporter: Send + Sync {
    /// Takes note of `event`.
    fn event(&self, event: SuiteEvent);
}

/// Reads and plans all of `files`.
///
/// # Errors
/// All complaints about all of them.
pub fn load(files: &[PathBuf]) -> Result<Vec<Plan>, Vec<Diagnostic>> {
    let mut plans = Vec::new();
    let mut complaints = Vec::new();
    for file in files {
        match Plan::load(file) {
            Ok(plan) => plans.push(plan),
            Err(more) => complaints.extend(more),
        }
    }
    if complaints.is_empty() { Ok(plans) } else { Err(complaints) }
}

/// Runs all of `plans`. Resolving `interrupt` ends the run: what is under way is dropped, and said.
pub async fn run_suite(
    plans: Vec<Plan>,
    options: SuiteOptions,
    reporter: Arc<dyn Reporter>,
    interrupt: impl Future<Output = ()>,
) -> SuiteOutcome {
    let begin = now();
    let n_planned = plans.len();
    reporter.event(SuiteEvent::Started { n_scenarios: n_planned, options });
    let mut waiting = plans.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut outcomes = Vec::with_capacity(n_planned);
    let mut interrupted = false;
    let mut stopping = false;
    tokio::pin!(interrupt);
    loop {
        while running.len() < options.jobs.get()
            && !stopping
            && let Some((index, plan)) = waiting.next()
        {
            let reporter = reporter.clone();
            running.spawn(async move {
                let running = run_one(&plan, index, options, &*reporter);
                // A panic in one scenario must not pass for success, nor take the others with it.
                let outcome = AssertUnwindSafe(running).catch_unwind().await;
                let outcome = Arc::new(outcome.unwrap_or_else(|panic| panicked(&plan, options.seed, &*panic)));
                reporter.event(SuiteEvent::ScenarioFinished { index, outcome: outcome.clone() });
                (index, outcome)
            });
        }
        tokio::select! {
            ended = running.join_next() => match ended {
                None => break,
                Some(Ok((index, outcome))) => {
                    stopping |= options.fail_fast && !outcome.passed();
                    outcomes.push((index, outcome));
                }
                // Cancelled: the run was interrupted.
                Some(Err(_)) => {}
            },
            () = &mut interrupt, if !interrupted => {
                interrupted = true;
                stopping = true;
                running.abort_all();
            }
        }
    }
    outcomes.sort_by_key(|(index, _)| *index);
    SuiteOutcome {
        scenarios: outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
        n_planned,
        seed: options.seed,
        elapsed: begin.elapsed(),
        interrupted,
    }
}

async fn run_one(plan: &Plan, index: usize, options: SuiteOptions, reporter: &dyn Reporter) -> ScenarioOutcome {
    let begin = now();
    reporter.event(SuiteEvent::ScenarioStarted { index, file: String::from(plan.source.name()) });
    let seed = plan.scenario.seed.map_or(options.seed, Seed);
    let mut outcome = unfinished(plan, seed);
    let world = match World::start(&plan.blueprint, Clock::starting_at(Clock::DEFAULT_START), seed).await {
        Ok(world) => world,
        Err(error) => {
            outcome.verdict = Verdict::Broken(Broken { message: with_causes(&error), span: None, entries: (0, 0) });
            outcome.elapsed = begin.elapsed();
            return outcome;
        }
    };
    let on_step = |step: &str| reporter.event(SuiteEvent::StepStarted { index, step: String::from(step) });
    let findings = Findings::default();
    let ended = tokio::time::timeout(options.timeout, run::run(plan, &world, &findings, &on_step)).await;
    let found = findings.take();
    (outcome.checks, outcome.n_steps) = (found.checks, found.n_steps);
    outcome.verdict = match ended {
        Err(_) => Verdict::TimedOut(options.timeout),
        Ok(Err(broken)) => Verdict::Broken(broken),
        Ok(Ok(())) if world.journal.n_dropped() > 0 => {
            let message = format!(
                "the journal is full: {} entries were dropped, so nothing can be checked",
                world.journal.n_dropped()
            );
            Verdict::Broken(Broken { message, span: None, entries: (0, 0) })
        }
        Ok(Ok(())) if outcome.failed_checks().next().is_some() => Verdict::Failed,
        Ok(Ok(())) => Verdict::Passed,
    };
    outcome.idle_rules = idle_rules(&world);
    outcome.journal = world.journal.entries();
    outcome.n_dropped = world.journal.n_dropped();
    let entries: Vec<&Entry> = outcome.journal.iter().map(|entry| &**entry).collect();
    outcome.tally = check::tally(&entries);
    // Nobody asks any more, so there is nothing to wait for: dropping the world closes its listeners.
    drop(world);
    outcome.elapsed = begin.elapsed();
    outcome
}

/// An outcome of which nothing is known yet.
fn unfinished(plan: &Plan, seed: Seed) -> ScenarioOutcome {
    ScenarioOutcome {
        file: String::from(plan.source.name()),
        title: plan.scenario.scenario.value.clone(),
        seed,
        verdict: Verdict::Passed,
        source: plan.source.clone(),
        checks: Vec::new(),
        n_steps: 0,
        journal: Vec::new(),
        n_dropped: 0,
        idle_rules: Vec::new(),
        tally: Tally::default(),
        elapsed: Duration::ZERO,
    }
}

fn panicked(plan: &Plan, seed: Seed, panic: &(dyn Any + Send)) -> ScenarioOutcome {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let message = format!("pullrig itself failed, which is a defect: {}", text.unwrap_or("a panic without a text"));
    let verdict = Verdict::Broken(Broken { message, span: None, entries: (0, 0) });
    ScenarioOutcome { verdict, ..unfinished(plan, seed) }
}

/// The rules that never applied, by actor.
fn idle_rules(world: &World) -> Vec<(String, RuleUse)> {
    let registries = world.registries().map(|(name, registry)| (name, registry.rules()));
    let actors = registries.chain(world.harness().map(|harness| (HARNESS_API, harness.rules())));
    actors.flat_map(|(name, rules)| rules.idle().into_iter().map(move |rule| (String::from(name), rule))).collect()
}

#[expect(clippy::disallowed_methods, reason = "how long a run takes is wire time")]
fn now() -> Instant {
    Instant::now()
}
