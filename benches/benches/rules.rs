//! What it takes to find out which of 1,000 rules applies to an exchange, without a socket: in processor time, because one
//! thread does it all. Target: 5 us.
//!
//! Of the rules, a few in ten are about what is asked, and none applies until the last; or all are about manifests of other
//! repositories; or of every repository for other addresses, so that each has to be looked at. Beside them: a book of one
//! rule, and as many comparisons of texts.

use std::{collections::BTreeMap, hint::black_box, net::IpAddr, time::Duration};

use benches::{cpu_time, criterion};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::Method;
use oci::{EndpointKind, Principal};
use serde_json::{Value, json};
use testbed::{
    Seed,
    rule::{Call, Occasion, Rule, RuleBook},
};

const N_RULES: usize = 1000;
const KINDS: [&str; 10] =
    ["manifest", "blob", "tags", "referrers", "upload", "manifest", "blob", "cdn", "manifest", "blob"];

fn matching(c: &mut Criterion) {
    let occasion = occasion();
    let mut group = c.benchmark_group("rules");
    let answer = |when: Value| json!({ "when": when, "then": { "answer": { "status": 503 } } });
    let of_all_kinds = |n: usize| answer(json!({ KINDS[n % KINDS.len()]: "get", "repository": format!("team-{n}/*") }));
    let of_manifests = |n: usize| answer(json!({ "manifest": "get", "repository": format!("team-{n}/*") }));
    let of_addresses =
        |n: usize| answer(json!({ "manifest": "get", "source": format!("10.0.{}.{}", n / 250, n % 250) }));
    let last = answer(json!({ "manifest": "get", "repository": "harness/*" }));
    let of_all_kinds: Vec<_> = (1..N_RULES).map(of_all_kinds).chain([last.clone()]).collect();
    let of_manifests: Vec<_> = (1..N_RULES).map(of_manifests).chain([last.clone()]).collect();
    let of_addresses: Vec<_> = (1..N_RULES).map(of_addresses).chain([last.clone()]).collect();
    let books = [
        ("one rule", vec![last]),
        ("all kinds", of_all_kinds),
        ("one kind", of_manifests),
        ("addresses", of_addresses),
    ];
    for (name, rules) in books {
        let book = RuleBook::new(Seed(1));
        let n_rules = rules.len();
        for rule in rules {
            book.add(serde_json::from_value::<Rule>(rule).expect("a rule"));
        }
        group.bench_function(BenchmarkId::new(name, n_rules), |b| {
            let decide = || assert!(book.decide(black_box(&occasion)).is_some(), "the last one applies");
            b.iter_custom(|n| cpu_of(n, decide));
        });
    }
    let names: Vec<_> = (0..N_RULES).map(|n| format!("team-{n}/")).collect();
    group.bench_function(BenchmarkId::new("bare comparisons", N_RULES), |b| {
        let compare = || {
            black_box(names.iter().filter(|name| black_box("harness/ci-addon").starts_with(name.as_str())).count());
        };
        b.iter_custom(|n| cpu_of(n, compare));
    });
    group.finish();
}

/// The processor time of doing it `n` times.
fn cpu_of(n: u64, mut work: impl FnMut()) -> Duration {
    let before = cpu_time();
    for _ in 0..n {
        work();
    }
    cpu_time().saturating_sub(before)
}

fn occasion() -> Occasion {
    Occasion {
        call: Call::Registry(EndpointKind::Manifest),
        method: Method::GET,
        repository: "harness/ci-addon".parse().ok(),
        reference: "1.18.27".parse().ok(),
        layer: None,
        principal: Principal::Anonymous,
        source: IpAddr::from([127, 0, 0, 1]),
        user_agent: Some(String::from("containerd/2.3.0")),
        headers: BTreeMap::from([(String::from("accept"), String::from("*/*"))]),
        attempt: 1,
        connection: 1,
        host: String::from("registry-1.docker.io"),
        query: Vec::new(),
        since_start: Duration::ZERO,
    }
}

criterion_group! { name = benches; config = criterion(); targets = matching }
criterion_main!(benches);
