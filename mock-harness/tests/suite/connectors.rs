//! `/ng/api/connectors`: each situation of the fact sheet as a request and its whole answer.

use crate::rig::{Rig, anonymous, config, with_login};
use serde_json::{Value, json};

const CREATE: &str = "/ng/api/connectors?accountIdentifier=acme";
const MIRROR: &str = "https://mirror.example.test/registry";

/// The answer to a create of [`anonymous`], on one line, as the sample has it.
fn created() -> Value {
    json!({
        "status": "SUCCESS",
        "data": {
            "connector": {
                "name": "Mirror of Harness images",
                "identifier": "harnessImage",
                "description": "internal images come from the mirror",
                "accountIdentifier": "acme",
                "orgIdentifier": null,
                "projectIdentifier": null,
                "tags": { "team": "build" },
                "type": "DockerRegistry",
                "spec": {
                    "dockerRegistryUrl": MIRROR,
                    "providerType": "Other",
                    "auth": { "type": "Anonymous", "spec": null },
                    "delegateSelectors": [],
                    "executeOnDelegate": false,
                    "proxy": false
                }
            },
            "createdAt": 1_767_225_600_000_u64,
            "lastModifiedAt": 1_767_225_600_000_u64,
            "status": {
                "status": "PENDING",
                "errorSummary": null,
                "errors": null,
                "testedAt": 0,
                "lastTestedAt": 0,
                "lastConnectedAt": 0,
                "lastAlertSent": null
            },
            "activityDetails": { "lastActivityTime": 1_767_225_600_000_u64 },
            "harnessManaged": false,
            "gitDetails": {
                "objectId": null,
                "branch": null,
                "repoIdentifier": null,
                "rootFolder": null,
                "filePath": null,
                "repoName": null,
                "commitId": null,
                "fileUrl": null,
                "repoUrl": null,
                "parentEntityConnectorRef": null,
                "parentEntityRepoName": null
            },
            "entityValidityDetails": { "valid": true, "invalidYaml": null },
            "governanceMetadata": null,
            "isFavorite": false
        },
        "metaData": null,
        "correlationId": "ID"
    })
}

fn error(code: &str, message: &str) -> Value {
    json!({
        "status": "ERROR", "code": code, "message": message, "correlationId": "ID", "detailedMessage": null,
        "responseMessages": [
            { "code": code, "level": "ERROR", "message": message, "exception": null, "failureTypes": [] }
        ],
        "metadata": null
    })
}

fn failure(code: &str, message: &str, errors: &Value) -> Value {
    json!({ "status": "FAILURE", "code": code, "message": message, "correlationId": "ID", "errors": errors })
}

async fn check(rig: &Rig, method: &str, path: &str, body: Value, status: u16, expect: Value) {
    // As text, so that the order of keys counts.
    let told = rig.told(method, path, &body).await;
    assert_eq!(told, (status, expect.to_string()), "{method} {path}");
}

