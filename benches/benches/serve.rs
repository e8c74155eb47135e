//! How soon `pullrig serve` is ready, and how much memory it takes with a large catalogue.
//!
//! Ready is the line that it prints; target: 30 ms. Beside it: `pullrig --version`, which is what starting a program takes.
//! The catalogue has 1024 images of 1 GiB; some are asked for, so that their layers are computed. Target: 60 MiB.

use std::{io, panic::catch_unwind};

use benches::{KeepAlive, Serve, criterion, now, runtime, say};
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use tests::program::{finish, pullrig};

const N_IMAGES: usize = 1024;
/// Images whose manifests are asked for: each has 1 GiB to hash.
const N_ASKED: usize = 8;

fn serve(c: &mut Criterion) {
    if catch_unwind(pullrig).is_err() {
        say("serve: skipped, because pullrig does not build");
        return;
    }
    let mut group = c.benchmark_group("serve");
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("ready", |b| {
        b.iter_custom(|n| {
            (0..n)
                .map(|_| {
                    let begin = now();
                    let serve = Serve::start(["library/alpine:3=3MiB"]).expect("pullrig serves");
                    let took = begin.elapsed();
                    drop(serve);
                    took
                })
                .sum()
        });
    });
    group.bench_function("version", |b| b.iter(|| finish(pullrig().arg("--version"))));
    group.finish();
    say(&resident().unwrap_or_else(|error| format!("serve: resident memory skipped: {error}")));
}

/// How much memory is resident, in words.
fn resident() -> io::Result<String> {
    let images: Vec<_> = (0..N_IMAGES).map(|n| format!("bench/app-{n}:1=512MiB,256MiB,256MiB")).collect();
    let serve = Serve::start(images.iter().map(String::as_str))?;
    let at_start_mib = serve.resident_mib()?;
    runtime().block_on(async {
        for n in 0..N_ASKED {
            KeepAlive::open(serve.at(), &format!("/v2/bench/app-{n}/manifests/1")).await?.exchange().await?;
        }
        io::Result::Ok(())
    })?;
    let asked_mib = serve.resident_mib()?;
    Ok(format!(
        "serve: a catalogue of {N_IMAGES} images of 1 GiB has {at_start_mib:.1} MiB resident at the start, {asked_mib:.1} MiB \
         after the manifests of {N_ASKED} were asked for",
    ))
}

criterion_group! { name = benches; config = criterion(); targets = serve }
criterion_main!(benches);
