//! What is set for the account: images, settings; organisations and projects.

use crate::rig::{Rig, config};
use serde_json::{Value, json};

fn images(call: &str) -> String {
    format!("/gateway/ci/execution-config/{call}?accountIdentifier=acme&infra=K8")
}

#[tokio::test]
async fn images_are_set_reset_and_told() {
    let rig = Rig::start(config(json!({}))).await;
    let (status, answer) = rig.ask("GET", &images("get-default-config"), "").await;
    let known = [
        ("addonTag", "harness/ci-addon:1.18.27"),
        ("liteEngineTag", "harness/ci-lite-engine:1.18.27"),
        ("gitCloneTag", "harness/drone-git:1.7.20-rootless"),
        ("buildAndPushDockerRegistryTag", "plugins/kaniko:1.13.9"),
        ("buildAndPushECRTag", "plugins/kaniko-ecr:1.13.9"),
        ("buildAndPushACRTag", "plugins/kaniko-acr:1.13.9"),
        ("buildAndPushGCRTag", "plugins/kaniko-gcr:1.13.9"),
        ("buildAndPushGARTag", "plugins/kaniko-gcr:1.13.9"),
        ("gcsUploadTag", "plugins/gcs:1.6.10"),
        ("s3UploadTag", "plugins/s3:1.8.0"),
        ("artifactoryUploadTag", "plugins/artifactory:1.8.6"),
        ("cacheGCSTag", "plugins/cache:1.10.8"),
        ("cacheS3Tag", "plugins/cache:1.10.8"),
        ("securityTag", "harness/sto-plugin:latest"),
    ];
    assert_eq!(status, 200);
    let told: Vec<_> = answer["data"].as_object().unwrap().iter().take(known.len()).collect();
    let known: Vec<_> = known.iter().map(|(field, image)| (String::from(*field), json!(image))).collect();
    assert_eq!(told, known.iter().map(|(field, image)| (field, image)).collect::<Vec<_>>());

    let customer = images("get-customer-config");
    assert_eq!(rig.ask("GET", &customer, "").await.1["data"], json!({}));
    let change = json!([{ "field": "gitCloneTag", "value": "mirror/harness/drone-git:1.7.20" },
                        { "field": "addonTag", "value": "harness/ci-addon:1.15.1" }]);
    assert_eq!(rig.ask("POST", &images("update-config"), &change.to_string()).await.1["data"], true);
    let set = json!({ "addonTag": "harness/ci-addon:1.15.1", "gitCloneTag": "mirror/harness/drone-git:1.7.20" });
    assert_eq!(rig.ask("GET", &customer, "").await.1["data"], set);
    let (_, all) = rig.ask("GET", &format!("{customer}&overridesOnly=false"), "").await;
    assert_eq!(all["data"]["gitCloneTag"], "mirror/harness/drone-git:1.7.20");
    assert_eq!(all["data"]["securityTag"], "harness/sto-plugin:latest");
    let vm = customer.replace("K8", "VM");
    assert_eq!(rig.ask("GET", &vm, "").await.1["data"], json!({}), "each infrastructure has its own");
    // More than two minor versions behind, and no major one.
    let base = "/ci/execution-config?accountIdentifier=acme";
    let old = json!([{ "tag": "AddonImage", "version": "harness/ci-addon:1.15.1" }]);
    assert_eq!(rig.ask("GET", base, "").await.1["data"], old);
    assert_eq!(rig.ask("GET", &images("get-deprecated-config"), "").await.1["data"], json!({}));
    let reset = json!([{ "field": "addonTag" }]).to_string();
    assert_eq!(rig.ask("POST", &images("reset-config"), &reset).await.1["data"], true);
    assert_eq!(rig.ask("GET", base, "").await.1["data"], json!([]));
    assert_eq!(rig.harness.account().image_overrides(true)["gitCloneTag"], "mirror/harness/drone-git:1.7.20");
    assert_eq!(rig.ask("DELETE", base, "").await.1["data"], true);
    assert_eq!(rig.ask("GET", &customer, "").await.1["data"], json!({}));
}

