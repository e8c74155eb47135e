//! What idle clients cost: 10,000 connections that each asked once and then stay.
//!
//! Two figures: the memory that is resident with them (target: 150 MiB), and how long one more client takes to connect and to
//! ask, alone and beside them; idle clients are to cost the others nothing.

use std::{io, panic::catch_unwind};

use benches::{KeepAlive, Serve, criterion, runtime, say};
use criterion::{Criterion, criterion_group, criterion_main};
use testbed::raise_open_files;
use tests::program::pullrig;
use tokio::runtime::Runtime;

const N_IDLE: usize = 10_000;
const PATH: &str = "/v2/library/alpine/manifests/3";
const IMAGE: &str = "library/alpine:3=3MiB";

fn idle(c: &mut Criterion) {
    if catch_unwind(pullrig).is_err() {
        say("idle: skipped, because pullrig does not build");
        return;
    }
    let runtime = runtime();
    let serve = Serve::start([IMAGE]).expect("pullrig serves");
    connect_and_get(c, &runtime, &serve, "alone");
    let alone_mib = serve.resident_mib();
    // The file limit is that of this process; that of `serve` is its own business.
    let idle = match raise_open_files().and_then(|()| runtime.block_on(open_idle(&serve))) {
        Ok(idle) => idle,
        Err(error) => {
            say(&format!("idle: {N_IDLE} connections skipped: {error}"));
            return;
        }
    };
    match alone_mib.and_then(|alone| Ok((alone, serve.resident_mib()?))) {
        Ok((alone, with_idle)) => say(&format!(
            "idle: {N_IDLE} connections have {with_idle:.1} MiB resident, {:.1} KiB each above the {alone:.1} MiB without",
            (with_idle - alone) * 1024.0 / N_IDLE as f64,
        )),
        Err(error) => say(&format!("idle: resident memory skipped: {error}")),
    }
    connect_and_get(c, &runtime, &serve, "beside-10000");
    drop(idle);
}

/// One client after the other: connect, ask once, go.
fn connect_and_get(c: &mut Criterion, runtime: &Runtime, serve: &Serve, name: &str) {
    c.benchmark_group("connect-and-get").bench_function(name, |b| {
        b.to_async(runtime).iter(|| async {
            let mut connection = KeepAlive::open(serve.at(), PATH).await.expect("it is listened");
            let n_bytes = connection.exchange().await.expect("the manifest is there").len();
            connection.reset().expect("the connection is open");
            n_bytes
        });
    });
}

async fn open_idle(serve: &Serve) -> io::Result<Vec<KeepAlive>> {
    let mut idle = Vec::with_capacity(N_IDLE);
    for _ in 0..N_IDLE {
        let mut connection = KeepAlive::open(serve.at(), PATH).await?;
        connection.exchange().await?;
        idle.push(connection);
    }
    Ok(idle)
}

criterion_group! { name = benches; config = criterion(); targets = idle }
criterion_main!(benches);
