//! How many requests a second the API of connectors answers, over connections that are kept open; the journal is on. Target:
//! 15,000.
//!
//! Beside it: a bare axum handler that takes the body and answers with the same bytes. The client does next to nothing.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::{Router, body::Bytes};
use benches::{Cost, KeepAlive, api_request, cpu_time, criterion, docker_connector, now, runtime, say, start_platform};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

const N_CONNECTIONS: [u64; 2] = [1, 8];
const CONNECTORS: &str = "/gateway/ng/api/connectors";

/// What is asked, request by request; each names a connector of its own.
#[derive(Clone, Copy, Debug)]
enum Work {
    Create,
    Get,
    Update,
    /// Create, get, update, delete.
    Mixed,
}

fn connectors(c: &mut Criterion) {
    let runtime = runtime();
    let platform = runtime.block_on(start_platform());
    let at = platform.address();
    let bare = runtime.block_on(async {
        // What all of them are answered with, nearly.
        let mut client = KeepAlive::open_for(at, create(at, "first")).await.expect("the platform listens");
        let answer = Bytes::copy_from_slice(client.exchange().await.expect("a connector is created"));
        start_bare(answer).await.expect("a handler can listen")
    });
    let mut group = c.benchmark_group("harness_api");
    group.throughput(Throughput::Elements(1));
    for n_connections in N_CONNECTIONS {
        let works = [("create", Work::Create), ("get", Work::Get), ("update", Work::Update), ("mixed", Work::Mixed)];
        let ours = works.map(|(name, work)| (name, at, work));
        for (name, at, work) in ours.into_iter().chain([("bare handler", bare, Work::Create)]) {
            let mut cost = Cost::default();
            group.bench_function(BenchmarkId::new(name, format!("{n_connections} connections")), |b| {
                b.iter_custom(|n| {
                    let before = cpu_time();
                    let took = runtime.block_on(ask(at, work, n, n_connections)).expect("every request is answered");
                    cost.add_since(before, n);
                    took
                });
            });
            if let Some(us) = cost.seconds_per(1e6) {
                say(&format!("{name}, {n_connections} connections: {us:.1} CPU us a request, the client's included\n"));
            }
        }
    }
    group.finish();
}

async fn start_bare(answer: Bytes) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    let app = Router::new().fallback(move |_: Bytes| {
        let answer = ([("content-type", "application/json")], answer.clone());
        async move { answer }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(at)
}

/// Makes `n` requests over `n_connections`, and returns how long they took.
async fn ask(at: SocketAddr, work: Work, n: u64, n_connections: u64) -> io::Result<Duration> {
    let mut clients = Vec::new();
    for _ in 0..n_connections {
        clients.push(KeepAlive::open_for(at, create(at, "first")).await?);
    }
    let mut workers = JoinSet::new();
    let begin = now();
    for (number, mut client) in (0..).zip(clients) {
        let n_mine = n / n_connections + u64::from(number < n % n_connections);
        workers.spawn(async move {
            let mut identifier = String::new();
            for turn in 0..n_mine {
                client.set_request(request(at, work, turn, &mut identifier));
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

/// The request whose turn it is; `identifier` is the one that the worker made last.
fn request(at: SocketAddr, work: Work, turn: u64, identifier: &mut String) -> String {
    static N_MADE: AtomicU64 = AtomicU64::new(0);
    let mut make = || {
        *identifier = format!("mirror{}", N_MADE.fetch_add(1, Ordering::Relaxed));
        create(at, identifier)
    };
    match (work, turn % 4) {
        (Work::Create, _) | (Work::Mixed, 0) => make(),
        (Work::Get, _) => get(at, "first"),
        (Work::Update, _) => update(at, "first"),
        (Work::Mixed, 1) => get(at, identifier),
        (Work::Mixed, 2) => update(at, identifier),
        (Work::Mixed, _) => api_request(at, "DELETE", &format!("{CONNECTORS}/{identifier}"), &Value::Null),
    }
}

fn create(at: SocketAddr, identifier: &str) -> String {
    api_request(at, "POST", CONNECTORS, &docker_connector(identifier, "internal images come from the mirror"))
}

fn update(at: SocketAddr, identifier: &str) -> String {
    api_request(at, "PUT", CONNECTORS, &docker_connector(identifier, "internal images come from another mirror"))
}

fn get(at: SocketAddr, identifier: &str) -> String {
    api_request(at, "GET", &format!("{CONNECTORS}/{identifier}"), &Value::Null)
}

criterion_group! { name = benches; config = criterion(); targets = connectors }
criterion_main!(benches);
