//! How soon `pullrig serve` is ready, and how much memory it takes with a large catalogue.
//!
//! Ready is the line that it prints; target: 30 ms. Beside it: `pullrig --version`, which is what starting a program takes.
//! The catalogue has 1024 images of 1 GiB; some are asked for, so that their layers are computed. Target: 60 MiB.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    panic::catch_unwind,
    process::{Child, Stdio},
};

use benches::{KeepAlive, criterion, now, runtime, say};
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
    let at_start_kib = serve.resident_kib()?;
    runtime().block_on(async {
        for n in 0..N_ASKED {
            KeepAlive::open(serve.at, &format!("/v2/bench/app-{n}/manifests/1")).await?.get().await?;
        }
        io::Result::Ok(())
    })?;
    let mib = |kib: u64| kib as f64 / 1024.0;
    let asked_kib = serve.resident_kib()?;
    Ok(format!(
        "serve: a catalogue of {N_IMAGES} images of 1 GiB has {:.1} MiB resident at the start, {:.1} MiB after the manifests \
         of {N_ASKED} were asked for",
        mib(at_start_kib),
        mib(asked_kib),
    ))
}

/// A `pullrig serve` that is ready; killed when dropped.
struct Serve {
    child: Child,
    at: SocketAddr,
}

impl Serve {
    fn start<'a>(images: impl IntoIterator<Item = &'a str>) -> io::Result<Self> {
        let mut command = pullrig();
        command.args(["serve", "--preset", "generic"]).stdout(Stdio::piped());
        for image in images {
            command.args(["--image", image]);
        }
        let mut child = command.spawn()?;
        match child.stdout.take().map(read_address) {
            Some(Ok(at)) => Ok(Self { child, at }),
            _ => {
                child.kill()?;
                let status = child.wait()?;
                Err(io::Error::other(format!("pullrig serve did not get ready: {status}")))
            }
        }
    }

    /// `VmRSS`, which only Linux tells.
    fn resident_kib(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        kib.ok_or_else(|| io::Error::other("the system does not tell it"))
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The address in `ready generic http://127.0.0.1:4123`.
fn read_address(stdout: impl io::Read) -> io::Result<SocketAddr> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let url = line.trim_end().rsplit_once("http://").map(|(_, authority)| authority.trim_end_matches('/'));
    url.and_then(|at| at.parse().ok())
        .ok_or_else(|| io::Error::other(format!("`{}` tells no address", line.trim_end())))
}

criterion_group! { name = benches; config = criterion(); targets = serve }
criterion_main!(benches);
