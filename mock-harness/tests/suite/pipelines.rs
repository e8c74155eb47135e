//! Saving and running pipelines, with a puller that only writes down what it is asked.

use std::sync::{Arc, Mutex};

use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};
use testbed::{
    clock::Participant,
    net::Names,
    task::{Effort, FailureKind, PullAgent, PullFailure, PullTask, PulledImage},
};

use crate::rig::{Rig, anonymous, config};

const SCOPE: &str = "accountIdentifier=acme&orgIdentifier=default&projectIdentifier=demo";
const YAML: &str = "
pipeline:
  name: CI
  identifier: ci
  orgIdentifier: default
  projectIdentifier: demo
  stages:
    - stage:
        name: Build
        identifier: build
        type: CI
        spec:
          cloneCodebase: true
          infrastructure:
            type: KubernetesDirect
            spec: { connectorRef: account.cluster, namespace: ci, harnessImageConnectorRef: account.mirror }
          execution:
            steps:
              - step: { identifier: make, type: Run, spec: { image: golang, command: make } }
              - step: { identifier: again, type: Run, spec: { image: 'alpine:3', command: make } }
              - step: { identifier: cached, type: Run, spec: { image: 'alpine:3', command: make } }
";

/// Refuses the images that contain one of these texts.
#[derive(Default)]
struct Agent {
    refused: Vec<&'static str>,
    asked: Mutex<Vec<String>>,
}

impl PullAgent for Agent {
    fn pull<'a>(&'a self, _: &'a Participant, task: PullTask) -> BoxFuture<'a, Result<PulledImage, PullFailure>> {
        let image = task.image.to_string();
        let told = format!("{image} from {}", task.from.name());
        self.asked.lock().unwrap().push(told);
        let is_refused = self.refused.iter().any(|part| image.contains(part));
        async move {
            if is_refused {
                let message = format!("toomanyrequests: {image}");
                return Err(PullFailure {
                    kind: FailureKind::RateLimited,
                    status: Some(429),
                    of_token: false,
                    message,
                    n_retries: 0,
                    effort: Effort::default(),
                });
            }
            let digest: oci::Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
            Ok(PulledImage {
                digest: digest.clone(),
                manifest: digest,
                n_layers: 1,
                size_bytes: 1,
                received_bytes: 1,
                n_resumed: 0,
                n_retries: 0,
                is_up_to_date: false,
                effort: Effort::default(),
            })
        }
        .boxed()
    }
}

