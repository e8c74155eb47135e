//! Carries out the steps of one scenario in its world, and holds what happened against its expectations.

mod ask;
mod control;
mod http;
mod pipeline;
mod pull;
mod variables;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::future::{BoxFuture, join_all};
use testbed::{
    clock::Participant,
    diagnostic::Span,
    journal::{Event, StepFinished, StepStarted},
    task::PulledImage,
    yaml::Spanned,
};

use crate::{
    check::{self, Checks},
    format::{RepeatStep, Step},
    outcome::{Broken, Check},
    plan::Plan,
    world::World,
};
use variables::Variables;
pub(crate) use variables::variable_names;

/// What a run finds out. It is kept by the caller, so that a run that is cut short leaves what it found.
#[derive(Default)]
pub(crate) struct Findings(Mutex<Found>);

/// What a run found out.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) checks: Vec<Check>,
    pub(crate) n_steps: usize,
}

impl Findings {
    /// All of it.
    pub(crate) fn take(self) -> Found {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run in progress: what steps share.
struct Run<'a> {
    plan: &'a Plan,
    world: &'a World,
    variables: Variables,
    findings: &'a Findings,
    on_step: &'a (dyn Fn(&str) + Sync),
    /// What the last pull of each image left. A std mutex: looked at and added to.
    pulled: Mutex<HashMap<String, PulledImage>>,
}

/// Runs the steps of `plan` in `world`, then checks what the registries saw. A step with a false check is the last one:
/// what follows would only fail because of it.
///
/// # Errors
/// A step could not be carried out.
pub(crate) async fn run(
    plan: &Plan,
    world: &World,
    findings: &Findings,
    on_step: &(dyn Fn(&str) + Sync),
) -> Result<(), Broken> {
    let run = Run { plan, world, variables: Variables::of(world), findings, on_step, pulled: Mutex::default() };
    let doer = Doer { participant: world.clock.enter(), source: None };
    let flow = run.steps(&plan.scenario.steps, "", &doer).await?;
    drop(doer);
    if flow == Flow::On {
        run.check_registries();
        run.check_verdicts();
    }
    Ok(())
}

/// Where a step stands, in its scenario and in what happens.
#[derive(Clone, Copy)]
struct At<'a> {
    /// `2`, or `3.1.2` in others.
    number: &'a str,
    span: Span,
    /// The journal's last entry before it.
    before: u64,
}

