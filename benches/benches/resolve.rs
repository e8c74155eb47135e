//! Which connector and which images the stages of 1,000 pipelines of 10 stages get, without a socket: parsed once, and with
//! the parsing. Target: 1 s.
//!
//! What is measured is processor time, because one thread does it all.

use std::{hint::black_box, time::Duration};

use benches::{cpu_time, criterion};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mock_harness::{Account, Pipeline, PlatformConfig, resolve_pipeline};
use serde_json::{Value, json};
use testbed::{Seed, diagnostic::Source};

const N_PIPELINES: u64 = 1000;
const N_STAGES: u64 = 10;

fn resolve(c: &mut Criterion) {
    let account = account();
    let sources: Vec<_> =
        (0..N_PIPELINES).map(|number| Source::new(format!("pipeline-{number}.yaml"), pipeline(number))).collect();
    let parse = |source: &Source| Pipeline::parse(source).unwrap_or_else(|complaints| panic!("{}", complaints[0]));
    let pipelines: Vec<_> = sources.iter().map(parse).collect();
    let first = resolve_pipeline(&pipelines[0], &account, Seed::default());
    assert_eq!(first.len() as u64, N_STAGES, "every stage is resolved");

    let mut group = c.benchmark_group("resolve");
    group.sample_size(10).throughput(Throughput::Elements(N_PIPELINES * N_STAGES));
    group.bench_function("parsed once", |b| {
        b.iter_custom(|n| {
            time(n, || {
                for pipeline in &pipelines {
                    drop(black_box(resolve_pipeline(pipeline, &account, Seed::default())));
                }
            })
        });
    });
    group.bench_function("with parsing", |b| {
        b.iter_custom(|n| {
            time(n, || {
                for source in &sources {
                    drop(black_box(resolve_pipeline(&parse(source), &account, Seed::default())));
                }
            })
        });
    });
    group.finish();
}

fn time(n: u64, work: impl Fn()) -> Duration {
    let begin = cpu_time();
    for _ in 0..n {
        work();
    }
    cpu_time().saturating_sub(begin)
}

/// An account with its `harnessImage`, a hundred other connectors and twenty delegates.
fn account() -> Account {
    let connector = |identifier: String| {
        json!({
            "name": identifier, "identifier": identifier, "type": "DockerRegistry",
            "spec": { "dockerRegistryUrl": format!("https://{identifier}.example.test/harness"), "providerType": "Other",
                      "auth": { "type": "Anonymous" }, "executeOnDelegate": false },
        })
    };
    let connectors: Vec<Value> = (0..100).map(|number| connector(format!("mirror{number}"))).collect();
    let delegates: Vec<Value> =
        (0..20).map(|number| json!({ "name": format!("build-{number}"), "tags": ["linux"] })).collect();
    let config = json!({ "harness-image": "built-in", "connectors": connectors, "delegates": delegates });
    let config: PlatformConfig = serde_json::from_value(config).expect("a configuration");
    Account::from_config(&config).expect("an account")
}

/// A pipeline of stages by turns on Kubernetes with an override, on Kubernetes without one, on virtual machines, and hosted.
fn pipeline(number: u64) -> String {
    let infrastructure = |stage: u64| match stage % 4 {
        0 => format!(
            "          infrastructure:
            type: KubernetesDirect
            spec:
              connectorRef: account.cluster
              namespace: ci
              automountServiceAccountToken: true
              os: Linux
              harnessImageConnectorRef: account.mirror{}
",
            (number + stage) % 100
        ),
        1 => String::from(
            "          infrastructure:
            type: KubernetesDirect
            spec: { connectorRef: account.cluster, namespace: ci, os: Linux }
",
        ),
        2 => String::from(
            "          infrastructure:
            type: VM
            spec: { type: Pool, spec: { poolName: pool-a, os: Linux } }
",
        ),
        _ => String::from(
            "          platform: { os: Linux, arch: Amd64 }
          runtime: { type: Cloud, spec: {} }
",
        ),
    };
    let mut text = format!(
        "pipeline:
  name: Pipeline {number}
  identifier: pipeline{number}
  orgIdentifier: default
  projectIdentifier: demo
  properties:
    ci: {{ codebase: {{ connectorRef: account.git, repoName: app, build: <+input> }} }}
  stages:
"
    )
    .replace("<+input>", "{ type: branch, spec: { branch: main } }");
    for stage in 0..N_STAGES {
        let infrastructure = infrastructure(stage);
        text.push_str(&format!(
            "    - stage:
        name: Stage {stage}
        identifier: stage{stage}
        type: CI
        spec:
          cloneCodebase: true
{infrastructure}          execution:
            steps:
              - step:
                  type: Run
                  name: Test
                  identifier: test
                  spec: {{ connectorRef: account.mirror1, image: \"library/golang:1.24\", shell: Sh, command: go test ./... }}
              - step:
                  type: BuildAndPushDockerRegistry
                  name: Publish
                  identifier: publish
                  spec: {{ connectorRef: account.mirror2, repo: acme/app, tags: [latest] }}
"
        ));
    }
    text
}

criterion_group! { name = benches; config = criterion(); targets = resolve }
criterion_main!(benches);
