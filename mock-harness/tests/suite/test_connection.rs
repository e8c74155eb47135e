//! Testing a connector against odd registries.

use std::{
    ops::Deref,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::{Value, json};
use testbed::net::Names;
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{header_regex, method, path},
};

use crate::rig::{Rig, anonymous, client, config, with_login};

const CREATE: &str = "/ng/api/connectors?accountIdentifier=acme";
const TEST: &str = "/ng/api/connectors/testConnection/m?accountIdentifier=acme";
const URL: &str = "https://mirror.example.test/registry";

/// A registry that is asked. What it was asked before a point of interest is skipped.
struct Registry {
    server: MockServer,
    n_skipped: AtomicUsize,
}

impl Deref for Registry {
    type Target = MockServer;

    fn deref(&self) -> &MockServer {
        &self.server
    }
}

/// A registry, and a platform in whose world it is called `mirror.example.test`.
async fn rig(extra: Value) -> (Registry, Rig) {
    let server = MockServer::start().await;
    let registry = Registry { server, n_skipped: AtomicUsize::new(0) };
    let names = Names::default();
    names.add("mirror.example.test", *registry.address());
    let mut with_secret = extra;
    with_secret["secrets"] = json!([{ "identifier": "mirror_password", "value": "hunter2" }]);
    let rig = Rig::start_with(config(with_secret), names, None).await;
    (registry, rig)
}

/// Makes the connector, waits for the test that follows, and skips what the registry was asked for it.
async fn create(rig: &Rig, registry: &Registry, body: &Value) -> Value {
    let (status, answer) = rig.ask("POST", CREATE, &body.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let status = rig.settled("m").await;
    // The answer about reachability is kept for a minute.
    rig.clock.advance(std::time::Duration::from_secs(61));
    registry.n_skipped.store(registry.received_requests().await.unwrap().len(), Relaxed);
    status
}

/// The requests since [`create`], each as path, query and scheme of authorization.
async fn asked(registry: &Registry) -> Vec<String> {
    let n_before = registry.n_skipped.load(Relaxed);
    let told = |request: &Request| {
        let authorization = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        let scheme = authorization.and_then(|value| value.split(' ').next()).unwrap_or("-");
        let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query} {scheme}", request.url.path())
    };
    registry.received_requests().await.unwrap().iter().skip(n_before).map(told).collect()
}

async fn answer_all(registry: &Registry, status: u16) {
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(status)).mount(registry).await;
}

#[tokio::test]
async fn an_anonymous_test_asks_below_the_url_and_takes_nearly_any_answer() {
    for status in [200, 401, 404, 429, 500] {
        let (registry, rig) = rig(json!({})).await;
        answer_all(&registry, status).await;
        let stored = create(&rig, &registry, &anonymous("m", URL)).await;
        assert_eq!(stored["status"], "SUCCESS", "{status}");
        assert_eq!(stored["lastConnectedAt"], stored["testedAt"]);
        let (code, told) = rig.told("POST", TEST, &Value::Null).await;
        let expect = json!({
            "status": "SUCCESS",
            "data": {
                "status": "SUCCESS", "errors": null, "errorSummary": null, "testedAt": 1_767_225_661_000_u64,
                "delegateId": null, "taskId": null
            },
            "metaData": null,
            "correlationId": "ID"
        });
        assert_eq!((code, told), (200, expect.to_string()), "{status}");
        assert_eq!(asked(&registry).await, ["/registry/v2 -"]);
    }
    let (registry, rig) = rig(json!({})).await;
    answer_all(&registry, 400).await;
    assert_eq!(create(&rig, &registry, &anonymous("m", URL)).await["status"], "FAILURE");
}

#[tokio::test]
async fn a_url_that_ends_in_v2_is_asked_as_it_is() {
    let (registry, rig) = rig(json!({})).await;
    answer_all(&registry, 401).await;
    create(&rig, &registry, &anonymous("m", "https://mirror.example.test/v2")).await;
    rig.ask("POST", TEST, "").await;
    assert_eq!(asked(&registry).await, ["/v2/ -"]);
    rig.ask("POST", TEST, "").await;
    assert_eq!(asked(&registry).await, ["/v2/ -"], "the answer is kept for a minute");
}

