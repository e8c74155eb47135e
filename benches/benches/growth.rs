//! What stays the same when a registry grows: a GET beside 10 and beside 100,000 other repositories, a page of tags out of
//! 100 and out of 100,000, and how much memory 1,000 registries in one process take. Target: 100 MiB.

use std::io;

use benches::{KeepAlive, criterion, memory_mib, runtime, say};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mock_registry::{ImageSpec, MockRegistry};
use tokio::runtime::Runtime;

const N_REPOSITORIES: [usize; 2] = [10, 100_000];
const N_TAGS: [usize; 2] = [100, 100_000];
const N_REGISTRIES: usize = 1_000;

fn growth(c: &mut Criterion) {
    let runtime = runtime();
    // First, while nothing else was ever allocated.
    say(&runtime.block_on(many_registries()).unwrap_or_else(|error| format!("growth: memory skipped: {error}")));
    let mut group = c.benchmark_group("growth");
    for n in N_REPOSITORIES {
        let names = (0..n).map(|n| format!("bench/app-{n}:1"));
        let id = BenchmarkId::new("manifest beside repositories", n);
        measure(&mut group, &runtime, id, names, "/v2/bench/app-7/manifests/1");
    }
    for n in N_TAGS {
        let names = (0..n).map(|n| format!("bench/app:{n:06}"));
        let id = BenchmarkId::new("page of 50 out of tags", n);
        measure(&mut group, &runtime, id, names, "/v2/bench/app/tags/list?n=50&last=000042");
    }
    group.finish();
}

fn measure(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    runtime: &Runtime,
    id: BenchmarkId,
    names: impl Iterator<Item = String>,
    path: &str,
) {
    let (registry, mut client) = runtime.block_on(async {
        let registry = MockRegistry::start().await;
        for name in names {
            let image = ImageSpec::new(&name, []).expect("an image");
            registry.add_image(&image).await.expect("the image is put in");
        }
        let client = KeepAlive::open(registry.address(), path).await.expect("the registry listens");
        (registry, client)
    });
    group.bench_function(id, |b| {
        b.iter(|| runtime.block_on(async { client.exchange().await.map(<[u8]>::len) }).expect("200"))
    });
    drop(registry);
}

/// Starts them, asks each once, and tells how much more is resident, in words.
async fn many_registries() -> io::Result<String> {
    let before_mib = memory_mib("self", "VmRSS")?;
    let mut registries = Vec::new();
    for _ in 0..N_REGISTRIES {
        let registry = MockRegistry::start().await;
        let image = ImageSpec::new("bench/app:1", []).map_err(io::Error::other)?;
        registry.add_image(&image).await.map_err(io::Error::other)?;
        KeepAlive::open(registry.address(), "/v2/bench/app/manifests/1").await?.exchange().await?;
        registries.push(registry);
    }
    let mib = memory_mib("self", "VmRSS")? - before_mib;
    Ok(format!("growth: {N_REGISTRIES} registries, each asked once, take {mib:.1} MiB (target 100)\n"))
}

criterion_group! { name = benches; config = criterion(); targets = growth }
criterion_main!(benches);
