//! How executions go: pods that wait for their images, machines that try again, stages side by side, and what is told of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};
use testbed::{
    Clock,
    clock::{Participant, after},
    net::Names,
    task::{Effort, FailureKind, PullAgent, PullFailure, PullTask, PulledImage},
};

use crate::rig::{Rig, anonymous, client, config, with_login};

const SCOPE: &str = "accountIdentifier=acme&orgIdentifier=default&projectIdentifier=demo";

/// A pipeline called `ci` with these stages.
fn pipeline(stages: &str) -> String {
    format!(
        "pipeline:\n  name: CI\n  identifier: ci\n  orgIdentifier: default\n  projectIdentifier: demo\n  stages:\n{stages}"
    )
}

/// A stage of one step, which runs `golang:1`, on this infrastructure or runtime.
fn stage(identifier: &str, place: &str) -> String {
    format!(
        "    - stage:
        identifier: {identifier}
        name: {identifier} it
        type: CI
        spec:
          {place}
          execution: {{ steps: [{{ step: {{ identifier: make, name: Make, type: Run, spec: {{ image: 'golang:1' }} }} }}] }}
"
    )
}

const POD: &str =
    "infrastructure: { type: KubernetesDirect, spec: { namespace: ci, harnessImageConnectorRef: account.mirror } }";
const CLOUD: &str = "runtime: { type: Cloud, spec: {} }";

/// Refuses an image for some time.
struct Agent {
    refused: &'static str,
    kind: FailureKind,
    until: Duration,
    /// How long a pull takes.
    takes: Duration,
    asked: Mutex<Vec<String>>,
}

impl Agent {
    fn refusing(refused: &'static str, kind: FailureKind, until: Duration) -> Arc<Self> {
        Arc::new(Self { refused, kind, until, takes: Duration::ZERO, asked: Mutex::default() })
    }

