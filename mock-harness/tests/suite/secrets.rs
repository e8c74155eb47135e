//! `/ng/api/v2/secrets`.

use crate::rig::{Rig, client, config};
use serde_json::{Value, json};

const BASE: &str = "/ng/api/v2/secrets";

fn secret() -> Value {
    json!({ "secret": {
        "type": "SecretText", "name": "mirror password", "identifier": "mirror_password", "description": "", "tags": {},
        "spec": { "secretManagerIdentifier": "harnessSecretManager", "valueType": "Inline", "value": "hunter2" },
    } })
}

#[tokio::test]
async fn a_value_goes_in_and_never_comes_out() {
    let rig = Rig::start(config(json!({}))).await;
    let account = format!("{BASE}?accountIdentifier=acme");
    let (status, told) = rig.told("POST", &account, &secret()).await;
    let expect = json!({
        "status": "SUCCESS",
        "data": {
            "secret": {
                "type": "SecretText",
                "name": "mirror password",
                "identifier": "mirror_password",
                "orgIdentifier": null,
                "projectIdentifier": null,
                "tags": {},
                "description": "",
                "spec": {
                    "secretManagerIdentifier": "harnessSecretManager",
                    "valueType": "Inline",
                    "value": null,
                    "additionalMetadata": null
                }
            },
            "createdAt": 1_767_225_600_000_u64,
            "updatedAt": 1_767_225_600_000_u64,
            "draft": false,
            "governanceMetadata": null
        },
        "metaData": null,
        "correlationId": "ID"
    });
    assert_eq!((status, told), (200, expect.to_string()));

    let one = format!("{BASE}/mirror_password?accountIdentifier=acme");
    for (method, path) in [("GET", &one), ("POST", &format!("{BASE}/list?accountIdentifier=acme"))] {
        let (status, told) = rig.told(method, path, &Value::Null).await;
        assert_eq!(status, 200);
        assert!(told.contains("mirror_password") && !told.contains("hunter2"), "{told}");
    }
    assert_eq!(rig.ask("PUT", &one, &secret().to_string()).await.0, 200);
    assert_eq!(rig.ask("DELETE", &one, "").await.1["data"], true);
    let (status, answer) = rig.ask("GET", &one, "").await;
    assert_eq!(
        (status, &answer["status"], &answer["message"]),
        (400, &json!("FAILURE"), &json!("Secret with identifier [mirror_password] is not found in the given scope"))
    );
}

#[tokio::test]
async fn the_journal_never_has_what_a_request_says_in_secret() {
    let rig = Rig::start(config(json!({}))).await;
    let url = format!("{}{BASE}/none?accountIdentifier=acme&token=hunter2&page=7", rig.harness.url());
    let request = client()
        .get(url)
        .header("x-api-key", "hunter2")
        .header("authorization", "Bearer hunter2")
        .header("user-agent", "curl/8");
    assert_eq!(request.send().await.unwrap().status(), 401);
    let entries = rig.journal.entries();
    let journal = serde_json::to_string(&entries.iter().map(|entry| &**entry).collect::<Vec<_>>()).unwrap();
    // The request is there, with what is told of its headers and its query, and without the secret.
    for told in ["curl/8", "Bearer", "page=7", "token="] {
        assert!(journal.contains(told), "{told}: {journal}");
    }
    assert!(!journal.contains("hunter2"), "{journal}");
}

#[tokio::test]
async fn scope_and_value_are_checked() {
    let rig = Rig::start(config(json!({}))).await;
    let check = async |path: &str, body: Value, expect: &str| {
        let (status, answer) = rig.ask("POST", path, &body.to_string()).await;
        assert_eq!((status, &answer["message"]), (400, &json!(expect)));
    };
    let project = format!("{BASE}?accountIdentifier=acme&orgIdentifier=default&projectIdentifier=demo");
    check(&project, secret(), "Invalid request: Invalid request, scope in payload and params do not match.").await;
    let mut without = secret();
    without["secret"]["spec"]["value"] = Value::Null;
    let account = format!("{BASE}?accountIdentifier=acme");
    let empty = "Invalid request: value cannot be empty for a secret text.";
    check(&account, without.clone(), empty).await;
    let mut blank = secret();
    blank["secret"]["spec"]["value"] = json!("");
    check(&account, blank.clone(), empty).await;
    assert_eq!(rig.ask("POST", &account, &secret().to_string()).await.0, 200);
    let one = format!("{BASE}/mirror_password?accountIdentifier=acme");
    let (status, answer) = rig.ask("PUT", &one, &blank.to_string()).await;
    assert_eq!((status, &answer["message"]), (400, &json!(empty)));
    assert_eq!(rig.ask("PUT", &one, &without.to_string()).await.0, 200, "the old value stays");
}