#[tokio::test]
async fn wrong_credentials_take_seven_requests_and_end_in_a_hint() {
    let (registry, rig) = rig(json!({ "delegates": [{ "name": "build-1", "tags": ["linux"] }] })).await;
    let challenge = r#"Bearer realm="https://mirror.example.test/token",service="mirror""#;
    Mock::given(path("/token"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "token": "t" })))
        .mount(&registry)
        .await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(401).insert_header("www-authenticate", challenge))
        .mount(&registry)
        .await;
    let mut body = with_login("m", URL);
    body["connector"]["spec"]["executeOnDelegate"] = json!(true);
    body["connector"]["spec"]["delegateSelectors"] = json!(["LINUX"]);
    let stored = create(&rig, &registry, &body).await;
    let line = "Update the username & password. Check if the provided credentials are correct. Invalid Docker Registry \
                credentials";
    assert_eq!(stored["errorSummary"], format!("Error Encountered ({line})"));
    assert_eq!(stored["errors"], json!([{ "reason": "Unexpected Error", "message": line, "code": 450 }]));

    let (status, mut answer) = rig.ask("POST", TEST, "").await;
    answer["correlationId"] = json!("ID");
    let task = answer["metadata"]["taskId"].take();
    assert_eq!(task.as_str().map(str::len), Some(22));
    let expect = json!({
        "status": "ERROR",
        "code": "HINT",
        "message": "Update the username & password",
        "correlationId": "ID",
        "detailedMessage": null,
        "responseMessages": [
            { "code": "HINT", "level": "INFO", "message": "Update the username & password", "exception": null,
              "failureTypes": [] },
            { "code": "EXPLANATION", "level": "INFO", "message": "Check if the provided credentials are correct",
              "exception": null, "failureTypes": [] },
            { "code": "INVALID_ARTIFACT_SERVER", "level": "ERROR", "message": "Invalid Docker Registry credentials",
              "exception": null, "failureTypes": [] }
        ],
        "metadata": { "type": "ConnectorValidationErrorMetaData", "taskId": null }
    });
    assert_eq!((status, answer.to_string()), (400, expect.to_string()));
    assert_eq!(
        asked(&registry).await,
        [
            "/registry/v2 -",
            "/v2 Basic",
            "/token?service=mirror Basic",
            "/v2 Bearer",
            "/v2/ Basic",
            "/token?service=mirror Basic",
            "/v2/ Bearer",
        ]
    );
    let events: Vec<_> = rig.journal.entries().iter().map(|entry| entry.event.to_string()).collect();
    assert!(events.contains(&String::from("delegate build-1 takes the test of account.m")), "{events:?}");
    assert!(!events.join("\n").contains("hunter2"));
}

