//! How fast images are pulled: by our puller from our registry over loopback sockets, each byte hashed and dropped.
//!
//! Each image has eight layers, so that eight at once are eight. Beside it, over as many bytes and as many at once, the two
//! bounds of any pull on this machine: SHA-256 of bytes in memory, and a bare socket written and read.

use std::{
    hint::black_box,
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use benches::{Cost, cpu_time, criterion, now, runtime, say};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use mock_registry::{ImageSpec, MockRegistry, RegistryConfig};
use oci::ByteSize;
use puller::Puller;
use sha2::{Digest as _, Sha256};
use testbed::{
    Clock, Journal,
    net::{Names, Vantage},
    task::PullTask,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const LAYER_MIB: [usize; 3] = [1, 16, 64];
const CONCURRENCY: [usize; 3] = [1, 3, 8];
const N_LAYERS: usize = 8;
const GIB: f64 = (1_u64 << 30) as f64;

fn pulls(c: &mut Criterion) {
    let runtime = runtime();
    let rig = runtime.block_on(Rig::start());
    for mib in LAYER_MIB {
        let layer: Arc<[u8]> = vec![0x5a; mib << 20].into();
        let n_bytes = (layer.len() * N_LAYERS) as u64;
        let task = runtime.block_on(rig.add_image(mib));
        let socket = runtime.block_on(serve_bare(layer.clone())).expect("a socket can listen");

        let mut group = c.benchmark_group(format!("pull {N_LAYERS} x {mib} MiB"));
        group.throughput(Throughput::Bytes(n_bytes)).sampling_mode(SamplingMode::Flat).sample_size(10);
        for at_once in CONCURRENCY {
            let puller = rig.puller(at_once);
            let mut cost = Cost::default();
            group.bench_function(BenchmarkId::new("pullrig", at_once), |b| {
                b.iter_custom(|n| {
                    let (before, begin) = (cpu_time(), now());
                    for _ in 0..n {
                        let pulled = runtime.block_on(puller.pull(&task)).expect("the registry has the image");
                        assert!(pulled.received_bytes >= n_bytes, "every layer is received");
                    }
                    let took = begin.elapsed();
                    cost.add_since(before, n * n_bytes);
                    took
                });
            });
            group.bench_function(BenchmarkId::new("sha256", at_once), |b| b.iter(|| hash(&layer, at_once)));
            group.bench_function(BenchmarkId::new("bare socket", at_once), |b| {
                b.iter(|| runtime.block_on(read_bare(socket, layer.len(), at_once)).expect("the socket is written to"));
            });
            if let Some(seconds) = cost.seconds_per(GIB) {
                say(&format!(
                    "{N_LAYERS} x {mib} MiB, {at_once} at once: {seconds:.2} CPU s/GiB, both ends together\n"
                ));
            }
        }
        group.finish();
    }
}

/// A registry and a place to pull from, with one journal, on one clock.
struct Rig {
    registry: MockRegistry,
    from: Vantage,
}

impl Rig {
    async fn start() -> Self {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let journal = Journal::new(&clock);
        let names = Names::default();
        let config = RegistryConfig {
            hosts: Some(vec![String::from("registry.test")]),
            limit: Some("1000000/6h".parse().expect("a limit")),
            ..RegistryConfig::default()
        };
        let builder = MockRegistry::builder("hub").config(config).clock(clock).journal(journal.clone()).names(&names);
        let registry = builder.start().await.expect("a registry starts");
        let from = Vantage::in_world("bench", None, None, &names, &journal).expect("a place in the world");
        Self { registry, from }
    }

    /// Puts an image in and returns the task to pull it.
    async fn add_image(&self, layer_mib: usize) -> PullTask {
        let layers = vec![ByteSize((layer_mib as u64) << 20); N_LAYERS];
        let image = ImageSpec::new(&format!("bench/layers:{layer_mib}"), layers).expect("an image");
        self.registry.add_image(&image).await.expect("the image is put in");
        let image = format!("registry.test/bench/layers:{layer_mib}").parse().expect("an image reference");
        PullTask::new(image, self.from.clone())
    }

    fn puller(&self, at_once: usize) -> Puller {
        let at_once = NonZeroUsize::new(at_once).expect("at least one at once");
        Puller::builder(self.registry.clock(), self.registry.journal()).concurrency(at_once).build()
    }
}

/// The hash of all layers.
fn hash(layer: &[u8], at_once: usize) {
    let n_taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while n_taken.fetch_add(1, Ordering::Relaxed) < N_LAYERS {
                    black_box(Sha256::digest(black_box(layer)));
                }
            });
        }
    });
}

/// Writes `layer` for each byte that a client sends.
async fn serve_bare(layer: Arc<[u8]>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let layer = layer.clone();
            tokio::spawn(
                async move { while stream.read_u8().await.is_ok() && stream.write_all(&layer).await.is_ok() {} },
            );
        }
    });
    Ok(at)
}

/// Reads all layers from bare sockets.
async fn read_bare(at: SocketAddr, layer_bytes: usize, at_once: usize) -> io::Result<()> {
    let n_taken = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let n_taken = n_taken.clone();
        workers.spawn(async move {
            let mut stream = TcpStream::connect(at).await?;
            let mut buffer = vec![0; 256 << 10];
            while n_taken.fetch_add(1, Ordering::Relaxed) < N_LAYERS {
                stream.write_u8(0).await?;
                let mut n_left = layer_bytes;
                while n_left > 0 {
                    match stream.read(&mut buffer).await? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        n => n_left -= n,
                    }
                }
            }
            io::Result::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.map_err(io::Error::other)??;
    }
    Ok(())
}

criterion_group! { name = benches; config = criterion(); targets = pulls }
criterion_main!(benches);