    /// Refuses nothing, and takes five seconds for each pull.
    fn slow() -> Arc<Self> {
        let (kind, until, takes) = (FailureKind::Network, Duration::ZERO, Duration::from_secs(5));
        Arc::new(Self { refused: "nothing", kind, until, takes, asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl PullAgent for Agent {
    fn pull<'a>(&'a self, place: &'a Participant, task: PullTask) -> BoxFuture<'a, Result<PulledImage, PullFailure>> {
        async move {
            let image = task.image.to_string();
            let now = place.clock().now();
            let seconds = now.duration_since(Clock::DEFAULT_START).as_secs_f64();
            self.asked.lock().unwrap().push(format!("{seconds} {image}"));
            if !self.takes.is_zero() {
                place.sleep(self.takes).await;
            }
            if image.contains(self.refused) && now < after(Clock::DEFAULT_START, self.until) {
                let (kind, message) = (self.kind, String::from("no"));
                let effort = Effort::default();
                return Err(PullFailure { kind, status: None, of_token: false, message, n_retries: 0, effort });
            }
            let digest: oci::Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
            Ok(PulledImage {
                digest: digest.clone(),
                manifest: digest,
                n_layers: 1,
                size_bytes: 7,
                received_bytes: 7,
                n_resumed: 0,
                n_retries: 0,
                is_up_to_date: false,
                effort: Effort::default(),
            })
        }
        .boxed()
    }
}

async fn rig(agent: &Arc<Agent>, mut account: Value) -> Rig {
    account["connectors"] = json!([
        anonymous("mirror", "https://mirror.test")["connector"],
        with_login("private", "https://mirror.test/team/")["connector"],
        with_login("hub", "https://index.docker.io/v2/")["connector"],
    ]);
    account["secrets"] = json!([{ "identifier": "mirror_password", "value": "hunter2-canary" }]);
    account["delegates"] = json!([{ "name": "build-1", "address": "127.0.0.11" }]);
    Rig::start_with(config(account), Names::default(), Some(agent.clone())).await
}

async fn start(rig: &Rig, yaml: &str) -> String {
    let create = format!("/pipeline/api/pipelines/v2?{SCOPE}");
    if rig.ask("POST", &create, yaml).await.0 != 200 {
        let update = format!("/pipeline/api/pipelines/v2/ci?{SCOPE}");
        let (status, answer) = rig.ask("PUT", &update, yaml).await;
        assert_eq!(status, 200, "{answer}");
    }
    let (status, answer) = rig.ask("POST", &format!("/pipeline/api/pipeline/execute/ci?{SCOPE}"), "").await;
    assert_eq!(status, 200, "{answer}");
    String::from(answer["data"]["planExecution"]["uuid"].as_str().unwrap())
}

async fn ended(rig: &Rig, id: &str) -> Value {
    for _ in 0..1000 {
        let path = format!("/pipeline/api/pipelines/execution/v2/{id}?{SCOPE}&renderFullBottomGraph=true");
        let (_, answer) = rig.ask("GET", &path, "").await;
        if answer["data"]["pipelineExecutionSummary"]["status"] != "Running" {
            return answer["data"].clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("still running: {:?}", rig.journal.entries());
}

async fn run(rig: &Rig, yaml: &str) -> Value {
    ended(rig, &start(rig, yaml).await).await
}

fn node<'a>(data: &'a Value, identifier: &str) -> &'a Value {
    let nodes = data["executionGraph"]["nodeMap"].as_object().unwrap();
    nodes.values().find(|node| node["identifier"] == identifier).unwrap_or_else(|| panic!("no {identifier}: {data}"))
}

/// The lines of a log, each with its second.
async fn log(rig: &Rig, key: &Value) -> Vec<String> {
    let key: String = url::form_urlencoded::byte_serialize(key.as_str().unwrap().as_bytes()).collect();
    let url = format!("{}/gateway/log-service/blob?accountID=acme&key={key}", rig.harness.url());
    let request = client().get(url).header("x-api-key", rig.key.as_deref().unwrap());
    let text = request.send().await.unwrap().text().await.unwrap();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["level"], &line["args"]), (&json!("INFO"), &Value::Null), "{line}");
        let at: testbed::Timestamp = line["time"].as_str().unwrap().parse().unwrap();
        format!("{} {}", at.duration_since(Clock::DEFAULT_START).as_secs(), line["out"].as_str().unwrap())
    };
    text.lines().map(line).collect()
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_pod_starts_when_its_registry_lets_it_within_the_time() {
    let agent = Agent::refusing("golang", FailureKind::RateLimited, Duration::from_secs(60));
    let rig = rig(&agent, json!({})).await;
    let data = run(&rig, &pipeline(&stage("build", POD))).await;
    let summary = &data["pipelineExecutionSummary"];
    assert_eq!(summary["status"], "Success", "{summary}");
    let times = json!([summary["startTs"], summary["endTs"]]);
    assert_eq!(times, json!([1_767_225_600_000_u64, 1_767_225_670_000_u64]));
    assert_eq!(
        agent.asked(),
        [
            "0 mirror.test/harness/ci-addon:1.18.27",
            "0 mirror.test/harness/ci-lite-engine:1.18.27",
            "0 docker.io/library/golang:1",
            "10 docker.io/library/golang:1",
            "30 docker.io/library/golang:1",
            "70 docker.io/library/golang:1",
        ]
    );
    let lines = log(&rig, &node(&data, "liteEngineTask")["logBaseKey"]).await;
    let pod = lines[0].strip_prefix("0 Starting job to create pod ").unwrap().strip_suffix(" on ci namespace").unwrap();
    assert!(pod.starts_with("harnessci-build-") && pod.len() == "harnessci-build-".len() + 8, "{pod}");
    let attempt = |at: u32| {
        [
            format!("{at} Pulling image \"golang:1\""),
            format!(
                "{at} Failed to pull image \"golang:1\": rpc error: code = Unknown desc = Error response from daemon: no"
            ),
            format!("{at} Error: ErrImagePull"),
            format!("{at} Back-off pulling image \"golang:1\""),
            format!("{at} Error: ImagePullBackOff"),
        ]
    };
    let pulled = |at: u32, image: &str| {
        [
            format!("{at} Pulling image \"{image}\""),
            format!("{at} Successfully pulled image \"{image}\" in 0s (0s including waiting). Image size: 7 bytes."),
        ]
    };
    let mut expect = vec![format!("0 Starting job to create pod {pod} on ci namespace")];
    expect.extend(pulled(0, "mirror.test/harness/ci-addon:1.18.27"));
    expect.extend(pulled(0, "mirror.test/harness/ci-lite-engine:1.18.27"));
    for at in [0, 10, 30] {
        expect.extend(attempt(at));
    }
    expect.extend(pulled(70, "golang:1"));
    expect.push(format!("70 Pod {pod} is now in running status on ci namespace"));
    assert_eq!(lines, expect);
}

#[tokio::test]
async fn a_pod_fails_when_its_time_is_over() {
    let agent = Agent::refusing("ci-addon", FailureKind::RateLimited, HOUR);
    let rig = rig(&agent, json!({})).await;
    let timeout = POD.replace("namespace: ci", "namespace: ci, initTimeout: 25s");
    let data = run(&rig, &pipeline(&stage("build", &timeout))).await;
    let image = "mirror.test/harness/ci-addon:1.18.27";
    assert_eq!(agent.asked(), [format!("0 {image}"), format!("10 {image}")]);
    let message = format!(
        "ImagePullBackOff: Back-off pulling image \"{image}\": ErrImagePull: Failed to pull image \"{image}\": rpc error: \
         code = Unknown desc = Error response from daemon: no"
    );
    let initialize = node(&data, "liteEngineTask");
    let id = data["pipelineExecutionSummary"]["planExecutionId"].as_str().unwrap();
    let expect = json!({
        "uuid": initialize["uuid"],
        "setupId": initialize["uuid"],
        "name": "Initialize",
        "identifier": "liteEngineTask",
        "baseFqn": "pipeline.stages.build.spec.execution.steps.liteEngineTask",
        "outcomes": {},
        "stepParameters": {},
        "startTs": 1_767_225_600_000_u64,
        "endTs": 1_767_225_625_000_u64,
        "stepType": "liteEngineTask",
        "status": "Failed",
        "failureInfo": {
            "message": message,
            "failureTypeList": ["APPLICATION_FAILURE"],
            "responseMessages": [{
                "code": "DEFAULT_ERROR_CODE", "level": "ERROR", "message": message, "exception": null,
                "failureTypes": ["APPLICATION_FAILURE"],
            }],
        },
        "skipInfo": null,
        "nodeRunInfo": null,
        "executableResponses": [],
        "unitProgresses": [],
        "progressData": null,
        "delegateInfoList": [{ "id": "build-1", "name": "build-1" }],
        "interruptHistories": [],
        "stepDetails": null,
        "strategyMetadata": null,
        "executionInputConfigured": false,
        "logBaseKey": format!("acme/pipeline/ci/1/-{id}/build/liteEngineTask"),
    });
    assert_eq!(initialize.to_string(), expect.to_string());
    let lines = log(&rig, &initialize["logBaseKey"]).await;
    assert!(
        lines
            .last()
            .is_some_and(|line| line.starts_with("25 Pod ") && line.ends_with("has failed to start on ci namespace"))
    );
    let summary = &data["pipelineExecutionSummary"];
    let told = json!([summary["status"], summary["failureInfo"]["message"], summary["failedStagesCount"]]);
    assert_eq!(told, json!(["Failed", message, 1]));
    let root = &data["executionGraph"]["nodeMap"][data["executionGraph"]["rootNodeId"].as_str().unwrap()];
    assert_eq!((&root["identifier"], &root["status"]), (&json!("pipeline"), &json!("Failed")));
}

#[tokio::test]
async fn the_first_failure_ends_it_where_the_switch_says_so() {
    let agent = Agent::refusing("golang", FailureKind::RateLimited, HOUR);
    let rig = rig(&agent, json!({ "behaviour": { "image-pull-back-off": "first-failure" } })).await;
    let data = run(&rig, &pipeline(&stage("build", POD))).await;
    assert_eq!(
        data["pipelineExecutionSummary"]["failureInfo"]["message"],
        "ErrImagePull: Failed to pull image \"golang:1\": rpc error: code = Unknown desc = Error response from daemon: no"
    );
    assert_eq!(rig.clock.now(), Clock::DEFAULT_START);
}

#[tokio::test]
async fn machines_try_three_times_unless_there_is_no_hope() {
    for (kind, expect) in [
        (FailureKind::RateLimited, vec!["0", "0.05", "0.1"]),
        (FailureKind::Network, vec!["0", "0.05", "0.1"]),
        (FailureKind::NotFound, vec!["0"]),
        (FailureKind::Unauthorized, vec!["0"]),
    ] {
        let agent = Agent::refusing("golang", kind, HOUR);
        let rig = rig(&agent, json!({})).await;
        let data = run(&rig, &pipeline(&stage("build", CLOUD))).await;
        let expect: Vec<_> = expect.iter().map(|at| format!("{at} docker.io/library/golang:1")).collect();
        assert_eq!(agent.asked(), expect, "{kind:?}");
        let make = node(&data, "make");
        assert_eq!(
            (&make["status"], &make["stepType"], &make["name"]),
            (&json!("Failed"), &json!("Run"), &json!("Make"))
        );
        assert_eq!(make["failureInfo"]["message"], "Error response from daemon: no");
        assert_eq!(node(&data, "liteEngineTask")["status"], "Success");
    }
}

#[tokio::test]
async fn hosted_runners_take_harness_images_elsewhere_first() {
    let upload = "    - stage: { identifier: s, type: CI, spec: { runtime: { type: Cloud, spec: {} }, execution: { steps: [\
                  { step: { identifier: up, type: GCSUpload, spec: {} } }] } } }";
    for (driver, registry) in
        [("google", "us-docker.pkg.dev/gar-prod-setup/harness-public"), ("amazon", "public.ecr.aws/harness")]
    {
        let agent = Agent::refusing("/harness", FailureKind::Network, HOUR);
        let rig = rig(&agent, json!({ "behaviour": { "cloud-driver": driver } })).await;
        let data = run(&rig, &pipeline(upload)).await;
        assert_eq!(data["pipelineExecutionSummary"]["status"], "Success");
        let first = format!("{registry}/plugins/gcs:1.6.10");
        assert_eq!(
            agent.asked(),
            [
                format!("0 {first}"),
                format!("0.05 {first}"),
                format!("0.1 {first}"),
                String::from("0.1 docker.io/plugins/gcs:1.6.10"),
            ]
        );
        assert_eq!(
            log(&rig, &node(&data, "up")["logBaseKey"]).await,
            [
                "0 1.6.10: Pulling from gar-prod-setup/harness-public/plugins/gcs",
                "0 1.6.10: Pulling from gar-prod-setup/harness-public/plugins/gcs",
                "0 1.6.10: Pulling from gar-prod-setup/harness-public/plugins/gcs",
                "0 1.6.10: Pulling from plugins/gcs",
                &format!("0 Digest: sha256:{}", "0".repeat(64)),
                "0 Status: Downloaded newer image for docker.io/plugins/gcs:1.6.10",
            ]
            .map(|line| line.replace("gar-prod-setup/harness-public", registry.split_once('/').unwrap().1))
        );
    }
}

#[tokio::test]
async fn parallel_stages_run_at_the_same_time() {
    let agent = Agent::slow();
    let rig = rig(&agent, json!({})).await;
    let side =
        |identifier: &str| -> String { stage(identifier, POD).lines().map(|line| format!("    {line}\n")).collect() };
    let both = format!("{}{}", side("two"), side("three"));
    let yaml = pipeline(&format!("{}    - parallel:\n{both}{}", stage("one", POD), stage("four", CLOUD)));
    let data = run(&rig, &yaml).await;
    let summary = &data["pipelineExecutionSummary"];
    assert_eq!(summary["status"], "Success", "{yaml}\n{summary}");
    let second = |at: &Value| (at.as_i64().unwrap() - 1_767_225_600_000) / 1000;
    let told: Vec<_> = ["one", "two", "three", "four"]
        .map(|stage| (second(&node(&data, stage)["startTs"]), second(&node(&data, stage)["endTs"])))
        .into();
    // Three images each, of which the second turn has all; then one.
    assert_eq!(told, [(0, 15), (15, 15), (15, 15), (15, 20)]);
    let layout = summary["layoutNodeMap"].as_object().unwrap();
    let of = |id: &Value| layout[id.as_str().unwrap()].clone();
    let first = of(&summary["startingNodeId"]);
    let both = of(&first["edgeLayoutList"]["nextIds"][0]);
    let children = both["edgeLayoutList"]["currentNodeChildren"].as_array().unwrap();
    let names: Vec<_> = children.iter().map(|child| of(child)["nodeIdentifier"].clone()).collect();
    let last = of(&both["edgeLayoutList"]["nextIds"][0]);
    assert_eq!(
        json!([first["nodeIdentifier"], both["nodeType"], names, last["nodeIdentifier"], last["edgeLayoutList"]]),
        json!(["one", "parallel", ["two", "three"], "four", { "currentNodeChildren": [], "nextIds": [] }])
    );
}

#[tokio::test]
async fn an_execution_can_be_aborted() {
    let agent = Agent::slow();
    let rig = rig(&agent, json!({})).await;
    // While somebody else works, the clock stands, and the pull goes on.
    let somebody = rig.clock.enter();
    let id = start(&rig, &pipeline(&stage("build", POD))).await;
    let interrupt = |kind: &str| format!("/pipeline/api/pipeline/execute/interrupt/{id}?{SCOPE}&interruptType={kind}");
    let (status, answer) = rig.ask("PUT", &interrupt("Pause"), "").await;
    let message = "Invalid request: this mock knows no interrupt `Pause`: use AbortAll or ExpireAll";
    assert_eq!((status, &answer["message"]), (400, &json!(message)));
    while agent.asked.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (status, answer) = rig.ask("PUT", &interrupt("AbortAll"), "").await;
    let data = json!({ "id": answer["data"]["id"], "type": "AbortAll", "planExecutionId": id });
    assert_eq!((status, answer["data"].to_string()), (200, data.to_string()));
    let data = ended(&rig, &id).await;
    let summary = &data["pipelineExecutionSummary"];
    assert_eq!(
        json!([summary["status"], summary["failureInfo"], node(&data, "liteEngineTask")["status"], summary["endTs"]]),
        json!(["Aborted", null, "Aborted", 1_767_225_600_000_u64])
    );
    assert_eq!(rig.ask("PUT", &interrupt("AbortAll"), "").await.0, 400, "it is not running any more");
    drop(somebody);
}

#[tokio::test]
async fn executions_are_listed_by_pipeline_and_status() {
    let agent = Agent::refusing("golang", FailureKind::NotFound, Duration::from_secs(1));
    let rig = rig(&agent, json!({})).await;
    let yaml = pipeline(&stage("build", CLOUD));
    run(&rig, &yaml).await;
    rig.clock.advance(Duration::from_secs(2));
    let data = run(&rig, &yaml).await;
    let list = |query: &str| format!("/pipeline/api/pipelines/execution/summary?{SCOPE}&{query}");
    let filter = json!({ "filterType": "PipelineExecution" }).to_string();
    let (status, answer) = rig.ask("POST", &list("page=0&size=1"), &filter).await;
    assert_eq!(status, 200, "{answer}");
    let page = json!({
        "content": [data["pipelineExecutionSummary"]],
        "pageable": {
            "sort": { "sorted": true, "unsorted": false, "empty": false }, "pageSize": 1, "pageNumber": 0, "offset": 0,
            "paged": true, "unpaged": false,
        },
        "totalPages": 2, "totalElements": 2, "last": false, "size": 1, "number": 0,
        "sort": { "sorted": true, "unsorted": false, "empty": false },
        "first": true, "numberOfElements": 1, "empty": false,
    });
    assert_eq!(answer["data"].to_string(), page.to_string());
    for (query, expect) in [
        ("pipelineIdentifier=ci", json!([2, 1])),
        ("pipelineIdentifier=other", json!([])),
        ("status=Failed", json!([1])),
        ("searchTerm=C", json!([2, 1])),
        ("searchTerm=x", json!([])),
        ("page=1&size=1", json!([1])),
        ("page=9", json!([])),
    ] {
        let (_, answer) = rig.ask("POST", &list(query), &filter).await;
        let content = answer["data"]["content"].as_array().unwrap();
        let told: Vec<_> = content.iter().map(|summary| summary["runSequence"].clone()).collect();
        assert_eq!(json!(told), expect, "{query}");
    }
    let (_, answer) = rig.ask("POST", &format!("/pipeline/api/pipelines/list?{SCOPE}"), "{}").await;
    let listed = &answer["data"]["content"][0];
    let last = &listed["executionSummaryInfo"];
    assert_eq!(
        json!([listed["identifier"], listed["numOfStages"], listed["stageNames"], listed["version"]]),
        json!(["ci", 1, ["build it"], 2])
    );
    assert_eq!(
        json!([last["numOfErrors"], last["deployments"], last["lastExecutionStatus"]]),
        json!([[1], [2], "Success"])
    );
    let (_, answer) = rig.ask("GET", &format!("/pipeline/api/pipelines/summary/ci?{SCOPE}"), "").await;
    assert_eq!(answer["data"], *listed);
}

#[tokio::test]
async fn logs_are_given_as_an_archive_by_a_link() {
    let agent = Agent::refusing("nothing", FailureKind::NotFound, HOUR);
    let rig = rig(&agent, json!({})).await;
    let data = run(&rig, &pipeline(&stage("build", POD))).await;
    let id = data["pipelineExecutionSummary"]["planExecutionId"].as_str().unwrap();
    let prefix = format!("acme/pipeline/ci/1/-{id}");
    let download = |prefix: &str| format!("/gateway/log-service/blob/download?accountID=acme&prefix={prefix}");
    let (status, answer) = rig.ask("POST", &download(&prefix), "").await;
    assert_eq!((status, &answer["status"]), (200, &json!("success")), "{answer}");
    let link = answer["link"].as_str().unwrap();
    let archive = client().get(link).send().await.unwrap();
    assert_eq!(
        (archive.status().as_u16(), &archive.headers()["content-type"]),
        (200, &"application/zip".parse().unwrap())
    );
    let bytes = archive.bytes().await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("PK\u{3}\u{4}") && text.contains(&format!("{prefix}/build/liteEngineTask")), "{text}");
    assert!(text.contains("is now in running status on ci namespace"), "{text}");
    let forged = link.replace("signature=", "signature=x");
    assert_eq!(client().get(forged).send().await.unwrap().status().as_u16(), 403);
    for unknown in ["acme/pipeline/ci/1/-nobody", "acme", "", "other/pipeline/ci"] {
        let (status, answer) = rig.ask("POST", &download(unknown), "").await;
        assert!(status == 400 || answer["status"] == "error", "{unknown}: {answer}");
    }
}

#[tokio::test]
async fn a_login_goes_with_each_container_and_its_password_is_never_told() {
    let agent = Agent::refusing("nothing", FailureKind::NotFound, HOUR);
    let rig = rig(&agent, json!({})).await;
    let pod = POD.replace("account.mirror", "account.private");
    let data = run(&rig, &pipeline(&stage("build", &pod))).await;
    let pod =
        log(&rig, &node(&data, "liteEngineTask")["logBaseKey"]).await[0].split(' ').nth(6).map(String::from).unwrap();
    let images = &data["pipelineExecutionSummary"]["stages"][0]["images"];
    let secret = |container: &str| {
        json!({ "secret": {
            "name": format!("{pod}-image-{container}"), "type": "kubernetes.io/dockercfg", "key": ".dockercfg",
            "registry": "https://mirror.test/team/", "username": "puller",
        } })
    };
    let told = json!([images[0]["pullSecret"], images[1]["pullSecret"], images[2].get("pullSecret")]);
    assert_eq!(told, json!([secret("setup-addon"), secret("lite-engine"), null]));
    assert!(!data.to_string().contains("canary"));

    let step = "image: 'golang:1', connectorRef: account.hub";
    let vm = "infrastructure: { type: VM, spec: { type: Pool, spec: { poolName: a } } }";
    let data = run(&rig, &pipeline(&stage("build", vm).replace("image: 'golang:1'", step))).await;
    assert_eq!(
        data["pipelineExecutionSummary"]["stages"][0]["images"][0]["pullSecret"],
        json!({ "login": { "registry": "https://index.docker.io/v1/", "username": "puller" } })
    );
}

#[tokio::test]
async fn a_lookup_that_fails_is_made_six_times_and_one_that_finds_nothing_once() {
    let agent = Agent::refusing("nothing", FailureKind::NotFound, HOUR);
    let rig = rig(&agent, json!({ "settings": { "enable_force_delete": true } })).await;
    let secret = "/ng/api/v2/secrets/mirror_password?accountIdentifier=acme&forceDelete=true";
    assert_eq!(rig.ask("DELETE", secret, "").await.0, 200);
    let data = run(&rig, &pipeline(&stage("build", &POD.replace("account.mirror", "account.private")))).await;
    let seconds = |data: &Value| {
        let summary = &data["pipelineExecutionSummary"];
        (summary["endTs"].as_i64().unwrap() - summary["startTs"].as_i64().unwrap()) / 1000
    };
    assert_eq!(
        (node(&data, "liteEngineTask")["failureInfo"]["message"].as_str().unwrap(), seconds(&data)),
        (
            "Failed to find connector for identifier: [private] with scope: [ACCOUNT] with error: Secret with identifier \
             [mirror_password] is not found in the given scope",
            10
        )
    );
    let data = run(&rig, &pipeline(&stage("build", &POD.replace("account.mirror", "account.nobody")))).await;
    assert_eq!(
        (node(&data, "liteEngineTask")["failureInfo"]["message"].as_str().unwrap(), seconds(&data)),
        ("Connector not found for identifier : [nobody] with scope: [ACCOUNT]", 0)
    );
}

#[tokio::test]
async fn hosted_stages_refuse_connectors_that_go_through_a_delegate() {
    let agent = Agent::refusing("nothing", FailureKind::NotFound, HOUR);
    let rig = rig(&agent, json!({})).await;
    let mut body = anonymous("through", "https://mirror.test");
    body["connector"]["spec"]["executeOnDelegate"] = json!(true);
    rig.ask("POST", "/ng/api/connectors?accountIdentifier=acme", &body.to_string()).await;
    let step = "image: 'golang:1', connectorRef: account.through";
    let data = run(&rig, &pipeline(&stage("build", CLOUD).replace("image: 'golang:1'", step))).await;
    assert_eq!(
        node(&data, "liteEngineTask")["failureInfo"]["message"],
        "While using hosted infrastructure, all connectors should be configured to go via the Harness platform instead of via \
         the delegate. Please update the connectors: [through] to connect via the Harness platform instead. This can be done \
         by editing the connector and updating the connectivity to go via the Harness platform."
    );
    assert_eq!(agent.asked(), [""; 0]);
}

#[tokio::test]
async fn a_deleted_pipeline_lets_its_connectors_go() {
    let agent = Agent::refusing("nothing", FailureKind::NotFound, HOUR);
    let rig = rig(&agent, json!({})).await;
    let yaml = pipeline(&stage("build", POD));
    let v1 = format!("/pipeline/api/pipelines?{SCOPE}");
    let (status, answer) = rig.ask("POST", &v1, &yaml).await;
    assert_eq!((status, &answer["data"]), (200, &json!("ci")));
    let one = format!("/pipeline/api/pipelines/ci?{SCOPE}");
    let (status, answer) = rig.ask("PUT", &one, &yaml).await;
    assert_eq!((status, &answer["data"]), (200, &json!("ci")));
    let mirror = "/ng/api/connectors/mirror?accountIdentifier=acme";
    assert_eq!(rig.ask("DELETE", mirror, "").await.0, 400);
    let (status, answer) = rig.ask("DELETE", &one, "").await;
    assert_eq!((status, &answer["data"]), (200, &json!(true)));
    assert_eq!(rig.ask("DELETE", &one, "").await.0, 404);
    assert_eq!(rig.ask("GET", &one, "").await.0, 404);
    assert_eq!(rig.ask("DELETE", mirror, "").await.0, 200);
}
