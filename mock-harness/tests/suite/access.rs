//! Keys and permissions.

use crate::rig::{Rig, anonymous, client, config};
use serde_json::{Value, json};

const KEY: &str = "sat.acme.ci.0123456789";
const GET: &str = "/ng/api/connectors/x?accountIdentifier=acme";

async fn rig(permissions: Value) -> Rig {
    Rig::start(config(json!({ "api-keys": [
        { "token": KEY, "principal": "ci_bot", "kind": "service-account", "permissions": permissions,
          "expires": "2026-01-01T01:00:00Z" },
    ] })))
    .await
}

#[tokio::test]
async fn a_key_that_is_not_valid_is_refused_with_401() {
    let mut rig = rig(json!(["core_connector_view"])).await;
    let told = json!({
        "status": "ERROR", "code": "INVALID_TOKEN", "message": "Token is not valid.", "correlationId": "ID",
        "detailedMessage": null,
        "responseMessages": [
            { "code": "INVALID_TOKEN", "level": "ERROR", "message": "Token is not valid.", "exception": null,
              "failureTypes": [] }
        ],
        "metadata": null
    })
    .to_string();
    let other_account = GET.replace("acme", "other");
    assert_eq!(rig.told("GET", &other_account, &Value::Null).await, (401, told.clone()));
    rig.key = Some(String::from("pat.acme.x.y"));
    assert_eq!(rig.told("GET", GET, &Value::Null).await, (401, told.clone()));
    rig.key = None;
    assert_eq!(rig.told("GET", GET, &Value::Null).await, (401, told.clone()));
    rig.key = Some(String::from(KEY));
    assert_eq!(rig.ask("GET", GET, "").await.0, 400, "valid, and the connector does not exist");
    rig.clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(rig.told("GET", GET, &Value::Null).await, (401, told));
}

#[tokio::test]
async fn a_request_must_name_its_account() {
    let rig = rig(json!(["core_connector_view"])).await;
    let (status, answer) = rig.ask("GET", "/ng/api/connectors/x", "").await;
    assert_eq!(
        (status, &answer["code"], &answer["message"]),
        (400, &json!("INVALID_REQUEST"), &json!("Invalid request: Account detail is not present in the request"))
    );
    let by_header = client()
        .get(format!("{}/ng/api/connectors/x", rig.harness.url()))
        .header("x-api-key", KEY)
        .header("Harness-Account", "acme");
    let answer: Value = by_header.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["code"], "RESOURCE_NOT_FOUND_EXCEPTION");
}

#[tokio::test]
async fn a_missing_permission_is_told_before_anything_exists() {
    let rig = rig(json!(["core_connector_view"])).await;
    let create = rig.told("POST", "/ng/api/connectors?accountIdentifier=acme", &anonymous("x", "https://m.test")).await;
    let told = json!({
        "status": "ERROR",
        "code": "NG_ACCESS_DENIED",
        "message":
            "Principal of type SERVICE_ACCOUNT with identifier ci_bot : Missing permission core_connector_edit on connector",
        "correlationId": null,
        "detailedMessage": null,
        "responseMessages": null,
        "metadata": null,
        "failedPermissionChecks": [{
            "resourceScope": { "accountIdentifier": "acme", "orgIdentifier": null, "projectIdentifier": null },
            "resourceType": "CONNECTOR",
            "resourceAttributes": { "category": "ARTIFACTORY" },
            "resourceIdentifier": null,
            "permission": "core_connector_edit"
        }]
    });
    assert_eq!(create, (403, told.to_string()));
    let (status, answer) = rig.ask("DELETE", GET, "").await;
    assert_eq!(
        (status, &answer["message"]),
        (
            403,
            &json!(
                "Principal of type SERVICE_ACCOUNT with identifier ci_bot : Missing permission core_connector_delete on \
                 connector with identifier x"
            )
        )
    );
    // Fields come before permissions.
    let (status, _) = rig.ask("POST", "/ng/api/connectors?accountIdentifier=acme", r#"{"connector":{}}"#).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn each_operation_needs_its_permission_and_no_other() {
    const SECRET: &str = "/ng/api/v2/secrets/x?accountIdentifier=acme";
    const SECRETS: &str = "/ng/api/v2/secrets?accountIdentifier=acme";
    const CREATE: &str = "/ng/api/connectors?accountIdentifier=acme";
    let connector = anonymous("x", "https://m.test");
    let secret =
        json!({ "secret": { "type": "SecretText", "name": "x", "identifier": "x", "spec": { "value": "v" } } });
    let operations = [
        ("GET", GET, Value::Null, "core_connector_view"),
        ("GET", CREATE, Value::Null, "core_connector_view"),
        ("POST", "/ng/api/connectors/listV2?accountIdentifier=acme", Value::Null, "core_connector_view"),
        ("POST", CREATE, connector.clone(), "core_connector_edit"),
        ("PUT", CREATE, connector, "core_connector_edit"),
        ("DELETE", GET, Value::Null, "core_connector_delete"),
        ("POST", "/ng/api/connectors/testConnection/x?accountIdentifier=acme", Value::Null, "core_connector_access"),
        ("GET", SECRET, Value::Null, "core_secret_view"),
        ("POST", "/ng/api/v2/secrets/list?accountIdentifier=acme", Value::Null, "core_secret_view"),
        ("POST", SECRETS, secret.clone(), "core_secret_edit"),
        ("PUT", SECRET, secret, "core_secret_edit"),
        ("DELETE", SECRET, Value::Null, "core_secret_delete"),
        ("POST", "/pipeline/api/pipeline/execute/x?accountIdentifier=acme", Value::Null, "core_pipeline_execute"),
    ];
    let all = [
        "core_connector_view",
        "core_connector_edit",
        "core_connector_delete",
        "core_connector_access",
        "core_secret_view",
        "core_secret_edit",
        "core_secret_delete",
        "core_pipeline_execute",
    ];
    for permission in all {
        let others: Vec<_> = all.into_iter().filter(|other| *other != permission).collect();
        let (with, without) = (rig(json!([permission])).await, rig(json!(others)).await);
        for (method, path, body, _) in operations.iter().filter(|(.., needed)| *needed == permission) {
            assert_ne!(with.told(method, path, body).await.0, 403, "{method} {path} with {permission}");
            let (status, told) = without.told(method, path, body).await;
            let missing = format!("Missing permission {permission} on ");
            assert!(status == 403 && told.contains(&missing), "{method} {path} without {permission}: {told}");
        }
    }
}
