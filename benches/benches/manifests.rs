//! How many manifests a second our registry gives, over connections that are kept open; journal and limiter are on.
//!
//! Beside it: the same without a journal, which tells what one costs (target: 5 %), and a bare axum handler that answers with
//! the same bytes. The client does next to nothing.

use std::{future, io, net::SocketAddr, time::Duration};

use axum::{Router, body::Bytes};
use benches::{Cost, KeepAlive, cpu_time, criterion, now, runtime, say};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mock_registry::{ImageSpec, MockRegistry, RegistryConfig};
use testbed::{Clock, Journal};
use tokio::{net::TcpListener, task::JoinSet};

const N_CONNECTIONS: [u64; 2] = [1, 8];
const PATH: &str = "/v2/bench/app/manifests/1";

fn manifests(c: &mut Criterion) {
    let runtime = runtime();
    let (registry, silent, bare) = runtime.block_on(async {
        let registry = start_registry(|clock| Journal::bounded(clock, 1000)).await;
        let silent = start_registry(Journal::off).await;
        let mut client = KeepAlive::open(registry.address(), PATH).await.expect("the registry listens");
        let manifest = Bytes::copy_from_slice(client.exchange().await.expect("there is a manifest"));
        let bare = start_bare(manifest).await.expect("a handler can listen");
        (registry, silent, bare)
    });
    let mut group = c.benchmark_group("manifests");
    group.throughput(Throughput::Elements(1));
    for n_connections in N_CONNECTIONS {
        let journaled = ("pullrig", registry.address());
        for (name, at) in [journaled, ("without journal", silent.address()), ("bare handler", bare)] {
            let mut cost = Cost::default();
            let id = BenchmarkId::new(name, format!("{n_connections} connections"));
            group.bench_function(id, |b| {
                b.iter_custom(|n| {
                    let before = cpu_time();
                    let took = runtime.block_on(get(at, n, n_connections)).expect("every GET is answered");
                    cost.add_since(before, n);
                    took
                });
            });
            if let Some(us) = cost.seconds_per(1e6) {
                say(&format!(
                    "{name}, {n_connections} connections: {us:.1} CPU us for each GET, the client's included\n"
                ));
            }
        }
    }
    group.finish();
    assert!(registry.journal().last_seq() > 0, "the journal was on");
}

/// A registry with an image of two layers and a limit that lets everything through. Its clock is the machine's, so that
/// the limiter's log has an entry for each pull; its journal keeps as many entries as that of `pullrig serve`.
async fn start_registry(journal: impl Fn(&Clock) -> Journal) -> MockRegistry {
    let limit = "4000000000/6h".parse().expect("a limit");
    let config = RegistryConfig { limit: Some(limit), ..RegistryConfig::default() };
    let clock = Clock::system();
    let journal = journal(&clock);
    let builder = MockRegistry::builder("hub").config(config).clock(clock).journal(journal);
    let registry = builder.start().await.expect("a registry starts");
    let layers = ["2MiB", "512KiB"].map(|size| size.parse().expect("a size"));
    let image = ImageSpec::new("bench/app:1", layers).expect("an image");
    registry.add_image(&image).await.expect("the image is put in");
    registry
}

async fn start_bare(manifest: Bytes) -> io::Result<SocketAddr> {
    let answer = ([("content-type", "application/vnd.oci.image.manifest.v1+json")], manifest);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    let app = Router::new().fallback(move || future::ready(answer.clone()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(at)
}

/// Makes `n` GETs over `n_connections`, and returns how long they took.
async fn get(at: SocketAddr, n: u64, n_connections: u64) -> io::Result<Duration> {
    let mut clients = Vec::new();
    for _ in 0..n_connections {
        clients.push(KeepAlive::open(at, PATH).await?);
    }
    let mut workers = JoinSet::new();
    let begin = now();
    for (number, mut client) in (0..).zip(clients) {
        let n_mine = n / n_connections + u64::from(number < n % n_connections);
        workers.spawn(async move {
            for _ in 0..n_mine {
                client.exchange().await?;
            }
            io::Result::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.map_err(io::Error::other)??;
    }
    Ok(begin.elapsed())
}

criterion_group! { name = benches; config = criterion(); targets = manifests }
criterion_main!(benches);
