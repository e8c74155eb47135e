//! How fast a blob is pushed to `pullrig serve --store`, and how much memory that takes.
//!
//! Beside it, over as many bytes, the two bounds: SHA-256 of bytes in memory, and a file that they are written to. The push
//! of 10 GiB is one, and its line tells the most memory that the server had resident; target: 64 MiB. `PULLRIG_PUSH_GIB` says
//! another size.

use std::{
    fs::File,
    io::{self, Write as _},
    panic::catch_unwind,
    path::Path,
};

use benches::{Serve, criterion, now, push_blob, say};
use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use oci::{Algorithm, Digest, Digester};
use tests::program::pullrig;

const PIECE_BYTES: usize = 1 << 20;
const N_PIECES: usize = 256;
const LARGE_GIB: usize = 10;
const REPOSITORY: &str = "bench/app";

fn push(c: &mut Criterion) {
    if catch_unwind(pullrig).is_err() {
        say("push: skipped, because pullrig does not build");
        return;
    }
    let piece: Vec<u8> = (0..PIECE_BYTES).map(|n| (n / 7) as u8).collect();
    let digest = digest_of(&piece, N_PIECES);
    let folder = tempfile::tempdir().expect("a folder for the store");
    let registry = Serve::start_in(folder.path()).expect("pullrig serves");

    let mut group = c.benchmark_group(format!("push {N_PIECES} MiB"));
    group.throughput(Throughput::Bytes((PIECE_BYTES * N_PIECES) as u64));
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.bench_function("pullrig", |b| {
        b.iter(|| push_blob(registry.at(), REPOSITORY, &digest, &piece, N_PIECES).expect("the blob is taken"));
    });
    group.bench_function("sha256", |b| b.iter(|| digest_of(&piece, N_PIECES)));
    group.bench_function("bare file", |b| {
        let path = folder.path().join("bare");
        b.iter_batched(
            // To write over a file costs less than to write a new one.
            || drop(std::fs::remove_file(&path)),
            |()| write_bare(&path, &piece, N_PIECES).expect("the disk has room"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    drop((registry, folder));
    say(&large(&piece).unwrap_or_else(|error| format!("push: the large one skipped: {error}")));
}

/// Pushes one large blob, and tells of speed and memory, in words.
fn large(piece: &[u8]) -> io::Result<String> {
    let n_gib = match std::env::var("PULLRIG_PUSH_GIB") {
        Ok(n_gib) => n_gib.parse().map_err(io::Error::other)?,
        Err(_) => LARGE_GIB,
    };
    let n_pieces = n_gib << 10;
    let begin = now();
    let digest = digest_of(piece, n_pieces);
    let hashed = begin.elapsed();
    let folder = tempfile::tempdir()?;
    let registry = Serve::start_in(folder.path())?;
    let begin = now();
    push_blob(registry.at(), REPOSITORY, &digest, piece, n_pieces)?;
    let pushed = begin.elapsed();
    Ok(format!(
        "push: {n_gib} GiB in {:.1} s, {:.2} GiB/s (sha256 alone: {:.2}); at most {:.1} MiB resident (target 64)\n",
        pushed.as_secs_f64(),
        n_gib as f64 / pushed.as_secs_f64(),
        n_gib as f64 / hashed.as_secs_f64(),
        registry.peak_mib()?,
    ))
}

fn digest_of(piece: &[u8], n_pieces: usize) -> Digest {
    let mut digester = Digester::new(Algorithm::Sha256);
    for _ in 0..n_pieces {
        digester.update(piece);
    }
    digester.finish()
}

fn write_bare(path: &Path, piece: &[u8], n_pieces: usize) -> io::Result<()> {
    let mut file = File::create(path)?;
    for _ in 0..n_pieces {
        file.write_all(piece)?;
    }
    Ok(())
}

criterion_group! { name = benches; config = criterion(); targets = push }
criterion_main!(benches);
