//! One decision of a limit, without a socket, with a million keys. Targets: 300 ns, and 150 bytes for each key. What is
//! measured is processor time, because one thread does it all, and the machine may do much else.
//!
//! Every client asks in turn, so that each decision finds its key in no cache. Where a law forgets by itself, the clock moves
//! on before every round, which makes the dearest decision the usual one. Beside it: a counter for each client behind the
//! same kind of lock, which decides nothing.
//!
//! A log of windows that are full of pulls at different moments has to know each of them, and is measured on its own.

use std::{
    collections::HashMap,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use benches::{cpu_time, criterion, memory_mib, runtime, say};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mock_registry::{LimitConfig, MockRegistry};
use oci::Principal;
use serde_json::{Value, json};

const N_CLIENTS: u32 = 1_000_000;
/// As many as can have their windows full of different moments without filling the machine.
const N_FULL: u32 = 100_000;
const N_PULLS: u32 = 100;

fn decisions(c: &mut Criterion) {
    let laws = ["fixed", "sliding-counter", "token-bucket", "gcra", "sliding-log"];
    let mut group = c.benchmark_group("limiter");
    group.throughput(Throughput::Elements(1));
    for law in laws {
        let registry = start(&json!({ "algorithm": law, "burst": (law == "gcra").then_some(N_PULLS - 1) }));
        measure(&mut group, law, &registry, N_CLIENTS, 1);
    }
    let registry = start(&json!({ "algorithm": "sliding-log" }));
    measure(&mut group, "sliding-log, full", &registry, N_FULL, N_PULLS);

    let counts = Mutex::new(HashMap::<IpAddr, u32>::new());
    let count = |client| {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        *count = black_box(count.wrapping_add(1));
    };
    time_rounds(N_CLIENTS, N_CLIENTS.into(), || {}, count);
    group.bench_function(BenchmarkId::new("bare counter", N_CLIENTS), |b| {
        b.iter_custom(|n| time_rounds(N_CLIENTS, n, || {}, count));
    });
    group.finish();
}

/// Lets `n_clients` ask `n_rounds` times and tells what that takes of memory, and then what one more question takes of time.
fn measure(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    registry: &MockRegistry,
    n_clients: u32,
    n_rounds: u32,
) {
    let tick = || registry.clock().advance(Duration::from_secs(1));
    let decide = |client| {
        black_box(registry.count_pull(&Principal::Anonymous, client));
    };
    let resident = || memory_mib("self", "VmRSS");
    let before = resident();
    time_rounds(n_clients, u64::from(n_clients) * u64::from(n_rounds), tick, decide);
    if let (Ok(before), Ok(after)) = (before, resident()) {
        let n_bytes = (after - before) * 1024.0 * 1024.0 / f64::from(n_clients);
        say(&format!("{name}: {n_bytes:.0} bytes for each of {n_clients} keys"));
    }
    group.bench_function(BenchmarkId::new(name, n_clients), |b| {
        b.iter_custom(|n| time_rounds(n_clients, n, tick, decide));
    });
}

/// A registry whose one limit has a window of [`N_PULLS`], and what else `law` says.
fn start(law: &Value) -> MockRegistry {
    let mut limit = json!({ "name": "pulls", "allow": format!("{N_PULLS}/{N_PULLS}s") });
    if let (Some(limit), Some(law)) = (limit.as_object_mut(), law.as_object()) {
        limit.extend(law.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())));
    }
    let limit: LimitConfig = serde_json::from_value(limit).expect("a limit");
    let runtime = runtime();
    let registry = runtime.block_on(MockRegistry::builder("limited").start()).expect("a registry starts");
    registry.set_limits(&[limit]).expect("a limit that can be");
    registry
}

/// Calls `decide` for `n` clients, round after round, and returns the processor time of that without the `tick` before each
/// round.
fn time_rounds(n_clients: u32, n: u64, tick: impl Fn(), decide: impl Fn(IpAddr)) -> Duration {
    const FIRST: u32 = Ipv4Addr::new(10, 0, 0, 0).to_bits();
    let mut took = Duration::ZERO;
    let mut n_left = n;
    while n_left > 0 {
        let n_now = u32::try_from(n_left).unwrap_or(n_clients).min(n_clients);
        tick();
        let begin = cpu_time();
        for client in FIRST..FIRST + n_now {
            decide(Ipv4Addr::from_bits(client).into());
        }
        took += cpu_time().saturating_sub(begin);
        n_left -= u64::from(n_now);
    }
    took
}

criterion_group! { name = benches; config = criterion(); targets = decisions }
criterion_main!(benches);
