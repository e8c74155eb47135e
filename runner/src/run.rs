//! Carries out the steps of one scenario in its world, and holds what happened against its expectations.

mod api;
mod control;
mod http;
mod pipeline;
mod pull;
mod variables;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, join_all};
use testbed::{
    clock::Participant,
    journal::{Event, StepFinished, StepStarted},
    yaml::Spanned,
};

use crate::{
    check::{self, Checks},
    format::Step,
    outcome::{Broken, Check},
    plan::Plan,
    world::World,
};
use variables::Variables;

/// What a run of a scenario's steps found out.
pub(crate) struct StepsOutcome {
    pub(crate) checks: Vec<Check>,
    pub(crate) n_steps: usize,
    pub(crate) broken: Option<Broken>,
}

/// A run in progress: what steps share.
struct Run<'a> {
    plan: &'a Plan,
    world: &'a World,
    variables: Variables,
    /// The connection of the user's scripts to the Harness API.
    api: reqwest::Client,
    checks: Mutex<Vec<Check>>,
    n_steps: Mutex<usize>,
    on_step: &'a (dyn Fn(&str) + Sync),
}

/// Runs the steps of `plan` in `world`, then checks what the registries saw. A step with a false check is the last one:
/// what follows would only fail because of it.
pub(crate) async fn run(plan: &Plan, world: &World, on_step: &(dyn Fn(&str) + Sync)) -> StepsOutcome {
    let run = Run {
        plan,
        world,
        variables: Variables::of(world),
        api: reqwest::Client::new(),
        checks: Mutex::default(),
        n_steps: Mutex::default(),
        on_step,
    };
    let participant = world.clock.enter();
    let ended = run.steps(&plan.scenario.steps, "", &participant).await;
    drop(participant);
    if matches!(ended, Ok(Flow::On)) {
        run.check_registries();
    }
    StepsOutcome {
        checks: run.checks.into_inner().unwrap_or_else(PoisonError::into_inner),
        n_steps: run.n_steps.into_inner().unwrap_or_else(PoisonError::into_inner),
        broken: ended.err(),
    }
}

/// Whether to go on with the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Stop,
}

impl Run<'_> {
    /// Runs `steps` in order. `prefix` is the number of the step that holds them, with a dot.
    fn steps<'s>(
        &'s self,
        steps: &'s [Spanned<Step>],
        prefix: &'s str,
        participant: &'s Participant,
    ) -> BoxFuture<'s, Result<Flow, Broken>> {
        Box::pin(async move {
            for (index, step) in steps.iter().enumerate() {
                let number = format!("{prefix}{}", index + 1);
                if self.step(step, &number, participant).await? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
            Ok(Flow::On)
        })
    }

    async fn step(&self, step: &Spanned<Step>, number: &str, participant: &Participant) -> Result<Flow, Broken> {
        let kind = step.value.kind();
        (self.on_step)(&format!("{number} {kind}"));
        let (line, _) = self.plan.source.line_col(step.span.start);
        let started = StepStarted { step: String::from(number), kind: String::from(kind), line };
        let before = self.world.journal.record(Event::StepStarted(started)) - 1;
        *self.n_steps.lock().unwrap_or_else(PoisonError::into_inner) += 1;

        let span = step.span;
        let done = match &step.value {
            Step::HarnessApi(step) => self.harness_api(step, span, before, participant).await,
            Step::Http(step) => self.http(step, before, participant).await,
            Step::Pipeline(step) => self.pipeline(step, span, before, participant).await,
            Step::Pull(step) => self.pull(step, span, before, participant).await,
            Step::Push(step) => self.push(step, span, before, participant).await,
            Step::Rule(step) => self.rule(step),
            Step::Limit(step) => self.limit(step),
            Step::Image(step) => self.image(step).await,
            Step::Advance(step) => {
                self.world.clock.advance(step.0);
                Ok(Vec::new())
            }
            Step::Parallel(steps) => return self.parallel(steps, number, participant).await,
            Step::Repeat(step) => {
                for round in 1..=step.times.get() {
                    let prefix = format!("{number}.{round}.");
                    if self.steps(&step.steps, &prefix, participant).await? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                return Ok(Flow::On);
            }
        };
        let checks = done.map_err(|message| Broken { message, span: Some(span) })?;

        let n_failed = checks.iter().filter(|check| !check.passed).count();
        self.world.journal.record(Event::StepFinished(StepFinished { step: String::from(number), n_failed }));
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).extend(checks);
        Ok(if n_failed == 0 { Flow::On } else { Flow::Stop })
    }

    /// Runs each of `steps` at the same time, each as a participant of its own, so that one that waits in policy time
    /// does not move the clock under another's feet.
    async fn parallel(&self, steps: &[Spanned<Step>], number: &str, parent: &Participant) -> Result<Flow, Broken> {
        let branches = steps.iter().enumerate().map(|(index, step)| {
            let participant = self.world.clock.enter();
            let number = format!("{number}.{}", index + 1);
            async move { self.step(step, &number, &participant).await }
        });
        let branches: Vec<_> = branches.collect();
        let mut flow = Flow::On;
        for ended in parent.wait_for(join_all(branches)).await {
            if ended? == Flow::Stop {
                flow = Flow::Stop;
            }
        }
        Ok(flow)
    }

    fn check_registries(&self) {
        let entries = self.world.journal.entries();
        let entries: Vec<_> = entries.iter().map(|entry| &**entry).collect();
        let mut checks = Checks::from_entries(0, self.world.journal.last_seq());
        for (name, expect) in self.plan.scenario.expect.iter() {
            check::registry(expect, &name.value, &entries, &mut checks);
        }
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).extend(checks.done());
    }

    /// Does `attempt` until its checks are all true, at most for `within` of wire time.
    async fn until_true<F: Future<Output = Result<Vec<Check>, String>>>(
        &self,
        within: Option<Duration>,
        participant: &Participant,
        attempt: impl Fn() -> F,
    ) -> Result<Vec<Check>, String> {
        const PAUSE: Duration = Duration::from_millis(2);
        #[expect(clippy::disallowed_methods, reason = "`within` is wire time")]
        let begin = std::time::Instant::now();
        loop {
            let checks = participant.wait_for(attempt()).await?;
            let is_over = within.is_none_or(|within| begin.elapsed() >= within);
            if is_over || checks.iter().all(|check| check.passed) {
                return Ok(checks);
            }
            participant.wait_for(tokio::time::sleep(PAUSE)).await;
        }
    }
}

impl Run<'_> {
    /// Checks made from the journal's entries after number `before`.
    fn checks(&self, before: u64) -> Checks {
        Checks::from_entries(before, self.world.journal.last_seq())
    }
}
