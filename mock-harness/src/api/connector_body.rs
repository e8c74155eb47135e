//! A connector as the API shows it; key order as in the samples.
//!
//! Source: facts/harness B6, create-response and list-response.

use serde_json::{Value, json};

use crate::{
    account::{Connector, ConnectorSpec, DockerAuth, DockerSpec, TestRecord},
    platform::epoch_ms,
};

/// The `data` of an answer about one connector.
pub(super) fn connector_data(connector: &Connector, account: &str) -> Value {
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
        "governanceMetadata": null,
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
