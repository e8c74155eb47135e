//! Rules, limits, images and accounts of a registry that is up.

use reqwest::Method;
use serde_json::{Value, json};
use tests::by_hand::header;

use crate::world::World;

const HUB: &str = "/v1/registries/dockerhub-anon";

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_rule_is_added_used_and_removed() {
    let world = World::hub();
    let hub = world.hub_by_hand();
    let token = hub.token("library/alpine").await;
    let pull = async || hub.manifest(Method::GET, "library/alpine", "3", &token).await.status().as_u16();
    let rules = format!("{HUB}/rules");
    let rule = json!({ "name": "down", "when": { "manifest": "get" }, "then": { "answer": { "status": 503 } } });
    let added = world.ask(Method::POST, &rules, Some(&rule.to_string())).await;
    assert_eq!((added.0, names(&added.1)), (201, vec!["down"]));
    assert_eq!(pull().await, 503);
    let listed = world.get(&rules).await;
    assert_eq!((&listed[0]["matched"], &listed[0]["fired"]), (&json!(1), &json!(1)));
    assert_eq!(listed[0]["rule"]["then"]["answer"]["status"], 503);
    assert!(world.told(&["rules"]).starts_with("down  fired 1 of 1  "));
    assert_eq!(world.done(Method::DELETE, &format!("{rules}/down"), Value::Null).await, json!([]));
    assert_eq!(pull().await, 200);

    // The same by `ctl`, in YAML.
    world.told(&[
        "rules",
        "dockerhub-anon",
        "add",
        "{name: gone, when: {manifest: any}, then: {answer: {status: 410}}}",
    ]);
    assert_eq!(pull().await, 410);
    assert_eq!(world.told(&["rules", "remove", "gone"]), "");
    let two = r#"[{"when": {"blob": "get"}, "then": {"answer": {"status": 500}}}, {"name": "b", "when": {"ping": "get"}, "then": {"answer": {"status": 500}}}]"#;
    assert_eq!(world.told(&["rules", "replace", two]).lines().count(), 2);
    assert_eq!(world.told(&["rules", "clear"]), "");
    assert_eq!(pull().await, 200);
}

#[tokio::test]
async fn a_limit_is_raised_lowered_added_and_removed() {
    let world = World::hub();
    let hub = world.hub_by_hand();
    let token = hub.token("library/alpine").await;
    let pull = async || hub.manifest(Method::GET, "library/alpine", "3", &token).await;
    let told = world.told(&["limit", "anonymous", "1/1h"]);
    assert!(told.starts_with("anonymous  1/1h  "), "{told}");
    assert_eq!(pull().await.status(), 200);
    assert_eq!(pull().await.status(), 429);
    // What was used still counts.
    world.told(&["limit", "dockerhub-anon", "anonymous", "3/1h"]);
    let answer = pull().await;
    assert_eq!((answer.status().as_u16(), header(&answer, "ratelimit-remaining")), (200, Some("1;w=3600")));
    let limits = format!("{HUB}/limits");
    let before = world.get(&limits).await;
    assert_eq!(world.done(Method::PUT, &limits, before.clone()).await, before);
    let once = json!({ "name": "once", "counts": { "blob": "get" }, "allow": "1/1h" });
    assert!(names(&world.done(Method::POST, &limits, once).await).contains(&"once"));
    assert!(!names(&world.done(Method::DELETE, &format!("{limits}/once"), Value::Null).await).contains(&"once"));
    world.told(&["limits", "clear"]);
    assert_eq!(header(&pull().await, "ratelimit-remaining"), None);
}

#[tokio::test]
async fn images_come_and_go() {
    let world = World::hub();
    let hub = world.hub_by_hand();
    let images = format!("{HUB}/images");
    assert_eq!(world.told(&["images"]), "library/alpine:3  made up: 1KiB\n");
    // As `serve --image` has it; names are Docker Hub's.
    let told = world.told(&["images", "add", "busybox:1=2KiB,gzip"]);
    assert_eq!(told, "library/alpine:3  made up: 1KiB\nlibrary/busybox:1  made up: 2KiB\n");
    let token = hub.token("library/busybox").await;
    assert_eq!(hub.manifest(Method::GET, "library/busybox", "1", &token).await.status(), 200);
    assert_eq!(names(&world.done(Method::DELETE, &format!("{images}/library/busybox:1"), Value::Null).await).len(), 1);
    assert_eq!(hub.manifest(Method::GET, "library/busybox", "1", &token).await.status(), 404);
    let other = json!([{ "name": "team/app:2", "layers": ["1KiB"], "platforms": ["linux/amd64", "linux/arm64"] }]);
    let listed = world.done(Method::PUT, &images, other.clone()).await;
    assert_eq!((names(&listed), &listed[0]["image"]), (vec!["team/app:2"], &other[0]));
    assert_eq!(world.told(&["images", "clear"]), "");
}

