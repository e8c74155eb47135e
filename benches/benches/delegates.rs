//! Which of 10,000 delegates does a task, without a socket. Target: 50 us.
//!
//! Beside it: the same of 100. What is measured is processor time, because one thread does it all.

use std::{hint::black_box, time::Duration};

use benches::{cpu_time, criterion};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mock_harness::{Account, PlatformConfig, account::Scope, delegate::DelegateTask};
use serde_json::{Value, json};
use testbed::Seed;

const N_DELEGATES: [usize; 2] = [100, 10_000];

fn select(c: &mut Criterion) {
    let mut group = c.benchmark_group("delegates");
    let project = Scope::new(Some("default"), Some("demo"));
    let tasks = [
        ("any", Scope::account(), vec![]),
        ("half of them", Scope::account(), vec!["Linux"]),
        ("one in 100", Scope::account(), vec!["linux", "dc-42"]),
        ("one by its name", Scope::account(), vec!["build-77"]),
        ("a project's", project, vec!["linux", "dc-42"]),
        ("nobody", Scope::account(), vec!["linux", "windows"]),
    ];
    for n_delegates in N_DELEGATES {
        let account = account_with(n_delegates);
        for (name, scope, selectors) in &tasks {
            let selectors: Vec<_> = selectors.iter().map(|selector| String::from(*selector)).collect();
            let task = DelegateTask::test_connection(scope, &selectors);
            let mut random = Seed(1).stream("bench");
            group.bench_function(BenchmarkId::new(*name, n_delegates), |b| {
                b.iter_custom(|n| {
                    let begin = cpu_time();
                    for _ in 0..n {
                        drop(black_box(account.select_delegate(&task, &mut random)));
                    }
                    cpu_time().saturating_sub(begin).max(Duration::from_nanos(1))
                });
            });
        }
    }
    group.finish();
}

/// Half of them have `linux`, one in 100 has each `dc-`, one in 10 is a project's, one in 20 is not connected.
fn account_with(n: usize) -> Account {
    let delegate = |number: usize| {
        let os = if number.is_multiple_of(2) { "linux" } else { "arm64" };
        let mut delegate = json!({
            "name": format!("build-{number}"),
            "tags": [os, format!("DC-{}", number / 2 % 100)],
            "connected": !number.is_multiple_of(20),
        });
        if number % 10 == 4 {
            delegate["organization"] = json!("default");
            delegate["project"] = json!("demo");
        }
        delegate
    };
    let delegates: Vec<Value> = (0..n).map(delegate).collect();
    let config: PlatformConfig = serde_json::from_value(json!({ "delegates": delegates })).expect("a configuration");
    Account::from_config(&config).expect("an account")
}

criterion_group! { name = benches; config = criterion(); targets = select }
criterion_main!(benches);
