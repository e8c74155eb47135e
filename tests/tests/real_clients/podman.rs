//! podman, with a store of its own.

use std::process::Command;

use tempfile::TempDir;
use tests::{needs::Tool, program::finish};

use crate::round_trip::{Client, Registries, Transport, check};

struct Podman {
    store: TempDir,
    /// How registries are reached.
    reach: String,
}

impl Podman {
    fn new(transport: &Transport) -> Self {
        let reach = match transport.certificates() {
            None => String::from("--tls-verify=false"),
            Some(folder) => format!("--cert-dir={folder}"),
        };
        Self { store: tempfile::tempdir().expect("a folder for podman's store"), reach }
    }

    /// Runs `podman` to a good end, and returns what it printed.
    fn done(&self, args: &[&str]) -> String {
        let mut command = Command::new("podman");
        for (option, folder) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(self.store.path().join(folder));
        }
        // What works in a container too, and needs no systemd.
        command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        let output = finish(command.args(args));
        assert_eq!(output.status, 0, "podman {args:?}: {output:?}");
        output.stdout.trim().to_owned()
    }

    fn forget(&self) {
        self.done(&["image", "rm", "--all", "--force"]);
    }
}

impl Client for Podman {
    fn pull(&self, image: &str, platform: &str) -> String {
        self.done(&["pull", "--quiet", &self.reach, "--platform", platform, image]);
        let id = self.done(&["image", "inspect", "--format", "{{.Id}}", image]);
        self.forget();
        id
    }

    fn push(&self, from: &str, to: &str) {
        self.done(&["pull", "--quiet", &self.reach, from]);
        self.done(&["tag", from, to]);
        self.done(&["push", "--quiet", &self.reach, to]);
        self.forget();
    }

    fn push_index(&self, from: &str, to: &str) {
        self.done(&["manifest", "create", "index"]);
        self.done(&["manifest", "add", "--all", &self.reach, "index", &format!("docker://{from}")]);
        self.done(&["manifest", "push", "--all", &self.reach, "index", &format!("docker://{to}")]);
        self.forget();
    }
}

fn check_podman(start: impl FnOnce() -> Registries) {
    if Tool::Podman.is_here() {
        let registries = start();
        check(&Podman::new(&registries.transport), &registries);
    }
}

#[test]
fn podman_pushes_and_pulls_over_plain_http() {
    check_podman(Registries::plain);
}

#[test]
fn podman_pushes_and_pulls_over_tls() {
    check_podman(Registries::tls);
}
