//! What pulls there were.

use reqwest::Method;
use serde_json::{Value, json};
use tests::by_hand::ByHand;

use crate::world::World;

/// Pulls as a client does: version check, token, manifest, config.
async fn pull(hub: &ByHand) {
    let token = hub.token("library/alpine").await;
    let answer = hub.manifest(Method::GET, "library/alpine", "3", &token).await;
    if answer.status() == 200 {
        let manifest: Value = answer.json().await.unwrap();
        let config = format!("/v2/library/alpine/blobs/{}", manifest["config"]["digest"].as_str().unwrap());
        let config = hub.request(Method::GET, &config).bearer_auth(&token).send().await.unwrap();
        assert_eq!(config.status(), 200);
        config.bytes().await.unwrap();
    }
}

#[tokio::test]
async fn pulls_are_told_with_what_they_came_to() {
    let world = World::hub();
    assert_eq!(world.get("/v1/pulls").await, json!({ "pulls": [], "dropped": 0 }));
    let hub = world.hub_by_hand();
    pull(&hub).await;
    world.told(&["limit", "anonymous", "1/6h"]);
    pull(&hub).await;

    let pulls = world.get("/v1/pulls").await;
    let [first, second] = pulls["pulls"].as_array().unwrap().as_slice() else { panic!("{pulls:#}") };
    assert_eq!(first["client"], json!({ "source": "127.0.0.1", "principal": "anonymous" }));
    assert_eq!(first["image"], "library/alpine:3");
    assert_eq!(first["registries"], json!(["dockerhub-anon"]));
    let figures = |pull: &Value| ["requests", "counted", "refused", "tokens"].map(|key| pull[key].as_u64().unwrap());
    assert_eq!((figures(first), &first["complete"]), ([4, 1, 0, 1], &json!(true)));
    assert_eq!((figures(second), &second["complete"]), ([3, 0, 1, 1], &json!(false)));

    let told = world.told(&["pulls"]);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].starts_with("1 library/alpine:3 [127.0.0.1 anonymous] "), "{told}");
    assert!(lines[1].ends_with(", incomplete, 3 requests, 1 refused, 1 tokens"), "{told}");
    assert_eq!(serde_json::from_str::<Value>(&world.told(&["pulls", "--json"])).unwrap(), pulls);
}

#[tokio::test]
async fn what_the_journal_lost_is_said() {
    let world =
        World::start(&["--preset", "dockerhub-anon=127.0.0.1:0", "--image", "library/alpine:3=1KiB", "--journal", "3"]);
    pull(&world.hub_by_hand()).await;
    let pulls = world.get("/v1/pulls").await;
    assert!(pulls["dropped"].as_u64().unwrap() >= 1, "{pulls:#}");
    let output = world.ctl(&["pulls"]);
    assert_eq!(output.status, 0);
    assert!(
        output.stderr.ends_with("older entries are gone; `pullrig serve --journal N` keeps more\n"),
        "{}",
        output.stderr
    );
}