#[tokio::test]
async fn accounts_log_in_and_their_passwords_are_not_told() {
    let world = World::start(&["--preset", "dockerhub=127.0.0.1:0", "--image", "a:1=1KiB", "--account", "ci:hunter2"]);
    let hub = world.hub_by_hand();
    let login = async |name: &str, password: &str| {
        let challenge = hub.get("/v2/").await;
        let realm = header(&challenge, "www-authenticate").and_then(|told| tests::by_hand::parameter(told, "realm"));
        let target = format!("{}?service=registry.docker.io", realm.unwrap());
        hub.request(Method::GET, &target).basic_auth(name, Some(password)).send().await.unwrap().status().as_u16()
    };
    let accounts = "/v1/registries/dockerhub/accounts";
    assert_eq!(world.get(accounts).await, json!([{ "name": "ci" }]));
    assert_eq!(login("ci", "hunter2").await, 200);
    let added = world.told(&["accounts", "add", "{name: bot, password: swordfish, limit: 5/1h}"]);
    assert_eq!(added, "bot  5/h\nci\n");
    assert_eq!(login("bot", "swordfish").await, 200);
    world.told(&["accounts", "remove", "ci"]);
    assert_eq!(login("ci", "hunter2").await, 401);
    world.told(&["accounts", "add", "ops:correct horse"]);
    assert_eq!(login("ops", "correct horse").await, 200);
    let wrong = r#"{"name": "eve", "password": 42424242}"#;
    let error = world.refused(Method::POST, accounts, Some(wrong), 422).await;
    assert_eq!(error["message"], "password: this is no text");
    let all =
        format!("{}{}{}", world.get("/v1/snapshot").await, world.get("/v1/journal").await, world.get("/v1").await);
    for password in ["hunter2", "swordfish", "correct horse", "42424242"] {
        assert!(!all.contains(password), "{password}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let world = World::hub();
    world.told(&["rules", "add", "{name: down, when: {manifest: get}, then: {answer: {status: 503}}}"]);
    let before = world.get("/v1/snapshot").await;
    let body = |value: Value| Some(value.to_string());
    for (method, target, body, status, code, says) in [
        (
            "POST",
            "rules",
            body(json!({ "when": { "manifest": "get", "blob": "get" }, "then": "expire-token" })),
            422,
            "impossible-rule",
            "never match",
        ),
        (
            "POST",
            "rules",
            body(json!({ "when": { "manifest": "got" }, "then": "expire-token" })),
            422,
            "wrong-body",
            "when.manifest: ",
        ),
        (
            "POST",
            "rules",
            body(json!({ "name": "down", "when": {}, "then": "expire-token" })),
            409,
            "name-taken",
            "a rule `down` already",
        ),
        (
            "PUT",
            "rules",
            body(json!([{ "when": {}, "then": { "answer": { "status": 700 } } }])),
            422,
            "impossible-rule",
            "[0]: then.answer.status",
        ),
        ("PUT", "rules", body(json!({})), 422, "wrong-body", "expected a sequence"),
        ("DELETE", "rules/dwon", None, 404, "unknown-rule", "`dwon`"),
        ("PUT", "limits", body(json!([{ "name": "a", "allow": "0/6h" }])), 422, "wrong-body", "[0].allow: "),
        (
            "PUT",
            "limits",
            body(json!([{ "name": "a", "allow": "1/6h" }, { "name": "a", "allow": "1/6h" }])),
            422,
            "impossible",
            "twice",
        ),
        ("PATCH", "limits/anonymus", body(json!({ "allow": "1/6h" })), 404, "unknown-limit", "`anonymus`"),
        ("PATCH", "limits/anonymous", body(json!({ "allow": "lots" })), 422, "wrong-body", "allow: "),
        ("POST", "images", body(json!({ "name": "Alpine:3" })), 422, "impossible", "name: "),
        ("POST", "images", body(json!({ "name": "a:1", "from": "/nowhere/at-all.tar" })), 422, "no-image", "from: "),
        (
            "POST",
            "images",
            body(json!({ "name": "a:1", "layer": ["1MiB"] })),
            422,
            "wrong-body",
            "unknown field `layer`",
        ),
        ("DELETE", "images/library/alpine:4", None, 404, "unknown-image", "`library/alpine:4`"),
        ("PUT", "accounts", body(json!([{ "name": "ci" }])), 422, "wrong-body", "missing field `password`"),
        ("DELETE", "accounts/ci", None, 404, "unknown-account", "`ci`"),
    ] {
        let error = world.refused(method.parse().unwrap(), &format!("{HUB}/{target}"), body.as_deref(), status).await;
        assert_eq!(error["code"], code, "{method} {target} {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(says), "{method} {target} {message}");
    }
    let after = world.get("/v1/snapshot").await;
    assert_eq!(after["registries"], before["registries"]);

    let output = world.ctl(&["limits", "dockerhub-anom"]);
    assert_eq!(output.status, 2);
    assert!(output.stderr.contains("there is no registry `dockerhub-anom`"), "{}", output.stderr);
    assert!(output.stderr.contains("did you mean `dockerhub-anon`?"), "{}", output.stderr);
}

#[test]
fn with_several_registries_one_is_named() {
    let world = World::start(&["--preset", "generic", "--preset", "generic"]);
    let output = world.ctl(&["rules"]);
    assert_eq!(output.status, 2);
    assert!(output.stderr.contains("there are 2 registries: generic, generic-2"), "{}", output.stderr);
    assert_eq!(world.told(&["rules", "generic-2", "list"]), "");
    let registries = world.told(&["registries"]);
    assert_eq!(registries.lines().count(), 2, "{registries}");
}

#[tokio::test]
async fn the_harness_api_has_rules_too() {
    let world = World::start(&["--scenario", "scenarios/connectors/account-override.yaml"]);
    let rule = "{when: {api: get}, then: {answer: {status: 503}}}";
    world.told(&["rules", "harness-api", "add", rule]);
    assert_eq!(world.get("/v1/registries/harness-api/rules").await[0]["name"], "rule-1");
    world.told(&["reset"]);
    assert_eq!(world.get("/v1/registries/harness-api/rules").await, json!([]));
    let error = world.refused(Method::GET, "/v1/registries/harness-api/limits", None, 409).await;
    assert_eq!(error["code"], "no-registry");
}
