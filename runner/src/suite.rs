//! Runs many scenarios, each in a world of its own, several at a time.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use testbed::{Clock, Seed, diagnostic::Diagnostic, journal::Entry};
use tokio::task::JoinSet;

use crate::{
    check,
    outcome::{Broken, ScenarioOutcome, SuiteOutcome, Verdict},
    plan::Plan,
    run,
    world::{World, with_causes},
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
                let outcome = Arc::new(run_one(&plan, index, options, &*reporter).await);
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
                // A panic in a scenario must not pass for success, nor hide the others.
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
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
    let file = String::from(plan.source.name());
    reporter.event(SuiteEvent::ScenarioStarted { index, file: file.clone() });
    let seed = plan.scenario.seed.map_or(options.seed, Seed);
    let mut outcome = ScenarioOutcome {
        file,
        title: plan.scenario.scenario.value.clone(),
        seed,
        verdict: Verdict::Passed,
        source: plan.source.clone(),
        checks: Vec::new(),
        n_steps: 0,
        journal: Vec::new(),
        idle_rules: Vec::new(),
        tally: crate::outcome::Tally::default(),
        elapsed: Duration::ZERO,
    };
    let world = match World::start(&plan.blueprint, Clock::starting_at(Clock::DEFAULT_START), seed).await {
        Ok(world) => world,
        Err(error) => {
            outcome.verdict = Verdict::Broken(Broken { message: with_causes(&error), span: None });
            outcome.elapsed = begin.elapsed();
            return outcome;
        }
    };
    let on_step = |step: &str| reporter.event(SuiteEvent::StepStarted { index, step: String::from(step) });
    match tokio::time::timeout(options.timeout, run::run(plan, &world, &on_step)).await {
        Err(_) => outcome.verdict = Verdict::TimedOut(options.timeout),
        Ok(steps) => {
            outcome.n_steps = steps.n_steps;
            outcome.checks = steps.checks;
            if let Some(broken) = steps.broken {
                outcome.verdict = Verdict::Broken(broken);
            } else if outcome.failed_checks().next().is_some() {
                outcome.verdict = Verdict::Failed;
            }
        }
    }
    for (name, registry) in world.registries() {
        let idle = registry.rules().uses().into_iter().filter(|rule| rule.n_matched == 0);
        outcome.idle_rules.extend(idle.map(|rule| (String::from(name), rule)));
    }
    outcome.journal = world.journal.entries();
    let entries: Vec<&Entry> = outcome.journal.iter().map(|entry| &**entry).collect();
    outcome.tally = check::tally(&entries);
    // Nobody asks any more, so there is nothing to wait for: dropping the world closes its listeners.
    drop(world);
    outcome.elapsed = begin.elapsed();
    outcome
}

#[expect(clippy::disallowed_methods, reason = "how long a run takes is wire time")]
fn now() -> Instant {
    Instant::now()
}
