//! Our own image: one static file on an empty base, started by testcontainers, pulled from by our puller and by docker.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use oci::ImageReference;
use puller::Puller;
use testbed::{Clock, Journal, net::Vantage, task::PullTask};
use testcontainers::{
    ContainerAsync, GenericImage, ImageExt as _,
    core::{IntoContainerPort as _, WaitFor},
    runners::AsyncRunner as _,
};
use tests::{
    by_hand::{ByHand, TOO_MANY},
    needs::Tool,
    program::{finish, workspace},
    relay,
};

/// The image of these tests, as name and tag. It is left behind: its one layer is what makes the next build quick.
const IMAGE: (&str, &str) = ("pullrig-under-test", "latest");

/// The newest version of the engine's API that testcontainers' client speaks, and does not negotiate.
const SPOKEN: (u32, u32) = (1, 53);

const REPOSITORY: &str = "library/alpine";

#[test]
fn our_image_serves_pulls_and_keeps_count() {
    if !Tool::Docker.is_here() {
        return;
    }
    if let Some(version) = older_version() {
        return again_through_relay(&version);
    }
    build_image();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let container = start_container().await;
        let port = container.get_host_port_ipv4(5000.tcp()).await.expect("the port is published");
        pulls_with_our_puller(port).await;
        pulls_with_docker(port);
        refuses_the_101st(port).await;
        container.rm().await.expect("the container can be removed");
    });
}

async fn start_container() -> ContainerAsync<GenericImage> {
    GenericImage::new(IMAGE.0, IMAGE.1)
        .with_exposed_port(5000.tcp())
        .with_wait_for(WaitFor::message_on_stdout("ready dockerhub-anon http://0.0.0.0:5000"))
        .with_cmd(["serve", "--preset", "dockerhub-anon=0.0.0.0:5000", "--image", "library/alpine:3=2MiB,512KiB"])
        .start()
        .await
        .unwrap_or_else(|error| panic!("the container does not start: {error}"))
}

async fn pulls_with_our_puller(port: u16) {
    let clock = Clock::system();
    let puller = Puller::builder(&clock, &Journal::new(&clock)).build();
    let image: ImageReference = format!("127.0.0.1:{port}/{REPOSITORY}:3").parse().expect("an image reference");
    let from = Vantage::outside("the test").expect("an HTTP client");
    let task = PullTask::new(image, from);
    let pulled = puller.pull(&task).await.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(pulled.n_layers, 2);
    assert!(pulled.size_bytes > 2 << 20, "{pulled:?}");
}

fn pulls_with_docker(port: u16) {
    let image = format!("127.0.0.1:{port}/{REPOSITORY}:3");
    let pulled = finish(Command::new("docker").args(["pull", &image]));
    finish(Command::new("docker").args(["image", "rm", "--force", &image]));
    assert_eq!(pulled.status, 0, "{pulled:?}");
}

async fn refuses_the_101st(port: u16) {
    let by_hand = ByHand::new(&format!("http://127.0.0.1:{port}"));
    let n_given = by_hand.use_up(REPOSITORY, "3").await;
    assert!((90..100).contains(&n_given), "{n_given} of 100 were left");
    let token = by_hand.token(REPOSITORY).await;
    let refused = by_hand.manifest(reqwest::Method::GET, REPOSITORY, "3", &token).await;
    assert!(refused.text().await.unwrap().contains(TOO_MANY));
}

fn build_image() {
    let tag = format!("{}:{}", IMAGE.0, IMAGE.1);
    let built = finish(Command::new("bash").args(["ci/image", &tag, "dev"]).current_dir(workspace()));
    assert_eq!(built.status, 0, "ci/image: {}", built.stderr);
}

/// The version of the engine's API, if that is older than what testcontainers speaks.
fn older_version() -> Option<String> {
    if std::env::var_os("DOCKER_HOST").is_some() {
        return None;
    }
    let asked = finish(Command::new("docker").args(["version", "--format", "{{.Server.APIVersion}}"]));
    let version = asked.stdout.trim();
    let (major, minor) = version.split_once('.')?;
    ((major.parse().ok()?, minor.parse().ok()?) < SPOKEN).then(|| String::from(version))
}

/// Runs this test once more, with `DOCKER_HOST` at a relay: testcontainers reads it from the environment, which a process
/// cannot safely change for itself.
fn again_through_relay(version: &str) {
    let host = relay::start(Path::new("/var/run/docker.sock"), version).expect("a relay to the engine");
    let mut command = Command::new(std::env::current_exe().expect("this test has a path"));
    command.args(["--exact", "our_image_serves_pulls_and_keeps_count", "--nocapture"]).env("DOCKER_HOST", host);
    let output = finish(command.stdin(Stdio::null()));
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
}