#[tokio::test]
async fn good_credentials_pass_with_basic_and_with_bearer() {
    let (registry, basic) = rig(json!({})).await;
    // puller:hunter2
    Mock::given(header_regex("authorization", "^Basic cHVsbGVyOmh1bnRlcjI=$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({})))
        .mount(&registry)
        .await;
    create(&basic, &registry, &with_login("m", URL)).await;
    assert_eq!(basic.ask("POST", TEST, "").await.1["data"]["status"], "SUCCESS");
    assert_eq!(asked(&registry).await, ["/registry/v2 -", "/v2 Basic"]);

    let (registry, bearer) = rig(json!({})).await;
    Mock::given(path("/token"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "token": "good" })))
        .mount(&registry)
        .await;
    Mock::given(header_regex("authorization", "^Bearer good$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({})))
        .mount(&registry)
        .await;
    let challenge = r#"Bearer realm="https://mirror.example.test/token",service="s",scope="repository:x:pull""#;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(401).insert_header("www-authenticate", challenge))
        .mount(&registry)
        .await;
    create(&bearer, &registry, &with_login("m", URL)).await;
    assert_eq!(bearer.ask("POST", TEST, "").await.1["data"]["status"], "SUCCESS");
    let token = "/token?service=s&scope=repository%3Ax%3Apull Basic";
    assert_eq!(asked(&registry).await, ["/registry/v2 -", "/v2 Basic", token, "/v2 Bearer"]);
}

#[tokio::test]
async fn a_web_page_fails_the_first_round_and_passes_the_second() {
    let (registry, rig) = rig(json!({})).await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_string("<html>welcome</html>"))
        .mount(&registry)
        .await;
    create(&rig, &registry, &with_login("m", URL)).await;
    assert_eq!(rig.ask("POST", TEST, "").await.1["data"]["status"], "SUCCESS");
    assert_eq!(asked(&registry).await, ["/registry/v2 -", "/v2 Basic", "/v2/ Basic"]);
}

#[tokio::test]
async fn a_challenge_with_a_blank_is_not_understood() {
    let (registry, rig) = rig(json!({})).await;
    let challenge = r#"Bearer realm="https://mirror.example.test/token", service="mirror""#;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(401).insert_header("www-authenticate", challenge))
        .mount(&registry)
        .await;
    create(&rig, &registry, &with_login("m", URL)).await;
    assert_eq!(rig.ask("POST", TEST, "").await.1["message"], "Update the username & password");
    assert_eq!(asked(&registry).await, ["/registry/v2 -", "/v2 Basic", "/v2/ Basic"]);
}

#[tokio::test]
async fn the_last_status_decides_the_words() {
    let told = |messages: &Value| {
        messages
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (status, message, codes) in [
        (
            404,
            "Check with you registry provider for a Docker v2 compliant URL",
            &["HINT", "EXPLANATION", "INVALID_ARTIFACT_SERVER"][..],
        ),
        (429, "Image pull rate limit reached", &["HINT", "EXPLANATION"]),
        (503, "Service Unavailable", &["INVALID_ARTIFACT_SERVER"]),
    ] {
        let (registry, rig) = rig(json!({})).await;
        answer_all(&registry, status).await;
        create(&rig, &registry, &with_login("m", URL)).await;
        let (code, answer) = rig.ask("POST", TEST, "").await;
        assert_eq!((code, answer["message"].as_str()), (400, Some(message)));
        assert_eq!(told(&answer["responseMessages"]), codes);
        assert_eq!(answer["metadata"], Value::Null, "no delegate, no task");
    }
}

/// A registry that answers every request with the same line.
async fn registry_of_one_line(line: &'static str) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read(&mut [0; 4096]).await;
            let answer = format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = connection.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn a_failure_of_the_registry_is_told_in_its_own_words() {
    for (line, message) in [
        ("503 Service Unavailable", "Service Unavailable"),
        ("503 Down for maintenance", "Down for maintenance"),
        ("503 ", "Server responded with the following error code - 503"),
        ("599 ", "Server responded with the following error code - 599"),
        ("599 Odd", "Odd"),
    ] {
        let names = Names::default();
        names.add("mirror.example.test", registry_of_one_line(line).await);
        let secrets = json!([{ "identifier": "mirror_password", "value": "hunter2" }]);
        let connector = with_login("m", URL)["connector"].take();
        let rig = Rig::start_with(config(json!({ "secrets": secrets, "connectors": [connector] })), names, None).await;
        let (status, answer) = rig.ask("POST", TEST, "").await;
        assert_eq!((status, &answer["message"]), (400, &json!(message)), "{line}");
    }
}

#[tokio::test]
async fn a_test_goes_on_and_is_journaled_when_the_client_hangs_up() {
    let (registry, rig) = rig(json!({
        "connectors": [anonymous("m", URL)["connector"]],
    }))
    .await;
    let late = ResponseTemplate::new(200).set_delay(std::time::Duration::from_millis(400));
    Mock::given(method("GET")).respond_with(late).mount(&registry).await;
    let request = client()
        .post(format!("{}{TEST}", rig.harness.url()))
        .header("x-api-key", rig.key.as_deref().unwrap())
        .timeout(std::time::Duration::from_millis(150));
    assert!(request.send().await.unwrap_err().is_timeout());
    let mut status = Value::Null;
    for _ in 0..500 {
        let (_, answer) = rig.ask("GET", "/ng/api/connectors/m?accountIdentifier=acme", "").await;
        status = answer["data"]["status"]["status"].clone();
        if status != "UNKNOWN" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(status, "SUCCESS");
    let events: Vec<_> = rig.journal.entries().iter().map(|entry| entry.event.to_string()).collect();
    let hung_up = format!("harness: POST {TEST} (no answer) [account:admin 127.0.0.1]");
    assert_eq!(events.iter().filter(|event| **event == hung_up).count(), 1, "{events:?}");
}

#[tokio::test]
async fn without_an_eligible_delegate_both_answers_can_be_had() {
    let body = |selectors: Value| {
        let mut body = anonymous("m", URL);
        body["connector"]["spec"]["executeOnDelegate"] = json!(true);
        body["connector"]["spec"]["delegateSelectors"] = selectors;
        body
    };
    let text = "There are no eligible delegates available in the account to execute the task.\n\nDelegate(s) don't have \
                selectors [dc-east]";
    let delegates = json!([{ "name": "build-1", "tags": ["linux"] }]);

    let (registry, rig) = rig(json!({ "delegates": delegates })).await;
    create(&rig, &registry, &body(json!(["dc-east"]))).await;
    let (status, answer) = rig.ask("POST", TEST, "").await;
    assert_eq!(
        (status, &answer["code"], &answer["message"]),
        (400, &json!("INVALID_REQUEST"), &json!(format!("Invalid request: {text}")))
    );

    let behaviour = json!({ "no-delegate": "failure-200" });
    let (registry, rig) = self::rig(json!({ "delegates": delegates, "behaviour": behaviour })).await;
    create(&rig, &registry, &body(json!(["dc-east"]))).await;
    let (status, told) = rig.told("POST", TEST, &Value::Null).await;
    let expect = json!({
        "status": "SUCCESS",
        "data": {
            "status": "FAILURE",
            "errors": [{ "reason": " No Eligible Delegate Found", "message": text, "code": 460 }],
            "errorSummary": format!(" No Eligible Delegate Found ({text})"),
            "testedAt": 1_767_225_661_000_u64,
            "delegateId": null,
            "taskId": null
        },
        "metaData": null,
        "correlationId": "ID"
    });
    assert_eq!((status, told), (200, expect.to_string()));
}

#[tokio::test]
async fn a_delegate_reaches_only_what_it_may() {
    let delegates = json!([{ "name": "build-1", "allow": ["registry-1.docker.io"] }]);
    let (registry, rig) = rig(json!({ "delegates": delegates })).await;
    answer_all(&registry, 200).await;
    let mut body = anonymous("m", URL);
    body["connector"]["spec"]["executeOnDelegate"] = json!(true);
    assert_eq!(create(&rig, &registry, &body).await["status"], "FAILURE");
    let events: Vec<_> = rig.journal.entries().iter().map(|entry| entry.event.to_string()).collect();
    let refused = "build-1: egress to mirror.example.test refused, it is not on the allowlist";
    assert!(events.iter().any(|event| event == refused), "{events:?}");
}

/// A rig with one delegate, an anonymous connector through it, and the answer of its test: status and body.
async fn test_through(delegate: Value, behaviour: Value) -> (Rig, u16, Value) {
    let (registry, mut rig) = rig(json!({ "delegates": [delegate], "behaviour": behaviour })).await;
    answer_all(&registry, 200).await;
    let mut body = anonymous("m", URL);
    body["connector"]["spec"]["executeOnDelegate"] = json!(true);
    create(&rig, &registry, &body).await;
    rig.clock.advance(std::time::Duration::from_secs(120));
    let (status, mut answer) = rig.ask("POST", TEST, "").await;
    answer["correlationId"] = json!("ID");
    rig.key = None;
    (rig, status, answer)
}

#[tokio::test]
async fn what_becomes_of_a_task_that_no_delegate_ends() {
    let silent = json!({ "name": "build-1", "disconnects-at": "1m" });
    let lost = "Active eligible delegates were unable to acquire the delegate task. Delegates may have lost connectivity or \
                lacked the resources to run new tasks.\n\n";
    let hanging = json!({ "name": "build-1", "hangs": true });
    let late = "Delegate build-1 failed to complete the task and timed out.\n\n";
    let stranger = json!({ "name": "build-1", "organization": "default", "project": "demo" });
    let not_owned = "There are no eligible delegates available in the account to execute the task.\n\nThere are no delegates \
                     with the right ownership to execute task\"";
    let unable = json!({ "name": "build-1", "task-types": ["INITIALIZATION_PHASE"] });
    let not_supported = "There are no eligible delegates available in the account to execute the task.\n\nTask type not \
                         supported by delegate(s)";
    for (delegate, text, reason, code, takes_minutes) in [
        (silent, lost, "Unexpected Error", 450, 2),
        (hanging, late, " Delegate Timed Out", 461, 4),
        (stranger, not_owned, " No Eligible Delegate Found", 460, 0),
        (unable, not_supported, " No Eligible Delegate Found", 460, 0),
    ] {
        let (rig, status, answer) = test_through(delegate.clone(), json!({})).await;
        let message = format!("Invalid request: {text}");
        assert_eq!((status, answer["code"].as_str()), (400, Some("INVALID_REQUEST")));
        assert_eq!(answer["message"], message);
        assert_eq!(answer["responseMessages"][0]["message"], message);
        // So long the tests took on the policy clock; three minutes passed besides.
        let start = testbed::Clock::DEFAULT_START;
        let passed = rig.clock.now().duration_since(start).as_secs();
        assert_eq!(passed, 61 + 120 + takes_minutes * 60, "{delegate}");

        let (rig, status, answer) = test_through(delegate, json!({ "no-delegate": "failure-200" })).await;
        let data = &answer["data"];
        assert_eq!((status, data["status"].as_str()), (200, Some("FAILURE")));
        assert_eq!(data["errors"], json!([{ "reason": reason, "message": text, "code": code }]));
        assert_eq!(data["errorSummary"], format!("{reason} ({text})"));
        assert_eq!(data["testedAt"], rig.clock.now().as_millisecond());
    }
}

#[tokio::test]
async fn the_platform_itself_needs_no_delegate() {
    let (registry, rig) = rig(json!({ "delegates": [{ "name": "a", "connected": false }] })).await;
    answer_all(&registry, 401).await;
    assert_eq!(create(&rig, &registry, &anonymous("m", URL)).await["status"], "SUCCESS");
}

#[tokio::test]
async fn another_types_test_is_a_switch() {
    let cluster = json!({
        "name": "m", "identifier": "m", "type": "K8sCluster",
        "spec": { "credential": { "type": "InheritFromDelegate" } },
    });
    for (switch, status, tested_at) in [("unknown", "UNKNOWN", 0), ("success", "SUCCESS", 1_767_225_600_000_u64)] {
        let behaviour = json!({ "other-types-test": switch });
        let rig = Rig::start(config(json!({ "connectors": [cluster], "behaviour": behaviour }))).await;
        let (code, told) = rig.told("POST", TEST, &Value::Null).await;
        let expect = json!({
            "status": "SUCCESS",
            "data": {
                "status": status, "errors": null, "errorSummary": null, "testedAt": tested_at, "delegateId": null,
                "taskId": null
            },
            "metaData": null,
            "correlationId": "ID"
        });
        assert_eq!((code, told), (200, expect.to_string()), "{switch}");
    }
}
