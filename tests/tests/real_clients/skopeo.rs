//! skopeo, which has no store: it copies into a folder and out of it.

use std::process::Command;

use serde_json::Value;
use tests::{needs::Tool, program::finish};

use crate::round_trip::{Client, Registries, check};

struct Skopeo;

impl Skopeo {
    /// Copies to a good end; `options` are those of `skopeo`, and `of_copy` those of its verb.
    fn copy(options: &[&str], of_copy: &[&str], from: &str, to: &str) {
        let mut command = Command::new("skopeo");
        command.arg("--insecure-policy").args(options).arg("copy").args(of_copy).args([from, to]);
        let output = finish(&mut command);
        assert_eq!(output.status, 0, "{command:?}: {output:?}");
    }

    fn pull_and_push(of_copy: &[&str], from: &str, to: &str) {
        let folder = tempfile::tempdir().expect("a folder to copy into");
        let folder = format!("dir:{}", folder.path().display());
        Self::copy(&[], &[of_copy, &["--src-tls-verify=false"]].concat(), &format!("docker://{from}"), &folder);
        Self::copy(&[], &[of_copy, &["--dest-tls-verify=false"]].concat(), &folder, &format!("docker://{to}"));
    }
}

impl Client for Skopeo {
    fn pull(&self, image: &str, platform: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder to copy into");
        let (os, architecture) = platform.split_once('/').expect("a platform is system and architecture");
        let to = format!("dir:{}", folder.path().display());
        let platform = ["--override-os", os, "--override-arch", architecture];
        Self::copy(&platform, &["--src-tls-verify=false"], &format!("docker://{image}"), &to);
        let manifest = std::fs::read(folder.path().join("manifest.json")).expect("skopeo wrote the manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("the manifest is JSON");
        String::from(manifest["config"]["digest"].as_str().expect("the manifest names a configuration"))
    }

    fn push(&self, from: &str, to: &str) {
        Self::pull_and_push(&["--preserve-digests"], from, to);
    }

    fn push_index(&self, from: &str, to: &str) {
        Self::pull_and_push(&["--preserve-digests", "--all"], from, to);
    }
}

#[test]
fn skopeo_pushes_and_pulls_over_plain_http() {
    if Tool::Skopeo.is_here() {
        check(&Skopeo, &Registries::start());
    }
}