#[tokio::test]
async fn a_connector_is_created_with_200_and_pending() {
    let rig = Rig::start(config(json!({}))).await;
    check(&rig, "POST", CREATE, anonymous("harnessImage", MIRROR), 200, created()).await;
    let told = rig.told("GET", "/gateway/ng/api/connectors/harnessImage?accountIdentifier=acme", &Value::Null).await;
    assert!(told.1.contains(r#""identifier":"harnessImage""#), "{told:?}");
    // The world is empty, so nothing answers there.
    let status = rig.settled("harnessImage").await;
    assert_eq!(status["status"], "FAILURE");
    assert_eq!(
        status["errorSummary"],
        "Error Encountered (Check if the Docker Registry URL is correct & reachable from your delegate(s). The given Docker \
         Registry URL may be incorrect or not reachable from your delegate(s). Could not reach Docker Registry at : \
         https://mirror.example.test/registry/)"
    );
    assert_eq!(status["errors"][0]["code"], 450);
    rig.harness.stop().await;
}

#[tokio::test]
async fn a_request_that_is_refused_is_told_why() {
    let rig = Rig::start(config(json!({}))).await;
    rig.ask("POST", CREATE, &anonymous("harnessImage", MIRROR).to_string()).await;

    let duplicate = "Invalid request: Connector: Mirror of Harness images has been given an identifier: harnessImage that \
                     already exists. Please enter a unique ID.";
    check(&rig, "POST", CREATE, anonymous("harnessImage", MIRROR), 400, error("INVALID_REQUEST", duplicate)).await;

    let rule = "can be 128 characters long and can only contain alphanumeric, underscore and $ characters, and not start \
                with a number or $";
    let told = failure(
        "INVALID_REQUEST",
        &format!("identifier: {rule}"),
        &json!([{ "fieldId": "identifier", "error": rule }]),
    );
    check(&rig, "POST", CREATE, anonymous("9mirror", MIRROR), 400, told).await;

    let missing = "Invalid request: Error while validating passwordRef field : Invalid request: No secret exists with the id \
                   mirror_password ";
    check(&rig, "POST", CREATE, with_login("mirror", MIRROR), 400, error("INVALID_REQUEST", missing)).await;

    let mut low = with_login("mirror", MIRROR);
    low["connector"]["spec"]["auth"]["spec"]["passwordRef"] = json!("mirror_password");
    let told = error("INVALID_REQUEST", "Invalid request: The project level secret cannot be used at account level");
    check(&rig, "POST", CREATE, low.clone(), 400, told).await;
    low["connector"]["orgIdentifier"] = json!("default");
    let told = error("INVALID_REQUEST", "Invalid request: The project level secret cannot be used at a org level");
    check(&rig, "POST", CREATE, low.clone(), 400, told).await;
    low["connector"]["projectIdentifier"] = json!("demo");
    let told = error(
        "INVALID_REQUEST",
        "Invalid request: Error while validating passwordRef field : Invalid request: No secret exists with the id \
         mirror_password  in organization default in project demo",
    );
    check(&rig, "POST", CREATE, low, 400, told).await;

    for (org, project, message) in [
        (json!("nowhere"), Value::Null, "org [nowhere] not found."),
        (json!("default"), json!("nothing"), "project [nothing] not found."),
        (Value::Null, json!("demo"), "Project demo specified without the org Identifier"),
    ] {
        let mut body = anonymous("other", MIRROR);
        body["connector"]["orgIdentifier"] = org;
        body["connector"]["projectIdentifier"] = project;
        check(&rig, "POST", CREATE, body, 400, failure("RESOURCE_NOT_FOUND_EXCEPTION", message, &Value::Null)).await;
    }

    let (status, answer) = rig.ask("POST", CREATE, "{").await;
    assert_eq!((status, answer), (400, json!({ "code": 400, "message": "Unable to process JSON" })));
    let (status, answer) = rig.ask("POST", CREATE, &"x".repeat((1 << 20) + 1)).await;
    assert_eq!((status, answer), (413, json!({ "code": 413, "message": "HTTP 413 Request Entity Too Large" })));
    let no_such_path = json!({ "code": 404, "message": "HTTP 404 Not Found" });
    let asked = rig.ask("GET", "/ng/api/nothing?accountIdentifier=acme", "").await;
    assert_eq!(asked, (404, no_such_path));
    let bytes = rig.ask("GET", "/ng/api/connectors/%ff?accountIdentifier=acme", "").await;
    assert_eq!(bytes, (400, json!({ "code": 400, "message": "HTTP 400 Bad Request" })));
}

#[tokio::test]
async fn what_does_not_exist_is_told_by_operation() {
    let rig = Rig::start(config(json!({}))).await;
    let not_found = |place: &str| {
        let message = format!("Connector with identifier [x] not found in {place}.");
        failure("RESOURCE_NOT_FOUND_EXCEPTION", &message, &Value::Null)
    };
    let get = "/ng/api/connectors/x?accountIdentifier=acme";
    check(&rig, "GET", get, Value::Null, 400, not_found("account [acme]")).await;
    let get_org = format!("{get}&orgIdentifier=default");
    check(&rig, "GET", &get_org, Value::Null, 400, not_found("org [default]")).await;
    let get_project = format!("{get_org}&projectIdentifier=demo");
    check(&rig, "GET", &get_project, Value::Null, 400, not_found("project [demo] and org [default]")).await;
    let told = error("INVALID_REQUEST", "Invalid request: No such connector found");
    check(&rig, "DELETE", get, Value::Null, 400, told).await;
    let told = error("CONNECTOR_NOT_FOUND_EXCEPTION", "No connector found with identifier x");
    check(&rig, "POST", "/ng/api/connectors/testConnection/x?accountIdentifier=acme", Value::Null, 400, told).await;
    let mut body = anonymous("x", MIRROR);
    let told = error("CONNECTOR_NOT_FOUND_EXCEPTION", "No connector exists with the identifier x in account acme");
    check(&rig, "PUT", CREATE, body.clone(), 400, told).await;
    body["connector"]["orgIdentifier"] = json!("default");
    body["connector"]["projectIdentifier"] = json!("demo");
    let told = error(
        "CONNECTOR_NOT_FOUND_EXCEPTION",
        "No connector exists with the identifier x in account acme, organisation default, project demo",
    );
    check(&rig, "PUT", CREATE, body, 400, told).await;

    let other = Rig::start(config(json!({ "behaviour": { "not-found-status": "404" } }))).await;
    check(&other, "GET", get, Value::Null, 404, not_found("account [acme]")).await;
}

#[tokio::test]
async fn the_scope_of_a_create_is_the_bodys_and_of_a_get_the_querys() {
    let rig = Rig::start(config(json!({}))).await;
    let query = "accountIdentifier=acme&orgIdentifier=default&projectIdentifier=demo";
    let (status, answer) =
        rig.ask("POST", &format!("/ng/api/connectors?{query}"), &anonymous("m", MIRROR).to_string()).await;
    assert_eq!((status, &answer["data"]["connector"]["projectIdentifier"]), (200, &Value::Null));
    assert_eq!(rig.ask("GET", &format!("/ng/api/connectors/m?{query}"), "").await.0, 400);
    assert_eq!(rig.ask("GET", "/ng/api/connectors/m?accountIdentifier=acme", "").await.0, 200);
    let unique = |query: &str| format!("/ng/api/connectors/validateUniqueIdentifier?identifier=m&{query}");
    assert_eq!(rig.ask("GET", &unique(query), "").await.1["data"], true);
    assert_eq!(rig.ask("GET", &unique("accountIdentifier=acme"), "").await.1["data"], false);
}

#[tokio::test]
async fn connectors_are_changed_listed_and_deleted() {
    let rig = Rig::start(config(json!({}))).await;
    for identifier in ["a", "b"] {
        rig.ask("POST", CREATE, &anonymous(identifier, MIRROR).to_string()).await;
        rig.settled(identifier).await;
        rig.clock.advance(std::time::Duration::from_secs(60));
    }
    let (status, answer) = rig.ask("PUT", CREATE, &anonymous("a", "https://other.example.test").to_string()).await;
    assert_eq!((status, &answer["data"]["status"]["status"]), (200, &json!("PENDING")));
    assert_eq!(answer["data"]["createdAt"], 1_767_225_600_000_u64);
    assert_eq!(answer["data"]["lastModifiedAt"], 1_767_225_720_000_u64);

    let (status, answer) = rig.ask("POST", "/ng/api/connectors/listV2?accountIdentifier=acme&pageSize=1", "{}").await;
    let data = &answer["data"];
    let facts = ["totalPages", "totalItems", "pageItemCount", "pageSize", "pageIndex", "empty", "pageToken"];
    let told: Vec<_> = facts.iter().map(|fact| &data[*fact]).collect();
    assert_eq!(json!([status, told]), json!([200, [2, 2, 1, 1, 0, false, null]]));
    assert_eq!(data["content"][0]["connector"]["identifier"], "a", "the last changed comes first");
    let keys: Vec<_> = data.as_object().unwrap().keys().collect();
    let order = ["totalPages", "totalItems", "pageItemCount", "pageSize", "content", "pageIndex", "empty", "pageToken"];
    assert_eq!(keys, order);
    let filter = json!({ "filterType": "Connector", "connectorIdentifiers": ["b"] }).to_string();
    let (_, answer) = rig.ask("POST", "/ng/api/connectors/listV2?accountIdentifier=acme", &filter).await;
    assert_eq!(answer["data"]["totalItems"], 1);
    let (_, answer) = rig.ask("GET", "/ng/api/connectors?accountIdentifier=acme&type=K8sCluster", "").await;
    assert_eq!(answer["data"]["empty"], true);

    let delete = "/ng/api/connectors/a?accountIdentifier=acme";
    let (status, answer) = rig.ask("DELETE", &format!("{delete}&forceDelete=true"), "").await;
    assert_eq!(
        (status, &answer["message"]),
        (
            400,
            &json!(
                "Invalid request: Parameter forcedDelete cannot be true. Force Delete is not enabled for account [acme]"
            )
        )
    );
    assert_eq!(rig.ask("DELETE", delete, "").await.1["data"], true);
    assert_eq!(rig.ask("GET", delete, "").await.0, 400);
}

#[tokio::test]
async fn each_exchange_is_journaled_once_and_rules_apply() {
    let rig = Rig::start(config(json!({}))).await;
    rig.harness.rules().add(
        serde_json::from_value(json!({
            "name": "throttle",
            "when": { "api": "get", "path": "/ng/api/connectors/*" },
            "times": { "first": 1 },
            "then": { "answer": { "status": 429, "json": { "message": "too many" } } },
        }))
        .unwrap(),
    );
    let get = "/gateway/ng/api/connectors/x?accountIdentifier=acme";
    assert_eq!(rig.ask("GET", get, "").await, (429, json!({ "message": "too many" })));
    assert_eq!(rig.ask("GET", get, "").await.0, 400);
    let told: Vec<_> = rig.journal.entries().iter().map(|entry| entry.event.to_string()).collect();
    assert_eq!(
        told,
        [
            format!("harness: GET {get} 429 [account:admin 127.0.0.1, rule throttle]"),
            format!("harness: GET {get} 400 RESOURCE_NOT_FOUND_EXCEPTION [account:admin 127.0.0.1]"),
        ]
    );
    let entry = serde_json::to_value(&*rig.journal.entries()[1]).unwrap();
    assert_eq!(entry["subject"], json!({ "api": { "operation": "connectors.get" } }));
    assert!(!entry.to_string().contains(rig.key.as_deref().unwrap()));
}

#[tokio::test]
async fn attempts_are_counted_by_request() {
    let rig = Rig::start(config(json!({}))).await;
    rig.harness.rules().add(
        serde_json::from_value(json!({
            "name": "twice",
            "when": { "api": "get", "attempt": "1..2" },
            "then": { "answer": { "status": 503 } },
        }))
        .unwrap(),
    );
    let get = |identifier: &str| format!("/ng/api/connectors/{identifier}?accountIdentifier=acme");
    let mut told = Vec::new();
    for identifier in ["x", "y", "x", "x", "y", "y"] {
        told.push(rig.ask("GET", &get(identifier), "").await.0);
    }
    assert_eq!(told, [503, 503, 503, 400, 503, 400]);
}
