//! How long it takes to decide which connector a stage pulls through, and to resolve a whole pipeline. All of it is pure.
//!
//! Accounts and pipelines are those of the scenarios. Beside them: reading the pipeline's file, which comes before.

use std::hint::black_box;

use benches::criterion;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mock_harness::{Account, Pipeline, resolve::choose_connector, resolve_pipeline};
use runner::resolve::load_account;
use testbed::{Seed, diagnostic::Source, journal::ConnectorReason};
use tests::program::workspace;

/// What decides, a scenario with such an account, a pipeline with such a stage.
const CASES: [(ConnectorReason, &str, &str); 3] = [
    (ConnectorReason::StageOverride, "stage-override-kubernetes.yaml", "pipelines/kubernetes-override.yaml"),
    (ConnectorReason::AccountDefault, "stage-override-kubernetes.yaml", "pipelines/kubernetes.yaml"),
    (ConnectorReason::NoAccountConnector, "account-override.yaml", "pipelines/kubernetes.yaml"),
];

fn precedence(c: &mut Criterion) {
    let mut group = c.benchmark_group("precedence");
    group.throughput(Throughput::Elements(1));
    for (reason, scenario, pipeline) in CASES {
        let account = account(scenario);
        let source = read(pipeline);
        let pipeline = Pipeline::parse(&source).expect("a pipeline of the scenarios");
        let stage = pipeline.stages.first().expect("a stage");
        let choose = || choose_connector(&account, black_box(&stage.infrastructure), &pipeline.scope);
        assert_eq!(choose().expect("a choice").0.because, reason, "{scenario}");
        group.bench_function(BenchmarkId::new("decision", reason), |b| b.iter(choose));
        group.bench_function(BenchmarkId::new("pipeline", reason), |b| {
            b.iter(|| resolve_pipeline(black_box(&pipeline), &account, Seed::default()));
        });
        group.bench_function(BenchmarkId::new("reading the pipeline", reason), |b| {
            b.iter(|| Pipeline::parse(black_box(&source)));
        });
    }
    group.finish();
}

fn account(scenario: &str) -> Account {
    let file = workspace().join("scenarios/connectors").join(scenario);
    let loaded = load_account(std::slice::from_ref(&file));
    loaded.unwrap_or_else(|complaints| panic!("{}: {complaints:?}", file.display())).account
}

fn read(pipeline: &str) -> Source {
    let file = workspace().join("scenarios/connectors").join(pipeline);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Source::new(pipeline, text)
}

criterion_group! { name = benches; config = criterion(); targets = precedence }
criterion_main!(benches);
