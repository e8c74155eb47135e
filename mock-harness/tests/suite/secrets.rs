//! `/ng/api/v2/secrets`.

use crate::rig::{Rig, config};
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
    let journal =
        serde_json::to_string(&rig.journal.entries().iter().map(|entry| &**entry).collect::<Vec<_>>()).unwrap();
    assert!(!journal.contains("hunter2"), "{journal}");
    assert_eq!(rig.ask("PUT", &one, &secret().to_string()).await.0, 200);
    assert_eq!(rig.ask("DELETE", &one, "").await.1["data"], true);
    let (status, answer) = rig.ask("GET", &one, "").await;
    assert_eq!(
        (status, &answer["status"], &answer["message"]),
        (400, &json!("FAILURE"), &json!("Secret with identifier [mirror_password] is not found in the given scope"))
    );
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
    check(&account, without, "Invalid request: value cannot be empty for a secret text.").await;
}