#[tokio::test]
async fn images_that_there_are_not_are_refused() {
    let rig = Rig::start(config(json!({}))).await;
    let message = async |path: &str, body: Value| {
        let (status, answer) = rig.ask("POST", path, &body.to_string()).await;
        (status, answer["message"].as_str().unwrap().to_owned())
    };
    let update = images("update-config");
    let odd = json!([{ "field": "gitCloneTag", "value": "x:1" }, { "field": "odd", "value": "x:1" }]);
    let told = message(&update, odd).await;
    assert_eq!(told, (400, String::from("Invalid request: Field odd does not exist for infra type: K8")));
    assert_eq!(rig.ask("GET", &images("get-customer-config"), "").await.1["data"], json!({}), "all or nothing");
    let addon = json!([{ "field": "addonTag", "value": "x:1" }]);
    let told = message(&update.replace("K8", "VM"), addon.clone()).await;
    assert_eq!(told.1, "Invalid request: Field addonTag does not exist for infra type: VM");
    let told = message(&update.replace("K8", "DOCKER"), addon.clone()).await;
    assert_eq!(told.1, "Invalid request: Config not supported for infra type: DOCKER");
    let told = message(&update.replace("&infra=K8", ""), addon).await;
    assert_eq!(told.1, "infra: must not be null");
    assert_eq!(message(&update, json!({})).await.1, "Unable to process JSON");
    let limited = Rig::start(config(json!({ "api-keys": [
        { "token": "pat.acme.a.b", "permissions": ["core_account_view"] },
    ] })))
    .await;
    assert_eq!(limited.ask("GET", &images("get-default-config"), "").await.0, 200);
    assert_eq!(limited.ask("POST", &update, "[]").await.0, 403);
}

#[tokio::test]
async fn settings_are_told_and_set() {
    let rig = Rig::start(config(json!({ "settings": { "disable_harness_built_in_secret_manager": true } }))).await;
    let one = "/ng/api/settings/enable_force_delete?accountIdentifier=acme";
    assert_eq!(rig.ask("GET", one, "").await.1["data"], json!({ "valueType": "BOOLEAN", "value": "false" }));
    let all = "/ng/api/settings?accountIdentifier=acme";
    let change = |value: &str, kind: &str| {
        json!([{ "identifier": "enable_force_delete", "value": value, "allowOverrides": false, "updateType": kind },
               { "identifier": "odd", "value": "x", "allowOverrides": false, "updateType": "UPDATE" }])
        .to_string()
    };
    let (status, answer) = rig.ask("PUT", all, &change("true", "UPDATE")).await;
    let setting = json!({
        "identifier": "enable_force_delete", "name": "Enable Force Delete of Harness Resources", "orgIdentifier": null,
        "projectIdentifier": null, "category": "CORE", "groupIdentifier": null, "valueType": "BOOLEAN",
        "allowedValues": null, "allowOverrides": false, "value": "true", "defaultValue": "false",
        "settingSource": "ACCOUNT", "isSettingEditable": true, "allowedScopes": ["ACCOUNT"]
    });
    let expect = json!([
        { "identifier": "enable_force_delete", "setting": setting, "lastModifiedAt": 1_767_225_600_000_u64,
          "updateStatus": true, "errorMessage": null },
        { "identifier": "odd", "setting": null, "lastModifiedAt": null, "updateStatus": false,
          "errorMessage": "Setting [odd] is invalid or is not applicable in the scope" },
    ]);
    assert_eq!((status, &answer["data"]), (200, &expect));
    assert_eq!(rig.ask("GET", one, "").await.1["data"]["value"], "true");
    let (_, listed) = rig.ask("GET", &format!("{all}&category=CORE"), "").await;
    assert_eq!(listed["data"], json!([{ "setting": setting, "lastModifiedAt": 1_767_225_600_000_u64 }]));
    let (_, answer) = rig.ask("PUT", all, &change("", "RESTORE")).await;
    assert_eq!(answer["data"][0]["setting"]["settingSource"], "DEFAULT");
    assert_eq!(rig.ask("PUT", all, &change("perhaps", "UPDATE")).await.1["data"][0]["updateStatus"], false);
    assert_eq!(rig.ask("PUT", all, &change("true", "ODD")).await.0, 400);
    let secret =
        json!({ "secret": { "type": "SecretText", "name": "s", "identifier": "s", "spec": { "value": "v" } } });
    assert_eq!(
        rig.ask("POST", "/ng/api/v2/secrets?accountIdentifier=acme", &secret.to_string()).await.1["message"],
        "Invalid request: Built-in Harness Secret Manager cannot be used to create Secret as it has been disabled."
    );
}

