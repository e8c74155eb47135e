//! docker and skopeo at Docker Hub: they pull with the digest verified, and they fail with its words once the limit is used up.
//!
//! Docker asks for nothing that it has already, and keeps manifests for a while after their image is removed. So each test
//! that uses it serves images of its own, each run too, and the one that is refused was never pulled.

use std::process::Command;

use reqwest::Method;
use tests::{
    by_hand::{ByHand, TOO_MANY, header},
    needs::Tool,
    program::finish,
    serve::Serve,
};

use crate::docker::{DockerImage, docker};

const REPOSITORY: &str = "library/alpine";

/// Docker Hub for anonymous clients: `alpine:3` has one layer of this size, and `alpine:edge` another one.
fn docker_hub(layer: &str) -> Serve {
    let (three, edge) = (format!("library/alpine:3={layer}"), format!("library/alpine:edge={layer},64KiB"));
    let seed = std::process::id().to_string();
    let preset = "dockerhub-anon=127.0.0.1:0";
    Serve::start(["--preset", preset, "--image", &three, "--image", &edge, "--seed", &seed])
}

/// The digest that the registry names, asked for without cost.
async fn digest(by_hand: &ByHand) -> String {
    let token = by_hand.token(REPOSITORY).await;
    let answer = by_hand.manifest(Method::HEAD, REPOSITORY, "3", &token).await;
    header(&answer, "docker-content-digest").expect("a digest").to_owned()
}

#[tokio::test]
async fn docker_pulls_with_the_digest_verified_and_then_meets_the_limit() {
    if !Tool::Docker.is_here() {
        return;
    }
    let hub = docker_hub("3MiB");
    let by_hand = ByHand::new(hub.url());
    let image = DockerImage(format!("{}/{REPOSITORY}:3", hub.authority()));
    let digest = digest(&by_hand).await;

    let pulled = docker(&["pull", &image.0]);
    assert_eq!(pulled.status, 0, "{pulled:?}");
    assert!(pulled.stdout.contains(&format!("Digest: {digest}")), "{pulled:?}");
    let inspected = docker(&["image", "inspect", "--format", "{{.RepoDigests}}", &image.0]);
    assert!(inspected.stdout.contains(&digest), "{inspected:?}");

    let n_given = by_hand.use_up(REPOSITORY, "3").await;
    assert!((97..=99).contains(&n_given), "docker's one pull cost {}", 100 - n_given);
    let edge = DockerImage(format!("{}/{REPOSITORY}:edge", hub.authority()));
    let refused = docker(&["pull", &edge.0]);
    assert_ne!(refused.status, 0, "{refused:?}");
    assert!(refused.stderr.contains(&format!("toomanyrequests: {TOO_MANY}")), "{refused:?}");
}

#[tokio::test]
async fn docker_pulls_by_digest() {
    if !Tool::Docker.is_here() {
        return;
    }
    let hub = docker_hub("1MiB");
    let digest = digest(&ByHand::new(hub.url())).await;
    let image = DockerImage(format!("{}/{REPOSITORY}@{digest}", hub.authority()));
    let pulled = docker(&["pull", &image.0]);
    assert_eq!(pulled.status, 0, "{pulled:?}");
}

#[tokio::test]
async fn skopeo_copies_with_the_digest_verified() {
    if !Tool::Skopeo.is_here() {
        return;
    }
    let hub = docker_hub("3MiB");
    let digest = digest(&ByHand::new(hub.url())).await;
    let image = format!("docker://{}/{REPOSITORY}:3", hub.authority());
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    let copied =
        finish(Command::new("skopeo").args(["--insecure-policy", "copy", "--src-tls-verify=false", &image, &to]));
    assert_eq!(copied.status, 0, "{copied:?}");
    let manifest = std::fs::read(folder.path().join("manifest.json")).unwrap();
    assert_eq!(oci::Digest::of(&manifest).to_string(), digest);

    let inspected = finish(Command::new("skopeo").args(["inspect", "--tls-verify=false", &image]));
    assert_eq!(inspected.status, 0, "{inspected:?}");
    let inspected: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(inspected["Digest"], digest);
    assert_eq!(inspected["RepoTags"], serde_json::json!(["3", "edge"]));
}

/// Takes a minute: skopeo waits 2, 4, 8, 16 and 32 s before it believes a 429 that has no `Retry-After`.
#[tokio::test]
async fn skopeo_fails_with_docker_hubs_words_once_the_limit_is_used_up() {
    if !Tool::Skopeo.is_here() {
        return;
    }
    let hub = docker_hub("3MiB");
    assert_eq!(ByHand::new(hub.url()).use_up(REPOSITORY, "3").await, 100);
    let image = format!("docker://{}/{REPOSITORY}:3", hub.authority());
    let folder = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", folder.path().display());
    let refused =
        finish(Command::new("skopeo").args(["--insecure-policy", "copy", "--src-tls-verify=false", &image, &to]));
    assert_ne!(refused.status, 0, "{refused:?}");
    assert!(refused.stderr.contains("toomanyrequests"), "{refused:?}");
    assert!(refused.stderr.contains(TOO_MANY), "{refused:?}");
}
