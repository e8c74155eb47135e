//! Delegates: lists, selectors, tags, tokens, and their life on the clock.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{Rig, config};

const LIST: &str = "/ng/api/delegate-setup/listDelegates?accountIdentifier=acme";
const TAGS: &str = "/ng/api/delegate-group-tags";
const TOKENS: &str = "/ng/api/delegate-token-ng?accountIdentifier=acme";
const MINUTE: Duration = Duration::from_secs(60);

async fn rig() -> Rig {
    Rig::start(config(json!({
        "organizations": [{ "identifier": "default", "projects": ["demo"] }],
        "delegates": [
            { "name": "farm-1", "group": "Build Farm", "tags": ["linux"], "description": "in the east" },
            { "name": "farm-2", "group": "Build Farm", "disconnects-at": "10m" },
            { "name": "old", "connected": false },
            { "name": "team", "organization": "default", "project": "demo", "tags": ["Team"] },
        ],
    })))
    .await
}

async fn resource(rig: &Rig, method: &str, path: &str, body: &str) -> Value {
    let (status, answer) = rig.ask(method, path, body).await;
    assert_eq!(status, 200, "{method} {path}: {answer}");
    assert_eq!((&answer["metaData"], &answer["responseMessages"]), (&json!({}), &json!([])), "{answer}");
    answer["resource"].clone()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_list_has_the_groups_of_a_scope_with_their_replicas() {
    let rig = rig().await;
    let mut list = resource(&rig, "POST", LIST, "").await;
    let first = list[0]["delegateReplicas"][0]["uuid"].take();
    assert_eq!(first.as_str().map(str::len), Some(8), "{first}");
    list[0]["delegateReplicas"][1]["uuid"].take();
    let start = 1_767_225_600_000_u64;
    let replica = |name: &str| {
        json!({
            "uuid": null, "lastHeartbeat": start, "connected": true, "hostName": name, "version": "23.12.82300",
            "expiringAt": start + 183 * 24 * 3_600_000
        })
    };
    let expect = json!({
        "type": "KUBERNETES", "name": "Build Farm", "description": "in the east", "tags": ["build farm", "linux"],
        "lastHeartBeat": start, "connected": true, "delegateReplicas": [replica("farm-1"), replica("farm-2")],
        "autoUpgrade": "ON", "legacy": false, "orgName": null, "projectName": null
    });
    assert_eq!(list[0], expect);
    assert_eq!(names(&list), ["Build Farm", "old"]);
    let project = format!("{LIST}&orgIdentifier=default&projectIdentifier=demo");
    assert_eq!(names(&resource(&rig, "POST", &project, "{}").await), ["team"]);
    assert_eq!(names(&resource(&rig, "POST", &format!("{LIST}&all=true"), "").await), ["Build Farm", "team", "old"]);
}

#[tokio::test]
async fn filters_choose_groups_and_replicas() {
    let rig = rig().await;
    for (filter, expect) in [
        (json!({ "filterType": "Delegate" }), &["Build Farm", "old"][..]),
        (json!({ "status": "CONNECTED" }), &["Build Farm"]),
        (json!({ "status": "DISCONNECTED" }), &["old"]),
        (json!({ "delegateName": "Farm" }), &["Build Farm"]),
        (json!({ "delegateGroupIdentifier": "_Build_Farm" }), &["Build Farm"]),
        (json!({ "delegateTags": ["linux"] }), &["Build Farm"]),
        (json!({ "delegateTags": ["linux", "arm"] }), &[]),
        (json!({ "description": "east" }), &["Build Farm"]),
        (json!({ "delegateType": "DOCKER" }), &[]),
        (json!({ "delegateInstanceFilter": "AVAILABLE" }), &["Build Farm", "old"]),
        (json!({ "delegateInstanceFilter": "EXPIRED" }), &[]),
    ] {
        let list = resource(&rig, "POST", LIST, &filter.to_string()).await;
        assert_eq!(names(&list), expect, "{filter}");
    }
    let list = resource(&rig, "POST", LIST, r#"{"hostName":"farm-2"}"#).await;
    let replicas: Vec<_> = list.as_array().unwrap().iter().map(|group| group["delegateReplicas"].clone()).collect();
    assert_eq!((replicas[0][0]["hostName"].as_str(), &replicas[1]), (Some("farm-2"), &json!([])));
    assert_eq!(rig.ask("POST", LIST, "[").await.0, 400);
    assert_eq!(rig.ask("POST", LIST, "[]").await.0, 400);
}

#[tokio::test]
async fn delegates_fall_silent_and_are_forgotten_on_the_clock() {
    let rig = rig().await;
    rig.clock.advance(MINUTE * 16);
    let list = resource(&rig, "POST", LIST, r#"{"status":"DISCONNECTED"}"#).await;
    assert_eq!(names(&list), ["Build Farm", "old"]);
    assert_eq!(list[0]["delegateReplicas"][0]["lastHeartbeat"], 1_767_225_600_000_u64 + 600_000);
    rig.clock.advance(MINUTE * 60 * 6);
    let list = resource(&rig, "POST", LIST, "").await;
    assert_eq!(list[0]["delegateReplicas"].as_array().unwrap().len(), 1, "farm-2 is forgotten");
    assert_eq!((list[1]["name"].as_str(), &list[1]["delegateReplicas"]), (Some("old"), &json!([])));
    rig.clock.advance(MINUTE * 60 * 24 * 7);
    assert_eq!(names(&resource(&rig, "POST", LIST, "").await), ["Build Farm"]);
}

#[tokio::test]
async fn selectors_are_listed_in_all_their_places() {
    let rig = rig().await;
    let all = json!(["Build Farm", "Team", "farm-1", "farm-2", "linux", "team"]);
    let account = json!(["build farm", "linux", "old"]);
    let project = json!(["Team", "build farm", "linux", "old", "team"]);
    for version in ["", "/v3"] {
        for prefix in ["", "/api", "/gateway", "/gateway/api"] {
            let base = format!("{prefix}/setup/delegates{version}/delegate-selectors");
            assert_eq!(resource(&rig, "GET", &format!("{base}?accountId=acme"), "").await, all);
            let hierarchy = format!("{base}-up-the-hierarchy?accountId=acme");
            assert_eq!(resource(&rig, "GET", &hierarchy, "").await, account);
            let path = format!("{hierarchy}&orgId=default&projectId=demo");
            assert_eq!(resource(&rig, "GET", &path, "").await, project);
            let path = format!("{base}-up-the-hierarchy-v2?accountId=acme");
            let expect = json!([
                { "name": "build farm", "connected": true }, { "name": "linux", "connected": true },
                { "name": "old", "connected": false }
            ]);
            assert_eq!(resource(&rig, "GET", &path, "").await, expect);
        }
    }
}

#[tokio::test]
async fn the_prefix_of_selectors_is_a_switch() {
    for (switch, served) in [("api", "/api"), ("gateway-api", "/gateway/api")] {
        let rig = Rig::start(config(json!({ "behaviour": { "manager-prefix": switch } }))).await;
        for prefix in ["", "/api", "/gateway", "/gateway/api"] {
            let path = format!("{prefix}/setup/delegates/delegate-selectors?accountId=acme");
            let expect = if prefix == served { 200 } else { 404 };
            assert_eq!(rig.ask("GET", &path, "").await.0, expect, "{switch}: {path}");
        }
    }
}

#[tokio::test]
async fn tags_of_groups_are_read_and_changed() {
    let rig = rig().await;
    let group = |tags: &[&str]| {
        json!({
            "accountIdentifier": "acme", "orgIdentifier": null, "projectIdentifier": null, "name": "Build Farm",
            "identifier": "_Build_Farm", "tags": tags
        })
    };
    let path = format!("{TAGS}/_Build_Farm?accountIdentifier=acme");
    assert_eq!(resource(&rig, "GET", &path, "").await, group(&["build farm", "linux"]));
    assert_eq!(resource(&rig, "POST", &path, r#"{"tags":["arm"]}"#).await, group(&["arm", "linux"]));
    assert_eq!(resource(&rig, "PUT", &path, r#"{"tags":["x"]}"#).await, group(&["x"]));
    let with_tags = format!("{TAGS}/delegate-groups?accountIdentifier=acme");
    let found = resource(&rig, "POST", &with_tags, r#"{"tags":["x","build farm"]}"#).await;
    assert_eq!(found, json!([group(&["build farm", "x"])]));
    assert_eq!(resource(&rig, "DELETE", &path, "").await, group(&[]));

    let none = "Invalid request: Could not find a delegate group for given parameters.";
    for (method, path, body) in [
        ("GET", format!("{TAGS}/_nobody?accountIdentifier=acme"), ""),
        ("PUT", format!("{TAGS}/_nobody?accountIdentifier=acme"), r#"{"tags":[]}"#),
        ("DELETE", format!("{path}&orgIdentifier=default"), ""),
        ("POST", with_tags.clone(), r#"{"tags":["x"]}"#),
    ] {
        let (status, answer) = rig.ask(method, &path, body).await;
        assert_eq!((status, answer["message"].as_str()), (400, Some(none)), "{method} {path}");
    }
    for body in ["", "{}", r#"{"tags":"x"}"#, r#"{"tags":[1]}"#] {
        assert_eq!(rig.ask("PUT", &path, body).await.0, 400, "{body}");
    }
}

#[tokio::test]
async fn a_deleted_delegate_is_gone() {
    let rig = rig().await;
    let path = "/ng/api/delegate-setup/delegate/_Build_Farm?accountIdentifier=acme";
    let expect = json!({ "responseMsg": "Successfully deleted delegate." });
    assert_eq!(resource(&rig, "DELETE", path, "").await, expect);
    assert_eq!(names(&resource(&rig, "POST", LIST, "").await), ["old"]);
    let (status, answer) = rig.ask("DELETE", path, "").await;
    let message = "Invalid request: Invalid argument(s): Delegate doesn't exist or it is already deleted.";
    assert_eq!((status, answer["message"].as_str()), (400, Some(message)));
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked() {
    let rig = rig().await;
    let token = |name: &str, value: Value, status: &str, by: Value| {
        json!({
            "uuid": null, "accountId": "acme", "name": name, "createdBy": null, "createdByNgUser": by,
            "createdAt": 1_767_225_600_000_u64, "status": status, "value": value, "ownerIdentifier": null,
            "revokeAfter": 0
        })
    };
    let me = json!({ "type": "USER", "name": "admin" });
    let made = resource(&rig, "POST", &format!("{TOKENS}&tokenName=ci"), "").await;
    assert_eq!(made, token("ci", made["value"].clone(), "ACTIVE", me.clone()));
    assert_eq!(made["value"].as_str().map(str::len), Some(44));
    let default = token("default_token", Value::Null, "ACTIVE", Value::Null);
    assert_eq!(resource(&rig, "GET", TOKENS, "").await, json!([made, default]));
    assert_eq!(resource(&rig, "GET", &format!("{TOKENS}&name=ci"), "").await, json!([made]));

    let revoke = format!("{TOKENS}&tokenName=ci");
    let revoked = token("ci", Value::Null, "REVOKED", me);
    assert_eq!(resource(&rig, "PUT", &revoke, "").await, revoked);
    assert_eq!(resource(&rig, "GET", &format!("{TOKENS}&status=ACTIVE"), "").await, json!([default]));
    let project = format!("{TOKENS}&orgIdentifier=default&projectIdentifier=demo&tokenName=demo");
    let late = 1_767_225_600_000_u64 + 60_000;
    let made = resource(&rig, "POST", &format!("{project}&revokeAfter={late}"), "").await;
    assert_eq!((&made["ownerIdentifier"], &made["revokeAfter"]), (&json!("default/demo"), &json!(late)));
    rig.clock.advance(MINUTE * 2);
    assert_eq!(resource(&rig, "GET", &format!("{TOKENS}&name=demo"), "").await[0]["status"], "REVOKED");

    for (method, query, message) in [
        ("POST", "tokenName=ci", "Token with given name ci already exists for given account."),
        ("POST", "tokenName=x&revokeAfter=1", "Token revocation time can not be less than current time."),
        ("PUT", "tokenName=ci", "Specified token is already revoked."),
        ("PUT", "tokenName=nobody", "Specified token does not exist."),
        ("DELETE", "tokenName=nobody", "Specified token does not exist."),
    ] {
        let (status, answer) = rig.ask(method, &format!("{TOKENS}&{query}"), "").await;
        let message = format!("Invalid request: {message}");
        assert_eq!((status, answer["message"].as_str()), (400, Some(message.as_str())), "{method} {query}");
    }
    let (status, answer) = rig.ask("PUT", TOKENS, "").await;
    assert_eq!((status, answer["message"].as_str()), (400, Some("tokenName: must not be null")));
    assert_eq!(resource(&rig, "DELETE", &revoke, "").await, Value::Null);
    assert_eq!(resource(&rig, "GET", &format!("{TOKENS}&name=ci"), "").await, json!([]));
}

#[tokio::test]
async fn a_revoked_token_silences_its_delegates() {
    let rig = rig().await;
    let groups = "/ng/api/delegate-token-ng/delegate-groups?accountIdentifier=acme&delegateTokenName=default_token";
    let found = resource(&rig, "GET", groups, "").await;
    assert_eq!(found["delegateGroupDetails"][0]["connectivityStatus"], "connected");
    assert_eq!(found["delegateGroupDetails"][1]["connectivityStatus"], "disconnected");
    resource(&rig, "PUT", &format!("{TOKENS}&tokenName=default_token"), "").await;
    rig.clock.advance(MINUTE * 6);
    let found = resource(&rig, "GET", groups, "").await;
    let group = &found["delegateGroupDetails"][0];
    assert_eq!((&group["activelyConnected"], &group["tokenActive"]), (&json!(false), &json!(false)));
    assert_eq!(group["groupImplicitSelectors"], json!({ "build farm": "GROUP_NAME" }));
}

#[tokio::test]
async fn values_of_tokens_are_for_those_who_may_change_delegates() {
    let keys = json!([
        { "token": "pat.acme.a.b" },
        { "token": "pat.acme.v.w", "principal": "viewer", "permissions": ["core_delegate_view"] },
        { "token": "pat.acme.n.n", "principal": "nobody", "permissions": [] },
    ]);
    let mut rig = Rig::start(config(json!({ "api-keys": keys }))).await;
    let made = resource(&rig, "POST", &format!("{TOKENS}&tokenName=ci"), "").await;
    rig.key = Some(String::from("pat.acme.v.w"));
    let seen = resource(&rig, "GET", &format!("{TOKENS}&name=ci"), "").await;
    assert_eq!(seen[0]["value"], Value::Null);
    for (method, path) in [
        ("POST", format!("{TOKENS}&tokenName=x")),
        ("PUT", format!("{TOKENS}&tokenName=ci")),
        ("DELETE", String::from("/ng/api/delegate-setup/delegate/_a?accountIdentifier=acme")),
    ] {
        assert_eq!(rig.ask(method, &path, "").await.0, 403, "{method} {path}");
    }
    rig.key = Some(String::from("pat.acme.n.n"));
    let (status, answer) = rig.ask("GET", TOKENS, "").await;
    let message = "Principal of type USER with identifier nobody : Missing permission core_delegate_view on delegate";
    assert_eq!((status, answer["message"].as_str()), (403, Some(message)));
    let journal: Vec<_> = rig.journal.entries().iter().map(|entry| format!("{:?}", entry.event)).collect();
    assert!(!journal.join("\n").contains(made["value"].as_str().unwrap()));
}
