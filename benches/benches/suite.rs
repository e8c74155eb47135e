//! How long the whole `scenarios/` folder takes, as `pullrig run` runs it. Target: 8 s on two cores.
//!
//! Beside it: one scenario that lets a window of six hours go by, alone (target: 20 ms); and reading and planning the same files without running them, as `pullrig check` does.

use std::{future, num::NonZeroUsize, path::PathBuf, sync::Arc, thread::available_parallelism, time::Duration};

use benches::{criterion, runtime, say};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use runner::{
    discover::discover,
    outcome::SuiteOutcome,
    plan::Plan,
    suite::{Reporter, SuiteEvent, SuiteOptions, load, run_suite},
};
use testbed::Seed;
use tests::program::workspace;

/// A scenario of five pulls, between which six hours pass.
const SIX_HOURS: &str = "scenarios/limits/six-hours.yaml";

fn suite(c: &mut Criterion) {
    let runtime = runtime();
    let files = discover(&[workspace().join("scenarios")]).expect("the workspace has scenarios");
    let outcome = runtime.block_on(run(plan(&files)));
    for scenario in outcome.scenarios.iter().filter(|scenario| !scenario.passed()) {
        say(&format!("{} did not pass, and its time counts all the same", scenario.file));
    }

    let mut group = c.benchmark_group("suite");
    group.throughput(Throughput::Elements(files.len() as u64)).sampling_mode(SamplingMode::Flat).sample_size(10);
    group.bench_function("run", |b| b.iter(|| runtime.block_on(run(plan(&files)))));
    group.bench_function("check", |b| b.iter(|| plan(&files)));
    let window = [workspace().join(SIX_HOURS)];
    group.bench_function("six hours", |b| b.iter(|| runtime.block_on(run(plan(&window)))));
    group.finish();
}

fn plan(files: &[PathBuf]) -> Vec<Plan> {
    load(files).unwrap_or_else(|complaints| panic!("{complaints:?}"))
}

async fn run(plans: Vec<Plan>) -> SuiteOutcome {
    let jobs = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let options = SuiteOptions { seed: Seed::default(), jobs, fail_fast: false, timeout: Duration::from_secs(60) };
    run_suite(plans, options, Arc::new(Nobody), future::pending()).await
}

/// Shows nothing.
struct Nobody;

impl Reporter for Nobody {
    fn event(&self, _: SuiteEvent) {}
}

criterion_group! { name = benches; config = criterion(); targets = suite }
criterion_main!(benches);