async fn rig(refused: &[&'static str]) -> (Rig, Arc<Agent>) {
    let agent = Arc::new(Agent { refused: refused.to_vec(), ..Agent::default() });
    let mirror = anonymous("mirror", "https://mirror.test")["connector"].clone();
    let account = json!({
        "connectors": [mirror],
        "delegates": [{ "name": "build-1", "address": "127.0.0.11" }],
    });
    let rig = Rig::start_with(config(account), Names::default(), Some(agent.clone())).await;
    (rig, agent)
}

async fn save(rig: &Rig, yaml: &str) {
    let (status, answer) = rig.ask("POST", &format!("/pipeline/api/pipelines/v2?{SCOPE}"), yaml).await;
    assert_eq!((status, &answer["data"]["identifier"]), (200, &json!("ci")), "{answer}");
}

async fn run(rig: &Rig, inputs: &str) -> Value {
    let path = format!("/pipeline/api/pipeline/execute/ci?{SCOPE}&moduleType=CI");
    let now = rig.clock.now().as_millisecond();
    let (status, answer) = rig.ask("POST", &path, inputs).await;
    assert_eq!(status, 200, "{answer}");
    let plan = &answer["data"]["planExecution"];
    let data = json!({
        "planExecution": { "uuid": plan["uuid"], "status": "RUNNING", "startTs": now, "endTs": null },
        "gitDetails": { "branch": null, "repoIdentifier": null, "filePath": null },
    });
    assert_eq!(answer["data"].to_string(), data.to_string());
    let path = format!("/pipeline/api/pipelines/execution/v2/{}?{SCOPE}", plan["uuid"].as_str().unwrap());
    for _ in 0..500 {
        let (_, answer) = rig.ask("GET", &path, "").await;
        let summary = &answer["data"]["pipelineExecutionSummary"];
        if summary["status"] != "Running" {
            return summary.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("still running: {:?}", rig.journal.entries());
}

#[tokio::test]
async fn a_pipeline_pulls_its_images_in_order_through_its_delegate() {
    let (rig, agent) = rig(&[]).await;
    save(&rig, YAML).await;
    let summary = run(&rig, "").await;
    assert_eq!(summary["status"], "Success");
    assert_eq!(
        *agent.asked.lock().unwrap(),
        [
            "mirror.test/harness/ci-addon:1.18.27 from build-1",
            "mirror.test/harness/ci-lite-engine:1.18.27 from build-1",
            "mirror.test/harness/drone-git:1.7.20-rootless from build-1",
            "docker.io/library/golang:latest from build-1",
            "docker.io/library/alpine:3 from build-1",
        ]
    );
    let stage = &summary["stages"][0];
    assert_eq!(
        (&stage["stage"], &stage["status"], &stage["resolution"]["choice"]),
        (&json!("build"), &json!("Success"), &json!({ "connector": "account.mirror", "because": "stage-override" }))
    );
    assert_eq!(stage["images"][5]["pulled"], "cached");
    let told: Vec<_> = rig.journal.entries().iter().map(|entry| entry.event.to_string()).collect();
    let at = |text: &str| told.iter().position(|event| event == text).unwrap_or_else(|| panic!("{told:#?}"));
    assert!(
        at("pipeline ci, stage build: images through account.mirror (stage-override)")
            < at("delegate build-1 (127.0.0.11) takes the initialize of stage build")
    );

    let asked = || agent.asked.lock().unwrap().len();
    let n_before = asked();
    run(&rig, "").await;
    assert_eq!(asked() - n_before, 5, "every execution starts with an empty cache");
}

#[tokio::test]
async fn an_init_container_that_fails_keeps_the_others_from_being_pulled() {
    let (rig, agent) = rig(&["ci-addon"]).await;
    save(&rig, YAML).await;
    let summary = run(&rig, "").await;
    assert_eq!(summary["status"], "Failed");
    assert_eq!(
        summary["failureInfo"]["message"],
        "ImagePullBackOff: Back-off pulling image \"mirror.test/harness/ci-addon:1.18.27\": ErrImagePull: Failed to pull image \
         \"mirror.test/harness/ci-addon:1.18.27\": rpc error: code = Unknown desc = Error response from daemon: \
         toomanyrequests: mirror.test/harness/ci-addon:1.18.27"
    );
    // After 0, 10, 30, 70, 150 and 310 seconds; the next time would come after the 8 minutes.
    assert_eq!(agent.asked.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn pods_fail_in_the_words_of_kubelet_and_other_places_in_those_of_docker() {
    const PODS: &str = "type: KubernetesDirect
            spec: { connectorRef: account.cluster, namespace: ci, harnessImageConnectorRef: account.mirror }";
    const POOL: &str = "type: VM
            spec: { type: Pool, spec: { poolName: a } }";
    let (rig, _) = rig(&["golang"]).await;
    save(&rig, YAML).await;
    let update = format!("/pipeline/api/pipelines/v2/ci?{SCOPE}");
    for (place, image, expect) in [
        (
            PODS,
            "golang",
            "ImagePullBackOff: Back-off pulling image \"golang\": ErrImagePull: Failed to pull image \"golang\": rpc error: \
             code = Unknown desc = Error response from daemon: toomanyrequests: docker.io/library/golang:latest",
        ),
        (POOL, "golang", "Error response from daemon: toomanyrequests: docker.io/library/golang:latest"),
        (POOL, "Golang", "Error response from daemon: invalid reference format"),
        (POOL, "rust, imagePullPolicy: Never", "Error response from daemon: No such image: rust"),
        (
            PODS,
            "rust, imagePullPolicy: Never",
            "ErrImageNeverPull: Container image \"rust\" is not present with pull policy of Never",
        ),
    ] {
        assert!(YAML.contains(PODS));
        let yaml = YAML.replace(PODS, place).replace("image: golang", &format!("image: {image}"));
        assert_eq!(rig.ask("PUT", &update, &yaml).await.0, 200);
        assert_eq!(run(&rig, "").await["failureInfo"]["message"], expect, "{yaml}");
    }
}

#[tokio::test]
async fn every_container_that_waits_is_told_of() {
    let (rig, agent) = rig(&["golang", "drone-git"]).await;
    save(&rig, YAML).await;
    let summary = run(&rig, "").await;
    let text = summary["failureInfo"]["message"].as_str().unwrap();
    let (first, second) = text.split_once(", ImagePullBackOff: ").unwrap();
    assert!(first.contains("drone-git") && second.starts_with("Back-off pulling image \"golang\""), "{text}");
    let asked = agent.asked.lock().unwrap();
    let n_asked = |image: &str| asked.iter().filter(|asked| asked.contains(image)).count();
    assert_eq!((n_asked("ci-addon"), n_asked("drone-git"), n_asked("golang"), n_asked("alpine")), (1, 6, 6, 1));
}

#[tokio::test]
async fn a_stage_that_cannot_be_resolved_pulls_nothing() {
    let (rig, agent) = rig(&[]).await;
    save(&rig, &YAML.replace("account.mirror", "account.nothing")).await;
    let summary = run(&rig, "").await;
    assert_eq!(
        summary["failureInfo"]["message"],
        "Connector not found for identifier : [nothing] with scope: [ACCOUNT]"
    );
    assert_eq!(agent.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn runtime_inputs_come_with_the_execution() {
    let (rig, agent) = rig(&[]).await;
    save(&rig, &YAML.replace("account.mirror", "<+input>")).await;
    let path = format!("/pipeline/api/pipeline/execute/ci?{SCOPE}");
    let (status, answer) = rig.ask("POST", &path, "").await;
    assert_eq!(status, 400);
    assert!(answer["message"].as_str().unwrap().contains("`harnessImageConnectorRef` is a runtime input"), "{answer}");
    let inputs = "
pipeline:
  identifier: ci
  stages:
    - stage:
        identifier: build
        spec: { infrastructure: { spec: { harnessImageConnectorRef: account.mirror } } }
";
    assert_eq!(run(&rig, inputs).await["status"], "Success");
    assert!(agent.asked.lock().unwrap()[0].starts_with("mirror.test/"));
}

#[tokio::test]
async fn a_connector_that_a_pipeline_names_cannot_be_deleted() {
    let (rig, _) = rig(&[]).await;
    save(&rig, YAML).await;
    let (status, told) = rig.told("DELETE", "/ng/api/connectors/mirror?accountIdentifier=acme", &Value::Null).await;
    let message = "Could not delete the connector mirror as it is referenced by other entities";
    let expect = json!({
        "status": "ERROR", "code": "ENTITY_REFERENCE_EXCEPTION", "message": message, "correlationId": "ID",
        "detailedMessage": null,
        "responseMessages": [
            { "code": "ENTITY_REFERENCE_EXCEPTION", "level": "ERROR", "message": message, "exception": null,
              "failureTypes": [] }
        ],
        "metadata": null
    });
    assert_eq!((status, told), (400, expect.to_string()));
    let update = format!("/pipeline/api/pipelines/v2/ci?{SCOPE}");
    assert_eq!(rig.ask("PUT", &update, &YAML.replace("account.mirror", "account.other")).await.0, 200);
    assert_eq!(rig.ask("DELETE", "/ng/api/connectors/mirror?accountIdentifier=acme", "").await.0, 200);
}

#[tokio::test]
async fn what_is_no_pipeline_is_refused_with_its_place() {
    let (rig, _) = rig(&[]).await;
    let path = format!("/pipeline/api/pipelines/v2?{SCOPE}");
    let (status, answer) = rig.ask("POST", &path, "pipeline:\n  identifier: ci\n").await;
    assert_eq!(
        (status, &answer["message"]),
        (400, &json!("Invalid request: pipeline.yaml:2:3: the pipeline has no `stages`"))
    );
    save(&rig, YAML).await;
    assert_eq!(rig.ask("POST", &path, YAML).await.0, 400, "there is one already");
    let (status, answer) = rig.ask("GET", &format!("/pipeline/api/pipelines/ci?{SCOPE}"), "").await;
    assert_eq!((status, &answer["data"]["yamlPipeline"]), (200, &json!(YAML)));
    assert_eq!(rig.ask("GET", &format!("/pipeline/api/pipelines/other?{SCOPE}"), "").await.0, 404);
}

#[tokio::test]
async fn a_saved_pipeline_may_lack_inputs_and_nothing_else() {
    let (rig, _) = rig(&[]).await;
    let path = format!("/pipeline/api/pipelines/v2?{SCOPE}");
    let lacking =
        YAML.replace("account.mirror", "<+input>").replace("image: golang", "image: <+stage.variables.image>");
    for (broken, message) in [
        (lacking.replace("identifier: build", "description: x"), "a stage has no `identifier`"),
        (lacking.replace("type: KubernetesDirect", "type: Kubernetes"), "unknown type `Kubernetes`"),
        (lacking.replace("identifier: ci", "identifier: <+input>"), "`identifier` is an expression"),
    ] {
        let (status, answer) = rig.ask("POST", &path, &broken).await;
        let told = answer["message"].as_str().unwrap_or_default();
        assert!(status == 400 && told.contains(message) && !told.contains("runtime input"), "{broken}: {answer}");
    }
    let whole = "
            type: KubernetesDirect
            spec: { connectorRef: account.cluster, namespace: ci, harnessImageConnectorRef: <+input> }";
    let as_a_whole = lacking.replace(whole, " <+input>");
    assert_ne!(as_a_whole, lacking);
    save(&rig, &lacking).await;
    let update = format!("/pipeline/api/pipelines/v2/ci?{SCOPE}");
    assert_eq!(rig.ask("PUT", &update, &as_a_whole).await.0, 200);
    let from_stage = lacking.replace(whole, " { useFromStage: <+input> }");
    assert_eq!(rig.ask("PUT", &update, &from_stage).await.0, 200);
}

#[tokio::test]
async fn delegates_and_projects_are_listed() {
    let (rig, _) = rig(&[]).await;
    let (_, answer) = rig.ask("GET", "/setup/delegates/delegate-selectors?accountId=acme", "").await;
    assert_eq!(answer, json!({ "metaData": {}, "resource": ["build-1"], "responseMessages": [] }));
    let (_, answer) = rig.ask("POST", "/ng/api/delegate-setup/listDelegates?accountIdentifier=acme", "{}").await;
    assert_eq!(answer["resource"][0]["name"], "build-1");
    let project = json!({ "project": { "identifier": "fresh", "orgIdentifier": "default" } }).to_string();
    assert_eq!(rig.ask("POST", "/ng/api/projects?accountIdentifier=acme", &project).await.0, 200);
    let (_, answer) = rig.ask("GET", "/ng/api/projects?accountIdentifier=acme&orgIdentifier=default", "").await;
    assert_eq!(answer["data"]["totalItems"], 2);
}
