//! One decision of the pull limiter, without a socket: many clients in turn, each with its window of 100 pulls full.
//!
//! The clock moves one second before every round over the clients, and a pull counts for 100 seconds. So every decision
//! forgets the oldest pull of its client and takes one more, which is the dearest that a decision gets.
//!
//! Beside it: a counter for each client behind the same kind of lock, which decides nothing.

use std::{
    collections::HashMap,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use benches::{criterion, now, runtime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mock_registry::{MockRegistry, RegistryConfig};
use oci::Principal;

/// Clients. From 65,536 on the limiter sweeps at every decision, which would hide what one decision takes.
const N_CLIENTS: [u32; 3] = [100, 10_000, 60_000];
/// Pulls that each window holds.
const N_PULLS: u32 = 100;

fn decisions(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("limiter");
    group.throughput(Throughput::Elements(1));
    for n_clients in N_CLIENTS {
        let registry = runtime.block_on(start());
        let tick = || registry.clock().advance(Duration::from_secs(1));
        let decide = |client| assert!(registry.count_pull(&Principal::Anonymous, client), "the window has room");
        time_rounds(n_clients, u64::from(n_clients * N_PULLS), tick, decide);
        group.bench_function(BenchmarkId::new("decision", n_clients), |b| {
            b.iter_custom(|n| time_rounds(n_clients, n, tick, decide));
        });

        let counts = Mutex::new(HashMap::<IpAddr, u32>::new());
        let count = |client| {
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(client).or_default();
            *count = black_box(count.wrapping_add(1));
        };
        group.bench_function(BenchmarkId::new("bare counter", n_clients), |b| {
            b.iter_custom(|n| time_rounds(n_clients, n, || {}, count));
        });
    }
    group.finish();
}

async fn start() -> MockRegistry {
    let limit = format!("{N_PULLS}/{N_PULLS}s").parse().expect("a limit");
    let config = RegistryConfig { limit: Some(limit), ..RegistryConfig::default() };
    MockRegistry::builder("limited").config(config).start().await.expect("a registry starts")
}

/// Calls `decide` for `n` clients, round after round, and returns how long that took without the `tick` before each round.
fn time_rounds(n_clients: u32, n: u64, tick: impl Fn(), decide: impl Fn(IpAddr)) -> Duration {
    const FIRST: u32 = Ipv4Addr::new(10, 0, 0, 0).to_bits();
    let mut took = Duration::ZERO;
    let mut n_left = n;
    while n_left > 0 {
        let n_now = u32::try_from(n_left).unwrap_or(n_clients).min(n_clients);
        tick();
        let begin = now();
        for client in FIRST..FIRST + n_now {
            decide(Ipv4Addr::from_bits(client).into());
        }
        took += begin.elapsed();
        n_left -= u64::from(n_now);
    }
    took
}

criterion_group! { name = benches; config = criterion(); targets = decisions }
criterion_main!(benches);
