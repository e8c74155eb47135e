//! Back to where the world was: at a snapshot, and at its start.

use reqwest::Method;
use serde_json::{Value, json};
use tests::by_hand::header;

use crate::world::World;

const ARGS: [&str; 6] =
    ["--preset", "dockerhub=127.0.0.1:0", "--image", "library/alpine:3=1KiB", "--account", "ci:hunter2"];

impl World {
    /// How many pulls are left after one more, or the status of its refusal.
    async fn pull(&self) -> String {
        let hub = self.hub_by_hand();
        let token = hub.token("library/alpine").await;
        let answer = hub.manifest(Method::GET, "library/alpine", "3", &token).await;
        let remaining = header(&answer, "ratelimit-remaining").unwrap_or_default();
        format!("{} {}", answer.status().as_u16(), remaining.split(';').next().unwrap_or_default())
    }
}

#[tokio::test]
async fn a_snapshot_brings_back_what_was_used_and_all_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snapshot.json");
    let file = file.to_str().unwrap();
    let world = World::start(&ARGS);
    world.told(&["clock", "freeze"]);
    world.told(&["limit", "anonymous", "5/6h"]);
    world.told(&["rules", "add", "{name: once, when: {ping: get}, times: {nth: 9}, then: {answer: {status: 503}}}"]);
    assert_eq!(world.pull().await, "200 4");
    assert_eq!(world.pull().await, "200 3");
    world.told(&["snapshot", "save", file]);
    let kept = world.get("/v1/snapshot").await;

    assert_eq!(world.pull().await, "200 2");
    world.told(&["clock", "advance", "7h"]);
    world.told(&["limit", "anonymous", "1/6h"]);
    world.told(&["rules", "clear"]);
    world.told(&["images", "replace", "[\"other:1=1KiB\"]"]);
    world.told(&["accounts", "clear"]);

    let told = world.told(&["snapshot", "restore", file]);
    assert_eq!(told, format!("restored; it is {}\n", kept["clock"]["now"].as_str().unwrap()));
    assert_eq!(world.get("/v1/snapshot").await, kept);
    assert_eq!(world.pull().await, "200 2");
    assert_eq!(world.get("/v1/registries/dockerhub/rules").await[0]["matched"], 3);
    let login = world.hub_by_hand();
    let target = "/token?service=registry.docker.io";
    let login = login.request(Method::GET, target).basic_auth("ci", Some("hunter2")).send().await.unwrap();
    assert_eq!(login.status(), 200);
}

#[tokio::test]
async fn a_snapshot_of_something_else_is_refused_and_changes_nothing() {
    let world = World::start(&ARGS);
    world.told(&["clock", "freeze"]);
    world.pull().await;
    let kept = world.get("/v1/snapshot").await;
    let with = |pointer: &str, value: Value| {
        let mut other = kept.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        other.to_string()
    };
    let hub = "/registries/dockerhub";
    for (snapshot, status, code, says) in [
        (with("/version", json!(2)), 409, "other-version", "version 2"),
        (String::from("{}"), 422, "wrong-body", "version"),
        (with("/registries", json!({})), 409, "other-world", "this one has dockerhub"),
        (with("/clock/mode", json!("virtual")), 409, "other-clock", "virtual"),
        (with("/clock/now", json!("soon")), 422, "wrong-body", "clock.now: "),
        (
            with(&format!("{hub}/images"), json!([{ "name": "Wrong" }])),
            422,
            "impossible",
            "registries.dockerhub: images: [0]: name",
        ),
        (
            with(&format!("{hub}/limits"), json!([{ "name": "a", "allow": "1/1h", "by": "moon" }])),
            422,
            "wrong-body",
            "registries.dockerhub.limits[0].by",
        ),
        (
            with(&format!("{hub}/accounts"), json!([{ "name": "eve", "password-mark": "0-0" }])),
            409,
            "no-password",
            "`eve`",
        ),
        (
            with(
                &format!("{hub}/rules"),
                json!([{ "name": "x", "matched": 0, "fired": 0, "rule": { "when": { "ping": "get", "blob": "get" }, "then": "expire-token" } }]),
            ),
            422,
            "impossible-rule",
            "registries.dockerhub.rules: [0]: when",
        ),
    ] {
        let error = world.refused(Method::PUT, "/v1/snapshot", Some(&snapshot), status).await;
        assert_eq!(error["code"], code, "{error}");
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
        assert_eq!(world.get("/v1/snapshot").await, kept, "after {error}");
    }
}

#[tokio::test]
async fn a_snapshot_of_one_process_is_restored_by_another() {
    let one = World::start(&ARGS);
    one.told(&["clock", "freeze"]);
    one.pull().await;
    let kept = one.get("/v1/snapshot").await;
    let left = one.pull().await;
    drop(one);
    let other = World::start(&ARGS);
    other.done(Method::PUT, "/v1/snapshot", kept.clone()).await;
    assert_eq!(other.get("/v1/clock").await["now"], kept["clock"]["now"]);
    assert_eq!(other.pull().await, left);
}

#[tokio::test]
async fn after_a_reset_nobody_has_asked_anything() {
    let world = World::start(&ARGS);
    let first = world.pull().await;
    world.told(&["clock", "advance", "1h"]);
    world.told(&["clock", "freeze"]);
    world.told(&["limit", "anonymous", "1/6h"]);
    world.told(&["rules", "add", "{when: {manifest: get}, then: {answer: {status: 503}}}"]);
    assert!(world.pull().await.starts_with("503"));
    assert!(world.told(&["reset"]).starts_with("reset; it is "));
    assert_eq!(world.get("/v1/journal").await["entries"], json!([]));
    let clock = world.get("/v1/clock").await;
    assert_eq!((&clock["mode"], &clock["offset"]), (&json!("system"), &json!("0s")));
    assert_eq!(world.get("/v1/registries/dockerhub/rules").await, json!([]));
    assert_eq!(world.pull().await, first);
}
