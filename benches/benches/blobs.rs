//! How fast our registry gives blobs, over connections that are kept open; journal and limiter are on.
//!
//! From memory, from a folder whose files the system has in memory, and made up. Beside it: a bare loop that writes the same
//! bytes to a socket. The client has the kernel throw away what arrives. Targets: from memory 0.95 of the bare loop, from the
//! folder 0.9 and made up 0.5 of that from memory.

use std::{future::Future, io, net::SocketAddr, thread, time::Duration};

use benches::{Cost, Discard, KeepAlive, cpu_time, criterion, now, push_blob, runtime, say};
use bytes::{Buf, Bytes};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use mock_registry::{Builder, ImageSpec, MockRegistry, RegistryConfig};
use oci::{Digest, Manifest};
use testbed::{Clock, Journal};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const BLOB_MIB: [usize; 3] = [1, 10, 64];
const N_CONNECTIONS: [u64; 2] = [1, 8];
const REPOSITORY: &str = "bench/app";
const GIB: f64 = (1_u64 << 30) as f64;

fn blobs(c: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder for the store");
    let memory = runtime.block_on(start(|builder| builder));
    let stored = runtime.block_on(start(|builder| builder.store(folder.path())));
    for mib in BLOB_MIB {
        let blob: Bytes = (0..mib << 20).map(|n| (n / 7) as u8).collect();
        let digest = Digest::of(&blob);
        let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
        for registry in [&memory, &stored] {
            push_blob(registry.address(), REPOSITORY, &digest, &blob, 1).expect("the registry takes a blob");
        }
        let made_up = runtime.block_on(add_layer(&memory, mib));
        let bare = runtime.block_on(serve_bare(blob)).expect("a socket can listen");

        let mut group = c.benchmark_group(format!("blob of {mib} MiB"));
        group.throughput(Throughput::Bytes((mib << 20) as u64)).sampling_mode(SamplingMode::Flat);
        for n_connections in N_CONNECTIONS {
            for (name, at, path) in [
                ("bare socket", bare, &path),
                ("pullrig memory", memory.address(), &path),
                ("pullrig folder", stored.address(), &path),
                ("pullrig made up", memory.address(), &made_up),
            ] {
                let mut cost = Cost::default();
                group.bench_function(BenchmarkId::new(name, format!("{n_connections} connections")), |b| {
                    b.iter_custom(|n| {
                        let before = cpu_time();
                        let (took, n_bytes) = get(at, path, n, n_connections).expect("every GET is answered");
                        cost.add_since(before, n_bytes);
                        took
                    });
                });
                if let Some(seconds) = cost.seconds_per(GIB) {
                    say(&format!(
                        "{name}, {mib} MiB, {n_connections} connections: {seconds:.3} CPU s/GiB, the client's included\n"
                    ));
                }
            }
        }
        group.finish();
    }
    assert!(memory.journal().last_seq() > 0, "the journal was on");
}

/// A registry with a limit that lets everything through, on the machine's clock; its journal keeps as many entries as that of
/// `pullrig serve`.
fn start(with: impl FnOnce(Builder) -> Builder) -> impl Future<Output = MockRegistry> {
    let config = RegistryConfig { limit: Some("4000000000/1s".parse().expect("a limit")), ..RegistryConfig::default() };
    let clock = Clock::system();
    let journal = Journal::bounded(&clock, 10_000);
    let builder = with(MockRegistry::builder("hub").config(config).clock(clock).journal(journal));
    async { builder.start().await.expect("a registry starts") }
}

/// Puts an image with one layer of `mib` in, and returns the path of that layer.
async fn add_layer(registry: &MockRegistry, mib: usize) -> String {
    let size = format!("{mib}MiB").parse().expect("a size");
    let image = ImageSpec::new(&format!("{REPOSITORY}:{mib}"), [size]).expect("an image");
    registry.add_image(&image).await.expect("the image is put in");
    let path = format!("/v2/{REPOSITORY}/manifests/{mib}");
    let mut client = KeepAlive::open(registry.address(), &path).await.expect("the registry listens");
    let manifest = client.exchange().await.expect("there is a manifest");
    let Ok(Manifest::Image(manifest)) = Manifest::parse(manifest, None) else { panic!("it is an image") };
    format!("/v2/{REPOSITORY}/blobs/{}", manifest.layers[0].digest)
}

/// Answers each request with `blob`, and looks at none.
async fn serve_bare(blob: Bytes) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_bare(stream, blob.clone()));
        }
    });
    Ok(at)
}

async fn answer_bare(mut stream: TcpStream, blob: Bytes) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", blob.len());
    let mut request = [0; 4096];
    stream.set_nodelay(true)?;
    // A request is small, and comes alone.
    while stream.read(&mut request).await? > 0 {
        stream.write_all_buf(&mut Buf::chain(head.as_bytes(), &blob[..])).await?;
    }
    Ok(())
}

/// Makes `n` GETs over `n_connections`, and returns how long they took and how much came.
fn get(at: SocketAddr, path: &str, n: u64, n_connections: u64) -> io::Result<(Duration, u64)> {
    let clients = (0..n_connections).map(|_| Discard::open(at, path)).collect::<io::Result<Vec<_>>>()?;
    let begin = now();
    let n_bytes = thread::scope(|scope| {
        let workers: Vec<_> = (0..)
            .zip(clients)
            .map(|(number, mut client)| {
                let n_mine = n / n_connections + u64::from(number < n % n_connections);
                scope.spawn(move || (0..n_mine).map(|_| client.get()).sum::<io::Result<u64>>())
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a client does not panic")).sum::<io::Result<u64>>()
    })?;
    Ok((begin.elapsed(), n_bytes))
}

criterion_group! { name = benches; config = criterion(); targets = blobs }
criterion_main!(benches);
