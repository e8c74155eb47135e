//! A fleet against a limit, played without sockets: in processor time, because one thread does it all. Target: 1,000 nodes for
//! six hours in 5 s.
//!
//! The clients are those that ask the least and the most often of what is refused.

use std::{num::NonZeroU32, time::Duration};

use benches::{cpu_time, criterion};
use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use runner::simulate::{Fleet, Image, Restart, find_client, registry, simulate};
use testbed::Seed;

const N_NODES: [u32; 2] = [200, 1000];
const CLIENTS: [&str; 2] = ["containerd", "podman"];
const SIX_HOURS: Duration = Duration::from_secs(6 * 60 * 60);

fn fleets(c: &mut Criterion) {
    let hub = registry("dockerhub-anon", None).expect("a preset");
    let mut group = c.benchmark_group("simulate");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for client in CLIENTS {
        for n_nodes in N_NODES {
            let fleet = fleet(client, n_nodes);
            group.bench_function(BenchmarkId::new(client, n_nodes), |b| {
                b.iter_custom(|n| {
                    let before = cpu_time();
                    for _ in 0..n {
                        simulate(&fleet, "dockerhub-anon", &hub).expect("it can be played");
                    }
                    cpu_time().saturating_sub(before)
                });
            });
        }
    }
    group.finish();
}

/// Nodes behind one address that begin within ten minutes, each with a kubelet around its client.
fn fleet(client: &str, n_nodes: u32) -> Fleet {
    Fleet {
        client: find_client(client).expect("a client"),
        n_nodes: NonZeroU32::new(n_nodes).expect("some nodes"),
        n_addresses: NonZeroU32::MIN,
        account: None,
        image: Image {
            repository: "library/alpine".parse().expect("a repository"),
            is_index: true,
            n_layers: 3,
            layer_bytes: 8 << 20,
        },
        over: Duration::from_secs(600),
        restart: Restart::Kubelet,
        latency: Duration::from_millis(50),
        until: SIX_HOURS,
        seed: Seed::default(),
    }
}

criterion_group! { name = benches; config = criterion(); targets = fleets }
criterion_main!(benches);
