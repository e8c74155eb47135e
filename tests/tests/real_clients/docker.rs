//! docker: its engine stores an image, and its command line composes an index from images that were pushed.
//!
//! It speaks plain HTTP to 127.0.0.0/8 unless there is TLS, which it does not verify there. Whom it trusts elsewhere, it is
//! told by files in a folder of its own.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tests::{
    needs::Tool,
    program::{Output, finish},
};

use crate::round_trip::{Client, Registries, Transport, check};

pub(crate) fn docker(args: &[&str]) -> Output {
    finish(Command::new("docker").args(args))
}

/// Runs `docker` to a good end, and returns what it printed.
fn done(args: &[&str]) -> String {
    let output = docker(args);
    assert_eq!(output.status, 0, "docker {args:?}: {output:?}");
    output.stdout.trim().to_owned()
}

/// One of the tests below at a time has the engine: images of the same content are one image there, and who takes its last
/// name away while another pulls it removes it for both.
static ENGINE: Mutex<()> = Mutex::new(());

/// The engine, for as long as this is not dropped.
fn turn() -> MutexGuard<'static, ()> {
    ENGINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An image that the engine may have got, removed when dropped.
pub(crate) struct DockerImage(pub(crate) String);

impl Drop for DockerImage {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", &self.0]);
    }
}

/// Where the engine and the command line look up whom to trust, in a folder for each registry.
const TRUSTED: &str = "/etc/docker/certs.d";

/// Whom docker trusts for as long as this is not dropped.
struct Trusted {
    /// The folders that were made, each in one before it.
    folders: Vec<PathBuf>,
}

impl Trusted {
    fn new(registries: &Registries) -> Self {
        let mut trusted = Self { folders: Vec::new() };
        let Some(ca) = registries.transport.ca() else { return trusted };
        trusted.make(PathBuf::from(TRUSTED));
        for authority in registries.authorities() {
            let folder = PathBuf::from(TRUSTED).join(authority);
            trusted.make(folder.clone());
            fs::copy(&ca, folder.join("ca.crt")).expect("the certificate can be copied");
        }
        trusted
    }

    fn make(&mut self, folder: PathBuf) {
        if !folder.exists() {
            fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            self.folders.push(folder);
        }
    }
}

impl Drop for Trusted {
    fn drop(&mut self) {
        for folder in self.folders.iter().rev() {
            // The first of them may hold what others made since.
            drop(fs::remove_file(folder.join("ca.crt")));
            drop(fs::remove_dir(folder));
        }
    }
}

struct Docker {
    /// What the command line is told of registries that speak plain HTTP; it makes indexes without the engine.
    insecure: &'static [&'static str],
    _trusted: Trusted,
}

impl Docker {
    fn new(registries: &Registries) -> Self {
        let insecure: &[&str] = match registries.transport {
            Transport::Plain => &["--insecure"],
            Transport::Tls(_) => &[],
        };
        Self { insecure, _trusted: Trusted::new(registries) }
    }

    fn push_platform(from: &str, to: &str, platform: &[&str]) {
        let (from, to) = (DockerImage(from.to_owned()), DockerImage(to.to_owned()));
        done(&[&["pull", "--quiet"], platform, &[&from.0]].concat());
        done(&["tag", &from.0, &to.0]);
        done(&["push", "--quiet", &to.0]);
    }
}

impl Client for Docker {
    fn pull(&self, image: &str, platform: &str) -> String {
        let image = DockerImage(image.to_owned());
        done(&["pull", "--quiet", "--platform", platform, &image.0]);
        done(&["image", "inspect", "--format", "{{.Id}}", &image.0])
    }

    fn push(&self, from: &str, to: &str) {
        Self::push_platform(from, to, &[]);
    }

    fn push_index(&self, from: &str, to: &str) {
        let [amd64, arm64] = ["amd64", "arm64"].map(|architecture| {
            let tag = format!("{to}-{architecture}");
            Self::push_platform(from, &tag, &["--platform", &format!("linux/{architecture}")]);
            tag
        });
        done(&[&["manifest", "create"], self.insecure, &[to, &amd64, &arm64]].concat());
        done(&[&["manifest", "push", "--purge"], self.insecure, &[to]].concat());
    }
}

#[test]
fn docker_pushes_and_pulls_over_plain_http() {
    if Tool::Docker.is_here() {
        let _turn = turn();
        let registries = Registries::plain();
        check(&Docker::new(&registries), &registries);
    }
}

#[test]
fn docker_pushes_and_pulls_over_tls() {
    if Tool::DockerTrust.is_here() {
        let _turn = turn();
        let registries = Registries::tls();
        check(&Docker::new(&registries), &registries);
    }
}
