//! containerd, an engine of our own: its folders and its socket are those of the test. It is told what to do by `ctr`.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tests::{
    needs::Tool,
    program::{Output, finish, wait_until},
};

use crate::round_trip::{Client, Registries, Transport, check};

/// The longest that the engine may take until it answers, on a machine that does much else.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// An engine, killed when dropped.
struct Containerd {
    child: Child,
    folder: TempDir,
    /// How registries are reached.
    reach: String,
}

impl Containerd {
    fn start(transport: &Transport) -> Self {
        let folder = tempfile::tempdir().expect("a folder for containerd");
        let at = folder.path().display();
        // Kubernetes' interface is of no use here, and needs a network.
        let config = format!(
            "version = 2\nroot = \"{at}/root\"\nstate = \"{at}/state\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{at}/socket\"\n[ttrpc]\naddress = \"{at}/socket.ttrpc\"\n"
        );
        let file = folder.path().join("config.toml");
        std::fs::write(&file, config).expect("the configuration can be written");
        let mut command = Command::new("containerd");
        command.arg("--config").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let reach = match transport.ca() {
            None => String::from("--plain-http"),
            Some(ca) => format!("--tlscacert={}", ca.display()),
        };
        let engine = Self { child, folder, reach };
        let ready = wait_until(READY_WITHIN, || (engine.ctr(&["version"]).status == 0).then_some(()));
        assert!(ready.is_some(), "{command:?} was not ready within {READY_WITHIN:?}");
        engine
    }

    fn ctr(&self, args: &[&str]) -> Output {
        finish(Command::new("ctr").arg("--address").arg(self.folder.path().join("socket")).args(args))
    }

    /// Runs `ctr` to a good end, and returns what it printed.
    fn done(&self, args: &[&str]) -> String {
        let output = self.ctr(args);
        assert_eq!(output.status, 0, "ctr {args:?}: {output:?}");
        output.stdout
    }

    /// Pulls and unpacks, with the snapshotter that works on any file system.
    fn fetch(&self, image: &str, platform: &[&str]) {
        self.done(&[&["images", "pull", &self.reach, "--snapshotter", "native"], platform, &[image]].concat());
    }

    /// The content called `digest`.
    fn content(&self, digest: &str) -> Value {
        serde_json::from_str(&self.done(&["content", "get", digest])).expect("manifests are JSON")
    }

    /// The digest of what `image` names.
    fn digest(&self, image: &str) -> String {
        let line = self.done(&["images", "list", &format!("name=={image}")]);
        let digest = line.split_whitespace().find(|word| word.starts_with("sha256:"));
        String::from(digest.expect("the list says the digest"))
    }

    fn push_all(&self, from: &str, to: &str) {
        self.fetch(from, &["--all-platforms"]);
        self.done(&["images", "tag", from, to]);
        self.done(&["images", "push", &self.reach, to]);
        self.forget(&[from, to]);
    }

    fn forget(&self, images: &[&str]) {
        self.done(&[&["images", "remove", "--sync"], images].concat());
    }
}

impl Client for Containerd {
    fn pull(&self, image: &str, platform: &str) -> String {
        self.fetch(image, &["--platform", platform]);
        let mut manifest = self.content(&self.digest(image));
        let architecture = platform.split('/').next_back();
        if let Some(children) = manifest["manifests"].as_array() {
            let child = children.iter().find(|child| child["platform"]["architecture"].as_str() == architecture);
            manifest = self.content(child.and_then(|child| child["digest"].as_str()).expect("the platform is there"));
        }
        self.forget(&[image]);
        String::from(manifest["config"]["digest"].as_str().expect("the manifest names a configuration"))
    }

    fn push(&self, from: &str, to: &str) {
        self.push_all(from, to);
    }

    fn push_index(&self, from: &str, to: &str) {
        self.push_all(from, to);
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn check_containerd(start: impl FnOnce() -> Registries) {
    if Tool::Containerd.is_here() {
        let registries = start();
        check(&Containerd::start(&registries.transport), &registries);
    }
}

#[test]
fn containerd_pushes_and_pulls_over_plain_http() {
    check_containerd(Registries::plain);
}

#[test]
fn containerd_pushes_and_pulls_over_tls() {
    check_containerd(Registries::tls);
}
