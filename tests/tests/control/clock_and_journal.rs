//! The clock and the journal, who may come in, and what is refused.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{by_hand::header, program::run};

use crate::world::World;

#[tokio::test]
async fn six_hours_pass_at_once_and_the_next_pull_passes() {
    let world = World::hub();
    let hub = world.hub_by_hand();
    assert_eq!(hub.use_up("library/alpine", "3").await, 100);
    let told = world.told(&["clock", "advance", "6h"]);
    assert!(told.contains(", system, 6h from the machine's"), "{told}");
    // The token has expired too.
    let token = hub.token("library/alpine").await;
    let answer = hub.manifest(Method::GET, "library/alpine", "3", &token).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "ratelimit-remaining")), (200, Some("99;w=21600")));
}

#[tokio::test]
async fn a_clock_stands_and_goes_on() {
    let world = World::hub();
    let frozen = world.ask(Method::POST, "/v1/clock", Some(r#"{"freeze": true}"#)).await.1;
    assert_eq!(frozen["mode"], "frozen");
    assert_eq!(world.get("/v1/clock").await["now"], frozen["now"]);
    let moved = world.ask(Method::POST, "/v1/clock", Some(r#"{"advance": "90s"}"#)).await.1;
    assert_ne!(moved["now"], frozen["now"]);
    assert_eq!(world.get("/v1/clock").await["now"], moved["now"]);
    assert!(world.told(&["clock", "thaw"]).contains(", system, "));
    let causes = world.get("/v1/journal").await;
    let causes: Vec<_> = causes["entries"].as_array().unwrap().iter().map(|entry| &entry["cause"]).collect();
    assert_eq!(causes, ["freeze", "advance", "thaw"]);
}

#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong_and_change_nothing() {
    let world = World::hub();
    world.ask(Method::POST, "/v1/clock", Some(r#"{"freeze": true}"#)).await;
    let before = world.get("/v1/clock").await;
    let large = format!(r#"{{"advance": "{}"}}"#, "x".repeat(1 << 20));
    for (method, target, body, status, code, says) in [
        ("POST", "/v1/clock", r#"{"advance": "-6h"}"#, 422, "backwards", "advance: `-6h`"),
        ("POST", "/v1/clock", r#"{"advance": "soon"}"#, 422, "wrong-body", "advance: `soon` is no duration"),
        ("POST", "/v1/clock", r#"{"advance": 6}"#, 422, "wrong-body", "advance: invalid type: integer"),
        ("POST", "/v1/clock", r#"{"set": "2001-01-01T00:00:00Z"}"#, 422, "backwards", "the clock is past"),
        ("POST", "/v1/clock", r#"{"set": "tomorrow"}"#, 422, "wrong-body", "set: "),
        ("POST", "/v1/clock", r#"{"freeze": true, "set": "2030-01-01T00:00:00Z"}"#, 422, "wrong-body", "single key"),
        ("POST", "/v1/clock", r#"{"leap": "6h"}"#, 422, "wrong-body", "unknown variant `leap`"),
        ("POST", "/v1/clock", r#"{"auto-advance": true}"#, 409, "system-clock", "never moves by itself"),
        ("POST", "/v1/clock", "{}", 422, "wrong-body", "single key"),
        ("POST", "/v1/clock", "", 400, "no-json", "no JSON"),
        ("POST", "/v1/clock", "{", 400, "no-json", "no JSON"),
        ("POST", "/v1/clock", &large, 413, "too-large", "more than 1048576 bytes"),
        ("PUT", "/v1/clock", "{}", 405, "wrong-method", "/v1/clock has no PUT"),
        ("GET", "/v1/clok", "", 404, "unknown-path", "/v1/clok"),
        ("GET", "/v1/journal?status=teapot", "", 400, "wrong-query", "`teapot` is no status"),
        ("GET", "/v1/journal?statuses=4xx", "", 400, "wrong-query", "unknown field `statuses`"),
        ("GET", "/v1/journal?since=yesterday", "", 400, "wrong-query", "since"),
        ("GET", "/v1/registries/dockerhub-anom", "", 404, "unknown-registry", "`dockerhub-anom`"),
    ] {
        let error = world.refused(method.parse().unwrap(), target, Some(body), status).await;
        assert_eq!(error["code"], code, "{method} {target} {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(says), "{method} {target} {message}");
    }
    let after = world.get("/v1/clock").await;
    assert_eq!((&after["now"], &after["mode"]), (&before["now"], &before["mode"]));
}

#[tokio::test]
async fn the_journal_is_filtered_and_followed() {
    let world = World::hub();
    let hub = world.hub_by_hand();
    let token = hub.token("library/alpine").await;
    hub.manifest(Method::GET, "library/alpine", "3", &token).await;
    hub.manifest(Method::GET, "library/alpine", "4", &token).await;
    let of = |journal: Value| journal["entries"].as_array().map(Vec::len).unwrap_or_default();
    for (query, n) in [
        ("endpoint=manifest", 2),
        ("endpoint=manifest&status=404", 1),
        ("status=4xx&endpoint=manifest", 1),
        ("endpoint=token", 1),
        ("endpoint=manifest&limit=1", 1),
        ("principal=account:ci", 0),
        ("source=127.0.0.9", 0),
        ("actor=dockerhub-anon&endpoint=manifest", 2),
        ("actor=elsewhere", 0),
        ("since=1000000", 0),
    ] {
        assert_eq!(of(world.get(&format!("/v1/journal?{query}")).await), n, "{query}");
    }
    let told = world.told(&["journal", "--endpoint", "manifest"]);
    let lines: Vec<_> = told.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("GET /v2/library/alpine/manifests/3 200"), "{told}");

    // A stream first tells what was, then what is; here it ends with the third.
    let stream = world.control.request(Method::GET, "/v1/journal?follow=true&endpoint=manifest&limit=3").send();
    let mut stream = stream.await.unwrap();
    assert_eq!(header(&stream, "content-type"), Some("application/x-ndjson"));
    let first = stream.chunk().await.unwrap().unwrap();
    assert_eq!(first.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 2);
    hub.manifest(Method::HEAD, "library/alpine", "3", &token).await;
    let third: Value = serde_json::from_slice(&stream.chunk().await.unwrap().unwrap()).unwrap();
    assert_eq!((&third["method"], stream.chunk().await.unwrap()), (&json!("HEAD"), None));

    let events =
        world.control.request(Method::GET, "/v1/journal?follow=true&limit=1").header("accept", "text/event-stream");
    let events = events.send().await.unwrap();
    assert_eq!(header(&events, "content-type"), Some("text/event-stream"));
    let text = events.text().await.unwrap();
    assert!(text.starts_with("id: 1\ndata: {\"seq\":1,") && text.ends_with("\n\n"), "{text}");
}

#[test]
fn a_journal_keeps_as_much_as_it_is_told_and_says_what_is_gone() {
    let world = World::start(&["--preset", "generic", "--journal", "2"]);
    for _ in 0..5 {
        world.told(&["clock", "advance", "1s"]);
    }
    let output = world.ctl(&["journal"]);
    assert_eq!((output.status, output.stdout.lines().count()), (0, 2));
    assert_eq!(output.stderr, "3 older entries are gone; `pullrig serve --journal N` keeps more\n");
    let journal: Value = serde_json::from_str(&world.told(&["journal", "--json"])).unwrap();
    assert_eq!((&journal["last"], &journal["dropped"]), (&json!(5), &json!(3)));
}

#[tokio::test]
async fn a_follower_does_not_keep_serve_from_ending() {
    let world = World::hub();
    let stream = world.control.request(Method::GET, "/v1/journal?follow=true").send().await.unwrap();
    let (status, printed) = world.serve.stop(rustix::process::Signal::INT);
    assert!(status.success(), "{status}");
    assert!(printed.ends_with(&format!("ready control {}\n", world.url)), "{printed}");
    assert_eq!(stream.text().await.unwrap(), "");
}

#[tokio::test]
async fn from_other_machines_a_token_is_needed() {
    let output = run(["serve", "--preset", "generic", "--control", "0.0.0.0:0"]);
    assert_eq!(output.status, 2, "{}", output.stderr);
    assert!(output.stderr.contains("has no token") && output.stderr.contains("--control-token"), "{}", output.stderr);

    let world = World::start(&["--preset", "generic", "--control-token", "s3cret"]);
    world.refused(Method::GET, "/v1", None, 401).await;
    let answer = world.control.request(Method::GET, "/v1").bearer_auth("s3cret").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let output = world.ctl(&["clock"]);
    assert_eq!(output.status, 2);
    assert!(output.stderr.contains("a token is needed"), "{}", output.stderr);
    world.told(&["clock", "--control-token", "s3cret"]);
}

#[test]
fn where_nobody_answers_ctl_says_so() {
    let output = run(["ctl", "clock", "--control", "http://127.0.0.1:9"]);
    assert_eq!(output.status, 3, "{}", output.stderr);
    assert!(output.stderr.contains("no control API answers at http://127.0.0.1:9"), "{}", output.stderr);
    assert!(output.stderr.contains("start `pullrig serve` with `--control`"), "{}", output.stderr);
}
