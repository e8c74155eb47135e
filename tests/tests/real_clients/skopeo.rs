//! skopeo, which has no store: it copies into a folder and out of it.

use std::process::Command;

use serde_json::Value;
use tests::{needs::Tool, program::finish};

use crate::round_trip::{Client, Registries, Transport, check};

struct Skopeo<'a> {
    transport: &'a Transport,
}

impl Skopeo<'_> {
    /// Copies to a good end; `options` are those of `skopeo`, and `of_copy` those of its verb.
    fn copy(options: &[&str], of_copy: &[&str], from: &str, to: &str) {
        let mut command = Command::new("skopeo");
        command.arg("--insecure-policy").args(options).arg("copy").args(of_copy).args([from, to]);
        let output = finish(&mut command);
        assert_eq!(output.status, 0, "{command:?}: {output:?}");
    }

    /// How the registry is reached that is copied `src` or `dest`.
    fn reach(&self, end: &str) -> String {
        match self.transport.certificates() {
            None => format!("--{end}-tls-verify=false"),
            Some(folder) => format!("--{end}-cert-dir={folder}"),
        }
    }

    fn pull_and_push(&self, of_copy: &[&str], from: &str, to: &str) {
        let folder = tempfile::tempdir().expect("a folder to copy into");
        let folder = format!("dir:{}", folder.path().display());
        Self::copy(&[], &[of_copy, &[&self.reach("src")]].concat(), &format!("docker://{from}"), &folder);
        Self::copy(&[], &[of_copy, &[&self.reach("dest")]].concat(), &folder, &format!("docker://{to}"));
    }
}

impl Client for Skopeo<'_> {
    fn pull(&self, image: &str, platform: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder to copy into");
        let (os, architecture) = platform.split_once('/').expect("a platform is system and architecture");
        let to = format!("dir:{}", folder.path().display());
        let platform = ["--override-os", os, "--override-arch", architecture];
        Self::copy(&platform, &[&self.reach("src")], &format!("docker://{image}"), &to);
        let manifest = std::fs::read(folder.path().join("manifest.json")).expect("skopeo wrote the manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("the manifest is JSON");
        String::from(manifest["config"]["digest"].as_str().expect("the manifest names a configuration"))
    }

    fn push(&self, from: &str, to: &str) {
        self.pull_and_push(&["--preserve-digests"], from, to);
    }

    fn push_index(&self, from: &str, to: &str) {
        self.pull_and_push(&["--preserve-digests", "--all"], from, to);
    }
}

fn check_skopeo(start: impl FnOnce() -> Registries) {
    if Tool::Skopeo.is_here() {
        let registries = start();
        check(&Skopeo { transport: &registries.transport }, &registries);
    }
}

#[test]
fn skopeo_pushes_and_pulls_over_plain_http() {
    check_skopeo(Registries::plain);
}

#[test]
fn skopeo_pushes_and_pulls_over_tls() {
    check_skopeo(Registries::tls);
}