/// Who carries out steps.
struct Doer {
    /// Its place on the clock.
    participant: Participant,
    /// The address that it comes from, where a step does not say it: each of a herd has one of its own.
    source: Option<IpAddr>,
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
        doer: &'s Doer,
    ) -> BoxFuture<'s, Result<Flow, Broken>> {
        Box::pin(async move {
            for (index, step) in steps.iter().enumerate() {
                let number = format!("{prefix}{}", index + 1);
                if self.step(step, &number, doer).await? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
            Ok(Flow::On)
        })
    }

    async fn step(&self, step: &Spanned<Step>, number: &str, doer: &Doer) -> Result<Flow, Broken> {
        // Some steps wait for nothing, and many of them must not keep a timeout or an interruption from being noticed.
        tokio::task::yield_now().await;
        let kind = step.value.kind();
        (self.on_step)(&format!("{number} {kind}"));
        let (line, _) = self.plan.source.line_col(step.span.start);
        let started = StepStarted { step: String::from(number), kind: String::from(kind), line };
        let before = self.world.journal.record(Event::StepStarted(started)) - 1;
        self.findings.lock().n_steps += 1;

        let flow = match &step.value {
            Step::Parallel(steps) => self.parallel(steps, number, doer).await?,
            Step::Repeat(step) => self.repeat(step, number, doer).await?,
            Step::Rule(rule) if !rule.during.is_empty() => {
                let rules = self.rules(&rule.on.value).map_err(|message| self.broken(message, step.span, before))?;
                let added = rule.add.as_ref().map(|rule| rules.add(rule.value.clone()));
                let flow = self.steps(&rule.during, &format!("{number}."), doer).await?;
                if let Some(name) = added {
                    rules.remove(&name);
                }
                flow
            }
            _ => {
                let at = At { number, span: step.span, before };
                let checks = self.single(&step.value, at, doer).await;
                let checks = checks.map_err(|message| self.broken(message, step.span, before))?;
                let passed = checks.iter().all(|check| check.passed);
                self.findings.lock().checks.extend(checks);
                if passed { Flow::On } else { Flow::Stop }
            }
        };
        let passed = flow == Flow::On;
        self.world.journal.record(Event::StepFinished(StepFinished { step: String::from(number), passed }));
        Ok(flow)
    }

    fn broken(&self, message: String, span: Span, before: u64) -> Broken {
        Broken { message, span: Some(span), entries: (before, self.world.journal.last_seq()) }
    }

    /// A step that holds no others: its checks, or why it could not be carried out.
    async fn single(&self, step: &Step, at: At<'_>, doer: &Doer) -> Result<Vec<Check>, String> {
        let At { span, before, .. } = at;
        match step {
            Step::HarnessApi(step) => self.harness_api(step, span, before).await,
            Step::Http(step) => self.http(step, span, before).await,
            Step::Pipeline(step) => self.pipeline(step, span, before, &doer.participant).await,
            Step::Pull(step) => self.pull(step, at, doer).await,
            Step::Tags(step) => self.tags(step, at, doer).await,
            Step::Head(step) => self.head(step, at, doer).await,
            Step::Referrers(step) => self.referrers(step, at, doer).await,
            Step::Push(step) => self.push(step, at, doer).await,
            Step::Rule(step) => self.rule(step),
            Step::Limit(step) => self.limit(step),
            Step::Image(step) => self.image(step).await,
            Step::Advance(step) => {
                self.world.clock.advance(step.0);
                Ok(Vec::new())
            }
            Step::Parallel(_) | Step::Repeat(_) => Ok(Vec::new()),
        }
    }

    /// Runs each of `steps` at the same time.
    async fn parallel(&self, steps: &[Spanned<Step>], number: &str, doer: &Doer) -> Result<Flow, Broken> {
        let branches = steps.iter().enumerate().map(|(index, step)| {
            let doer = Doer { participant: self.world.clock.enter(), source: doer.source };
            let number = format!("{number}.{}", index + 1);
            async move { self.step(step, &number, &doer).await }
        });
        at_once(branches.collect(), doer).await
    }

    async fn repeat(&self, step: &RepeatStep, number: &str, doer: &Doer) -> Result<Flow, Broken> {
        let rounds = 1..=step.times.get();
        if step.at_once {
            let branches = rounds.map(|round| {
                let doer = Doer { participant: self.world.clock.enter(), source: Some(address_in_herd(round)) };
                let prefix = format!("{number}.{round}.");
                async move { self.steps(&step.steps, &prefix, &doer).await }
            });
            return at_once(branches.collect(), doer).await;
        }
        for round in rounds {
            let prefix = format!("{number}.{round}.");
            if self.steps(&step.steps, &prefix, doer).await? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::On)
    }

    fn check_verdicts(&self) {
        let wanted = &self.plan.scenario.verdicts;
        if wanted.is_empty() {
            return;
        }
        let entries = self.world.journal.entries();
        let mut checks = Checks::from_entries(0, self.world.journal.last_seq());
        check::verdicts(wanted, &judge::verdicts(&entries), &mut checks);
        self.findings.lock().checks.extend(checks.done());
    }

    fn check_registries(&self) {
        let entries = self.world.journal.entries();
        let entries: Vec<_> = entries.iter().map(|entry| &**entry).collect();
        let mut checks = self.checks(0);
        for (name, expect) in self.plan.scenario.expect.iter() {
            check::registry(expect, &name.value, &entries, &mut checks);
        }
        self.findings.lock().checks.extend(checks.done());
    }

    /// Checks made from the journal's entries after number `before`.
    fn checks(&self, before: u64) -> Checks {
        Checks::from_entries(before, self.world.journal.last_seq())
    }
}

/// Runs branches side by side, each a participant of its own, so that one that waits in policy time does not move the clock
/// under another's feet.
async fn at_once<F: Future<Output = Result<Flow, Broken>>>(branches: Vec<F>, parent: &Doer) -> Result<Flow, Broken> {
    let mut flow = Flow::On;
    for ended in parent.participant.wait_for(join_all(branches)).await {
        if ended? == Flow::Stop {
            flow = Flow::Stop;
        }
    }
    Ok(flow)
}

/// The address of the `n`th of a herd, from 1: 127.0.1.1, 127.0.1.2, and 127.0.2.1 after 127.0.1.250.
fn address_in_herd(n: u32) -> IpAddr {
    let index = n.saturating_sub(1);
    let [.., block] = (1 + index / 250).to_be_bytes();
    let [.., last] = (1 + index % 250).to_be_bytes();
    IpAddr::from([127, 0, block, last])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_a_herd_has_an_address() {
        let address = |n| address_in_herd(n).to_string();
        assert_eq!([address(1), address(50), address(250)], ["127.0.1.1", "127.0.1.50", "127.0.1.250"]);
        assert_eq!([address(251), address(500)], ["127.0.2.1", "127.0.2.250"]);
    }
}
