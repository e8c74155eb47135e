//! The Harness API asked with curl, by the request bodies of `examples/` as they are; answers are held against the examples
//! whole, key order included. Identifiers and times, which differ each time, are blotted out in both.
//!
//! `examples/` holds the facts' own examples; they were composed for this project. Source: facts/harness, B and D.

mod curl;

use curl::{ACCOUNT, Platform, READER, blotted, example};
use serde_json::{Value, json};
use tests::needs::Tool;

const CONNECTORS: &str = "/gateway/ng/api/connectors?accountIdentifier=acmeAcct0000000000001";
const HARNESS_IMAGE: &str = "/gateway/ng/api/connectors/harnessImage?accountIdentifier=acmeAcct0000000000001";
const SECRETS: &str = "/gateway/ng/api/v2/secrets?accountIdentifier=acmeAcct0000000000001";
const IN_PROJECT: &str = "accountIdentifier=acmeAcct0000000000001&orgIdentifier=payments&projectIdentifier=ledger";

#[test]
fn an_anonymous_connector_is_created_tested_and_deleted() {
    if !Tool::Curl.is_here() {
        return;
    }
    let platform = Platform::start(&json!({}));
    platform.get(HARNESS_IMAGE).is(400, &example("get-not-found"));
    let request = example("create-request.anonymous");
    platform.post(CONNECTORS, &request).is(200, &example("create-response"));
    platform.post(CONNECTORS, &request).is(400, &example("duplicate-identifier"));
    let test = format!("/gateway/ng/api/connectors/testConnection/harnessImage?accountIdentifier={ACCOUNT}");
    platform.post(&test, &Value::Null).is(200, &example("test-connection.success"));
    let mut settled = example("create-response");
    settled["data"]["status"] = example("list-response")["data"]["content"][1]["status"].take();
    platform.settled(HARNESS_IMAGE).is(200, &settled);
    let deleted = json!({ "status": "SUCCESS", "data": true, "metaData": null, "correlationId": "ID" });
    platform.delete(HARNESS_IMAGE).is(200, &deleted);
    platform.get(HARNESS_IMAGE).is(400, &example("get-not-found"));
}

#[test]
fn a_connector_with_a_login_is_created_in_its_project_and_fails_its_test() {
    if !Tool::Curl.is_here() {
        return;
    }
    let platform =
        Platform::start(&json!({ "delegates": [{ "name": "build-1", "tags": ["linux-amd64", "dc-east"] }] }));
    let request = example("create-request.userpass");
    platform.post(CONNECTORS, &request).is(400, &example("secret-missing"));
    let secret = example("secret-create");
    platform.post(SECRETS, &secret["request"]).is(200, &secret["response"]);

    // The query names no project: the body does.
    platform.post(CONNECTORS, &request).is(200, &created_in_project());
    let test = format!("/gateway/ng/api/connectors/testConnection/teamMirror?{IN_PROJECT}");
    platform.post(&test, &Value::Null).is(400, &example("test-connection.hint-error"));
    let in_project = format!("/gateway/ng/api/connectors/teamMirror?{IN_PROJECT}");
    let mut settled = created_in_project();
    settled["data"]["status"] = example("list-response")["data"]["content"][0]["status"].take();
    platform.settled(&in_project).is(200, &settled);
}

#[test]
fn the_list_has_the_last_changed_first() {
    if !Tool::Curl.is_here() {
        return;
    }
    let platform = Platform::start(&json!({ "delegates": [{ "name": "build-1", "tags": ["linux-amd64"] }] }));
    platform.post(SECRETS, &example("secret-create")["request"]).succeeds();
    platform.post(CONNECTORS, &example("create-request.anonymous")).succeeds();
    platform.post(CONNECTORS, &account_level_login()).succeeds();
    platform.settled(HARNESS_IMAGE).succeeds();
    platform.settled(&format!("/gateway/ng/api/connectors/teamMirror?accountIdentifier={ACCOUNT}")).succeeds();
    let list = format!("/gateway/ng/api/connectors/listV2?accountIdentifier={ACCOUNT}");
    platform.post(&list, &json!({ "filterType": "Connector" })).is(200, &example("list-response"));
}

