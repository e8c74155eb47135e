//! docker: its engine stores an image, and its command line composes an index from images that were pushed.
//!
//! It speaks plain HTTP to 127.0.0.0/8 unless there is TLS, which it does not verify there.

use std::process::Command;

use tests::{
    needs::Tool,
    program::{Output, finish},
};

use crate::round_trip::{Client, Registries, check};

pub(crate) fn docker(args: &[&str]) -> Output {
    finish(Command::new("docker").args(args))
}

/// Runs `docker` to a good end, and returns what it printed.
fn done(args: &[&str]) -> String {
    let output = docker(args);
    assert_eq!(output.status, 0, "docker {args:?}: {output:?}");
    output.stdout.trim().to_owned()
}

/// An image that the engine may have got, removed when dropped.
pub(crate) struct DockerImage(pub(crate) String);

impl Drop for DockerImage {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", &self.0]);
    }
}

struct Docker;

impl Docker {
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
        done(&["manifest", "create", "--insecure", to, &amd64, &arm64]);
        done(&["manifest", "push", "--insecure", "--purge", to]);
    }
}

#[test]
fn docker_pushes_and_pulls_over_plain_http() {
    if Tool::Docker.is_here() {
        check(&Docker, &Registries::start());
    }
}
