//! docker at Docker Hub's 100 pulls in six hours: the hundred and first is refused, and six hours later it passes.
//!
//! Most of the hundred are used up by hand, as another job behind the same address would: a hundred times docker takes half a
//! minute. Each of its pulls is of an image of its own, because it keeps manifests for a while after their image is removed.

use std::net::Ipv4Addr;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{
    by_hand::{ByHand, TOO_MANY},
    needs::Tool,
    program::run,
    serve::Serve,
};

use crate::docker::{DockerImage, docker};

const REPOSITORY: &str = "library/alpine";
/// How many pulls are docker's, up to the last that passes.
const N_DOCKER: usize = 12;
const N_BY_HAND: usize = 100 - N_DOCKER;

/// Docker Hub for anonymous clients, whose clock and journal are at hand.
struct Hub {
    serve: Serve,
    control: String,
}

impl Hub {
    /// With `n_tags` images, which no run before this one had.
    fn start(n_tags: usize) -> Self {
        let seed = std::process::id().to_string();
        let mut args = ["--preset", "dockerhub-anon=127.0.0.1:0", "--control", "127.0.0.1:0", "--seed", &seed]
            .map(String::from)
            .to_vec();
        for n in 0..n_tags {
            // Tags of the same layers are the same image.
            args.extend([String::from("--image"), format!("{REPOSITORY}:{n}={}KiB", n + 1)]);
        }
        let serve = Serve::start(args);
        let listener = serve.listeners().iter().find(|listener| listener.name == "control").expect("a control API");
        Self { control: listener.url.clone(), serve }
    }

    /// What `ctl` prints.
    fn told(&self, args: &[&str]) -> String {
        let output = run(["ctl", "--control", &self.control].iter().chain(args));
        assert_eq!(output.status, 0, "{args:?}: {output:?}");
        output.stdout
    }

    /// Every GET of a manifest, as the journal has it.
    fn gets(&self) -> Vec<Value> {
        let journal: Value =
            serde_json::from_str(&self.told(&["--json", "journal", "--endpoint", "manifest"])).unwrap();
        let entries = journal["entries"].as_array().expect("a list of entries").iter();
        entries.filter(|entry| entry["method"] == "GET").cloned().collect()
    }

    fn image(&self, tag: usize) -> DockerImage {
        DockerImage(format!("{}/{REPOSITORY}:{tag}", self.serve.authority()))
    }
}

#[tokio::test]
async fn the_hundred_and_first_pull_of_docker_is_refused_and_passes_six_hours_later() {
    if !Tool::Docker.is_here() {
        return;
    }
    let hub = Hub::start(N_DOCKER + 1);
    let by_hand = ByHand::new(hub.serve.url());
    let token = by_hand.token(REPOSITORY).await;
    for _ in 0..N_BY_HAND {
        assert_eq!(by_hand.manifest(Method::GET, REPOSITORY, "0", &token).await.status(), 200);
    }

    let images: Vec<_> = (0..=N_DOCKER).map(|tag| hub.image(tag)).collect();
    let (last, passing) = images.split_last().expect("there is one that is refused");
    for image in passing {
        let pulled = docker(&["pull", "--quiet", &image.0]);
        assert_eq!(pulled.status, 0, "{}: {pulled:?}", image.0);
    }
    let refused = docker(&["pull", "--quiet", &last.0]);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert_eq!(refused.stderr, format!("Error response from daemon: toomanyrequests: {TOO_MANY}\n"));

    let gets = hub.gets();
    assert_eq!(gets.len(), 101);
    for (n, get) in gets.iter().enumerate() {
        let counted = &get["counted"];
        assert_eq!(counted["key"], json!(Ipv4Addr::LOCALHOST), "{get}");
        assert_eq!((&counted["used"], &counted["refused"]), (&json!(n < 100), &json!(n == 100)), "{get}");
        assert_eq!(get["status"], if n < 100 { 200 } else { 429 }, "{get}");
        let agent = get["user_agent"].as_str().unwrap_or_default();
        assert_eq!(agent.starts_with("docker/"), n >= N_BY_HAND, "{get}");
    }

    let clock = hub.told(&["clock", "advance", "6h"]);
    assert!(clock.contains("6h from the machine's"), "{clock}");
    let pulled = docker(&["pull", "--quiet", &last.0]);
    assert_eq!(pulled.status, 0, "{pulled:?}");
    let counted = hub.gets().last().map(|get| get["counted"].clone()).expect("the last one");
    assert_eq!((&counted["used"], &counted["remaining"]), (&json!(true), &json!(99)), "{counted}");
}
