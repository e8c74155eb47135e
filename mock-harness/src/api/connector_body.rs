//! A connector as the API shows it; key order as in the samples.
//!
//! Source: facts/harness B6, create-response and list-response.

use serde_json::{Value, json};

use crate::{
    account::{Connector, ConnectorSpec, DockerAuth, DockerSpec, TestRecord, Verdict},
    config::{ExtraFields, Nulls},
    platform::{Platform, epoch_ms},
};

/// The `data` of an answer about one connector, with what policies said when it was saved just now.
pub(super) fn connector_data(platform: &Platform, connector: &Connector, verdict: Option<&Verdict>) -> Value {
    let account = platform.account();
    let mut data = full_data(connector, account.identifier(), verdict);
    let behaviour = account.behaviour();
    if let (ExtraFields::UniqueIds, Some(body)) = (behaviour.extra_fields, data["connector"].as_object_mut()) {
        let parent = &connector.scope;
        let parent = match (&parent.org, &parent.project) {
            (None, _) => String::from(account.identifier()),
            (Some(org), None) => platform.entity_id_of(&format!("scope {org}")),
            (Some(org), Some(project)) => platform.entity_id_of(&format!("scope {org}/{project}")),
        };
        body.insert("uniqueId".into(), platform.entity_id_of(&format!("connector {}", connector.made)).into());
        body.insert("parentUniqueId".into(), parent.into());
    }
    if behaviour.nulls == Nulls::Omitted {
        without_nulls(&mut data);
    }
    data
}

/// The `data` of an answer about a connector that policies do not let be saved.
pub(super) fn denied_data(verdict: &Verdict) -> Value {
    json!({
        "connector": null,
        "createdAt": null,
        "lastModifiedAt": null,
        "status": null,
        "activityDetails": null,
        "harnessManaged": false,
        "gitDetails": null,
        "entityValidityDetails": null,
        "governanceMetadata": verdict.metadata,
        "isFavorite": null,
    })
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

fn full_data(connector: &Connector, account: &str, verdict: Option<&Verdict>) -> Value {
    let Connector { scope, identifier, name, description, tags, tested, .. } = connector;
    let TestRecord { status, summary, errors, tested_at_ms, connected_at_ms } = tested;
    json!({
        "connector": {
            "name": name,
            "identifier": identifier,
            "description": description,
            "accountIdentifier": account,
            "orgIdentifier": scope.org,
            "projectIdentifier": scope.project,
            "tags": tags,
            "type": connector.kind(),
            "spec": spec(&connector.spec),
        },
        "createdAt": epoch_ms(connector.created_at),
        "lastModifiedAt": epoch_ms(connector.modified_at),
        "status": {
            "status": status,
            "errorSummary": summary,
            "errors": errors,
            "testedAt": tested_at_ms,
            "lastTestedAt": 0,
            "lastConnectedAt": connected_at_ms,
            "lastAlertSent": null,
        },
        "activityDetails": { "lastActivityTime": epoch_ms(connector.modified_at) },
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
            "parentEntityRepoName": null,
        },
        "entityValidityDetails": { "valid": true, "invalidYaml": null },
        "governanceMetadata": verdict.map(|verdict| &verdict.metadata),
        "isFavorite": false,
    })
}

fn spec(spec: &ConnectorSpec) -> Value {
    let docker = match spec {
        ConnectorSpec::Docker(docker) => docker,
        ConnectorSpec::Other { spec, .. } => return spec.clone(),
    };
    let DockerSpec { url, provider, auth, delegate_selectors, execute_on_delegate, proxy, ignore_test_connection } =
        docker;
    let auth = match auth {
        DockerAuth::Anonymous => json!({ "type": "Anonymous", "spec": null }),
        DockerAuth::UsernamePassword { username, username_ref, password_ref } => json!({
            "type": "UsernamePassword",
            "spec": { "username": username, "usernameRef": username_ref, "passwordRef": password_ref },
        }),
    };
    let mut body = json!({
        "dockerRegistryUrl": url,
        "providerType": provider,
        "auth": auth,
        "delegateSelectors": delegate_selectors,
        "executeOnDelegate": execute_on_delegate,
        "proxy": proxy,
    });
    // A field of newer schemas: shown to who has set it.
    if let (Some(ignore), Some(body)) = (ignore_test_connection, body.as_object_mut()) {
        body.insert(String::from("ignoreTestConnection"), Value::Bool(*ignore));
    }
    body
}