#[test]
fn a_test_that_no_delegate_may_do_can_fail_with_200() {
    if !Tool::Curl.is_here() {
        return;
    }
    let platform = Platform::start(&json!({
        "delegates": [{ "name": "build-1", "tags": ["linux-amd64"] }],
        "behaviour": { "no-delegate": "failure-200" },
    }));
    platform.post(SECRETS, &example("secret-create")["request"]).succeeds();
    platform.post(CONNECTORS, &example("create-request.userpass")).succeeds();
    let test = format!("/gateway/ng/api/connectors/testConnection/teamMirror?{IN_PROJECT}");
    platform.post(&test, &Value::Null).is(200, &example("test-connection.failure-200"));
}

#[test]
fn whoever_has_no_key_or_too_weak_a_key_is_refused() {
    if !Tool::Curl.is_here() {
        return;
    }
    let platform = Platform::start(&json!({}));
    let request = example("create-request.anonymous");
    platform
        .with_key("pat.acmeAcct0000000000001.unknown.unknown")
        .post(CONNECTORS, &request)
        .is(401, &example("invalid-token"));
    platform.with_key(READER).post(CONNECTORS, &request).is(403, &example("access-denied"));
}

#[test]
fn a_bad_identifier_is_told_by_its_field() {
    if !Tool::Curl.is_here() {
        return;
    }
    let platform = Platform::start(&json!({}));
    let mut request = example("create-request.anonymous");
    request["connector"]["identifier"] = json!("1-harness-image");
    platform.post(CONNECTORS, &request).is(400, &example("validation-failure"));
}

#[test]
fn a_connector_that_a_pipeline_names_stays() {
    if !Tool::Curl.is_here() {
        return;
    }
    let platform = Platform::start(&json!({}));
    platform.post(SECRETS, &example("secret-create")["request"]).succeeds();
    platform.post(CONNECTORS, &example("create-request.userpass")).succeeds();
    let pipelines = format!("/gateway/pipeline/api/pipelines/v2?{IN_PROJECT}");
    platform.post_text(&pipelines, PIPELINE).succeeds();
    let in_project = format!("/gateway/ng/api/connectors/teamMirror?{IN_PROJECT}");
    platform.delete(&in_project).is(400, &example("delete-referenced"));
}

/// One that takes Harness's own images from `teamMirror`.
const PIPELINE: &str = "
pipeline:
  name: Build
  identifier: build
  orgIdentifier: payments
  projectIdentifier: ledger
  stages:
    - stage:
        name: Build
        identifier: build
        type: CI
        spec:
          cloneCodebase: false
          infrastructure:
            type: KubernetesDirect
            spec: { connectorRef: account.cluster, namespace: ci, os: Linux, harnessImageConnectorRef: teamMirror }
          execution:
            steps:
              - step: { type: Run, name: Test, identifier: test, spec: { shell: Sh, command: make test } }
";

/// What `create-request.userpass` is answered with; there is no example of it, so it is the other answer with its own fields.
fn created_in_project() -> Value {
    let mut answer = example("create-response");
    let connector = &mut answer["data"]["connector"];
    *connector = example("list-response")["data"]["content"][0]["connector"].take();
    connector["orgIdentifier"] = json!("payments");
    connector["projectIdentifier"] = json!("ledger");
    connector["spec"]["delegateSelectors"] = json!(["linux-amd64", "dc-east"]);
    connector["spec"]["ignoreTestConnection"] = json!(false);
    answer
}

/// The connector with a login as the list has it: of the account, with one selector.
fn account_level_login() -> Value {
    let mut request = example("create-request.userpass");
    let connector = &mut request["connector"];
    let fields = connector.as_object_mut().expect("an object");
    fields.remove("orgIdentifier");
    fields.remove("projectIdentifier");
    let spec = connector["spec"].as_object_mut().expect("an object");
    spec.remove("ignoreTestConnection");
    spec.insert(String::from("delegateSelectors"), json!(["linux-amd64"]));
    request
}

#[test]
fn what_differs_each_time_is_blotted_out() {
    let answer = json!({
        "correlationId": "5b1c7c0e-0000-4000-8000-000000000001", "testedAt": 0, "createdAt": 1_767_225_600_000_i64,
        "metadata": { "taskId": "dlgTask000000000000001" }, "delegateId": null, "code": 450,
    });
    let expected = json!({
        "correlationId": "ID", "testedAt": 0, "createdAt": "TIME",
        "metadata": { "taskId": "ID" }, "delegateId": null, "code": 450,
    });
    assert_eq!(blotted(&answer), expected);
}