#[tokio::test]
async fn organisations_and_projects_are_told_as_they_were_made() {
    let rig = Rig::start(config(json!({}))).await;
    let ask = async |method: &str, path: &str, body: Value| {
        let separator = if path.contains('?') { '&' } else { '?' };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = rig.ask(method, &format!("/ng/api{path}{separator}accountIdentifier=acme"), &body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer["data"].clone()
    };
    let (created, modified) = (1_767_225_600_000_u64, 1_767_225_600_000_u64);
    let tools = json!({ "identifier": "tools", "name": "Tools and more", "description": "d", "tags": { "team": "x" } });
    let tools_told =
        json!({ "organization": tools, "createdAt": created, "lastModifiedAt": modified, "harnessManaged": false });
    assert_eq!(ask("POST", "/organizations", json!({ "organization": tools })).await, tools_told);
    assert_eq!(ask("GET", "/organizations/tools", Value::Null).await, tools_told);
    let default = json!({ "identifier": "default", "name": "default", "description": "", "tags": {} });
    assert_eq!(ask("GET", "/organizations/default", Value::Null).await["organization"], default);
    assert_eq!(ask("GET", "/organizations?searchTerm=MORE", Value::Null).await["content"], json!([tools_told]));

    let bench = json!({
        "orgIdentifier": "tools", "identifier": "bench", "name": "Bench", "color": "#0063F7", "modules": ["CI"],
        "description": "", "tags": {},
    });
    let bench_told = json!({ "project": bench, "createdAt": created, "lastModifiedAt": modified });
    assert_eq!(ask("POST", "/projects?orgIdentifier=tools", json!({ "project": bench })).await, bench_told);
    assert_eq!(ask("GET", "/projects/bench?orgIdentifier=tools", Value::Null).await, bench_told);
    assert_eq!(ask("GET", "/projects", Value::Null).await["totalItems"], 2);
    assert_eq!(ask("GET", "/projects?searchTerm=ben", Value::Null).await["content"], json!([bench_told]));
}

#[tokio::test]
async fn organisations_and_projects_change_and_go_with_all_that_lives_in_them() {
    let rig = Rig::start(config(json!({ "organizations": [{ "identifier": "o", "projects": ["p", "q"] }] }))).await;
    let ask = async |method: &str, path: &str, body: Value| {
        let separator = if path.contains('?') { '&' } else { '?' };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        rig.ask(method, &format!("/ng/api{path}{separator}accountIdentifier=acme"), &body).await
    };
    let changed = json!({ "organization": { "identifier": "o", "name": "Other", "tags": { "a": "b" } } });
    let (status, answer) = ask("PUT", "/organizations/o", changed.clone()).await;
    assert_eq!((status, &answer["data"]["organization"]["name"]), (200, &json!("Other")), "{answer}");
    let (status, answer) = ask("PUT", "/organizations/x", changed).await;
    assert_eq!(status, 400, "{answer}");
    let missing = json!({ "organization": { "identifier": "x", "name": "x" } });
    assert_eq!(ask("PUT", "/organizations/x", missing).await.0, 404);
    let project = json!({ "project": { "identifier": "p", "orgIdentifier": "o", "name": "P", "color": "#0063F7" } });
    let (status, answer) = ask("PUT", "/projects/p?orgIdentifier=o", project.clone()).await;
    assert_eq!((status, &answer["data"]["project"]["color"]), (200, &json!("#0063F7")), "{answer}");

    for project in ["p", "q"] {
        let secret = json!({ "secret": { "type": "SecretText", "name": "s", "identifier": "s", "orgIdentifier": "o",
            "projectIdentifier": project, "spec": { "value": "v" } } });
        let (status, answer) =
            ask("POST", &format!("/v2/secrets?orgIdentifier=o&projectIdentifier={project}"), secret).await;
        assert_eq!(status, 200, "{answer}");
        let connector = json!({ "connector": { "name": "c", "identifier": "c", "orgIdentifier": "o",
            "projectIdentifier": project, "type": "DockerRegistry", "spec": {
                "dockerRegistryUrl": "https://mirror.test", "providerType": "Other", "ignoreTestConnection": true,
                "auth": { "type": "UsernamePassword", "spec": { "username": "u", "passwordRef": "s" } } } } });
        assert_eq!(ask("POST", "/connectors", connector).await.0, 200);
    }
    let of = |project: &str| format!("/connectors/c?orgIdentifier=o&projectIdentifier={project}");
    assert_eq!(ask("DELETE", "/projects/p?orgIdentifier=o", Value::Null).await.1["data"], true);
    assert_eq!(ask("DELETE", "/projects/p?orgIdentifier=o", Value::Null).await.0, 404);
    assert_eq!((ask("GET", &of("p"), Value::Null).await.0, ask("GET", &of("q"), Value::Null).await.0), (400, 200));
    // Made again it is empty: nothing of the old one holds the secret's name, or is held by it.
    assert_eq!(ask("POST", "/projects?orgIdentifier=o", project).await.0, 200);
    let secrets = ask("GET", "/v2/secrets?orgIdentifier=o&projectIdentifier=p", Value::Null).await.1;
    assert_eq!(secrets["data"]["totalItems"], 0, "{secrets}");

    assert_eq!(ask("DELETE", "/organizations/o", Value::Null).await.1["data"], true);
    assert_eq!(ask("GET", "/organizations/o", Value::Null).await.0, 404);
    assert_eq!(ask("GET", "/projects", Value::Null).await.1["data"]["totalItems"], 0);
    assert_eq!(ask("GET", &of("q"), Value::Null).await.0, 400);
}
