//! What is told of an execution: the summary, and the graph of what ran.
//!
//! **Ours** is `stages` in the summary: the real platform tells of images only in log lines. The graph is always whole, as the
//! real platform has it with `renderFullBottomGraph=true`; *Initialize* is the node `liteEngineTask`. Step groups have no nodes
//! of their own: their steps stand below the stage's.
//!
//! Source: facts/harness E; GOSDK `PipelineExecutionSummary`, `ExecutionGraph`, `ExecutionNode`, `GraphLayoutNode`; the nesting
//! and the keys after the user interface's samples.

use serde_json::{Map, Value, json};

use crate::{
    execution::{Execution, ImageOutcome, Pulled, StageRecord, Status, StepRecord},
    pipeline::Infrastructure,
};

/// `data` of the details of an execution.
pub(super) fn details(account: &str, execution: &Execution) -> Value {
    json!({ "pipelineExecutionSummary": summary(execution), "executionGraph": graph(account, execution) })
}

/// `pipelineExecutionSummary`.
pub(super) fn summary(execution: &Execution) -> Value {
    let Execution { id, pipeline, name, run_sequence, principal, status, message, started_ms, ended_ms, stages } =
        execution;
    let parts = in_pipeline(execution);
    let count = |wanted: Status| parts.iter().filter(|part| part.status() == wanted).count();
    let layout = layout(execution, &parts);
    json!({
        "pipelineIdentifier": pipeline.identifier,
        "orgIdentifier": pipeline.scope.org,
        "projectIdentifier": pipeline.scope.project,
        "planExecutionId": id,
        "name": name,
        "status": status,
        "tags": [],
        "executionTriggerInfo": {
            "triggerType": "MANUAL",
            "triggeredBy": {
                "uuid": execution.node(principal),
                "identifier": principal,
                "extraInfo": {},
                "triggerIdentifier": "",
            },
            "isRerun": false,
        },
        "governanceMetadata": null,
        "failureInfo": message.as_ref().map(|message| json!({ "message": message })),
        "moduleInfo": { "ci": module_info(stages) },
        "startingNodeId": layout.first,
        "layoutNodeMap": layout.nodes,
        "modules": ["pms", "ci"],
        "startTs": started_ms,
        "endTs": ended_ms,
        "createdAt": started_ms,
        "canRetry": true,
        "showRetryHistory": false,
        "runSequence": run_sequence,
        "successfulStagesCount": count(Status::Success),
        "runningStagesCount": count(Status::Running),
        "failedStagesCount": count(Status::Failed),
        "totalStagesCount": parts.len(),
        "storeType": "INLINE",
        "executionInputConfigured": false,
        "shouldUseSimplifiedKey": true,
        "allowStageExecutions": false,
        "executionMode": "NORMAL",
        "stagesExecution": false,
        "stages": stages.iter().filter(|stage| stage.status != Status::NotStarted).map(stage).collect::<Vec<_>>(),
    })
}

/// A stage of the pipeline, with the step groups of its own that ran in containers.
struct Part<'a>(Vec<&'a StageRecord>);

fn in_pipeline(execution: &Execution) -> Vec<Part<'_>> {
    let same = |one: &StageRecord, other: &StageRecord| one.stage.in_pipeline() == other.stage.in_pipeline();
    execution.stages.chunk_by(same).map(|records| Part(records.iter().collect())).collect()
}

impl<'a> Part<'a> {
    fn first(&self) -> Option<&'a StageRecord> {
        self.0.first().copied()
    }

    fn identifier(&self) -> &'a str {
        self.first().map_or("", |record| record.stage.in_pipeline())
    }

    fn name(&self) -> &'a str {
        match self.0.as_slice() {
            [record] if record.stage.identifier == self.identifier() => &record.stage.name,
            _ => self.identifier(),
        }
    }

    fn kind(&self) -> &'a str {
        self.first().map_or("", |record| record.stage.kind.as_str())
    }

    fn turn(&self) -> usize {
        self.first().map_or(0, |record| record.stage.turn)
    }

    /// The first that is not well, else that of the last.
    fn status(&self) -> Status {
        let odd = self.0.iter().map(|record| record.status).find(|status| *status != Status::Success);
        match odd {
            Some(Status::NotStarted) if self.0.iter().any(|record| record.status == Status::Success) => Status::Running,
            Some(status) => status,
            None => Status::Success,
        }
    }

    fn message(&self) -> Option<&'a str> {
        self.0.iter().find_map(|record| record.message.as_deref())
    }

    fn started_ms(&self) -> Option<i64> {
        self.0.iter().find_map(|record| record.started_ms)
    }

    fn ended_ms(&self) -> Option<i64> {
        match self.status() {
            Status::NotStarted | Status::Running => None,
            _ => self.0.iter().filter_map(|record| record.ended_ms).max(),
        }
    }

    /// The node in the layout, and the one of what runs.
    fn nodes(&self, execution: &Execution) -> (String, String) {
        let identifier = self.identifier();
        (execution.node(&format!("layout of {identifier}")), execution.node(&format!("stage {identifier}")))
    }
}

struct Layout {
    first: Option<String>,
    nodes: Map<String, Value>,
}

/// The stages as boxes in a row; what runs in parallel is inside a box.
fn layout(execution: &Execution, parts: &[Part<'_>]) -> Layout {
    let turns: Vec<&[Part<'_>]> = parts.chunk_by(|one, other| one.turn() == other.turn()).collect();
    let box_of = |turn: &[Part<'_>]| match turn {
        [part] => part.nodes(execution).0,
        _ => execution.node(&format!("parallel {}", turn.first().map_or(0, Part::turn))),
    };
    let mut nodes = Map::new();
    for (n, turn) in turns.iter().enumerate() {
        let next: Vec<_> = turns.get(n + 1).map(|turn| box_of(turn)).into_iter().collect();
        if turn.len() > 1 {
            let id = box_of(turn);
            let children: Vec<_> = turn.iter().map(|part| part.nodes(execution).0).collect();
            let node = json!({
                "nodeType": "parallel",
                "nodeGroup": "STAGE",
                "nodeIdentifier": format!("parallel{id}"),
                "name": "parallel",
                "nodeUuid": id,
                "status": together(turn),
                "module": "pms",
                "moduleInfo": { "pms": {} },
                "edgeLayoutList": { "currentNodeChildren": children, "nextIds": next },
                "executionInputConfigured": false,
            });
            nodes.insert(id, node);
        }
        for part in *turn {
            let (id, runs) = part.nodes(execution);
            let next = if turn.len() > 1 { Vec::new() } else { next.clone() };
            let module = if part.kind() == "Deployment" { "cd" } else { "ci" };
            let node = json!({
                "nodeType": part.kind(),
                "nodeGroup": "STAGE",
                "nodeIdentifier": part.identifier(),
                "name": part.name(),
                "nodeUuid": id,
                "status": part.status(),
                "module": module,
                "moduleInfo": { module: {} },
                "startTs": part.started_ms(),
                "endTs": part.ended_ms(),
                "edgeLayoutList": { "currentNodeChildren": [], "nextIds": next },
                "failureInfo": part.message().map(|message| json!({ "message": message })),
                "nodeExecutionId": runs,
                "executionInputConfigured": false,
            });
            nodes.insert(id, node);
        }
    }
    Layout { first: turns.first().map(|turn| box_of(turn)), nodes }
}

fn together(turn: &[Part<'_>]) -> Status {
    let odd = turn.iter().map(Part::status).find(|status| *status != Status::Success);
    odd.unwrap_or(Status::Success)
}

/// What the graph says of one node.
struct Node<'a> {
    uuid: &'a str,
    setup: &'a str,
    name: &'a str,
    identifier: &'a str,
    fqn: String,
    kind: &'a str,
    status: Status,
    started_ms: Option<i64>,
    ended_ms: Option<i64>,
    message: Option<&'a str>,
    delegate: Option<&'a str>,
    log_key: String,
}

impl Node<'_> {
    fn body(self) -> Value {
        let Self { uuid, setup, name, identifier, fqn, kind, status, started_ms, ended_ms, message, delegate, log_key } =
            self;
        let delegates: Vec<_> = delegate.iter().map(|name| json!({ "id": name, "name": name })).collect();
        json!({
            "uuid": uuid,
            "setupId": setup,
            "name": name,
            "identifier": identifier,
            "baseFqn": fqn,
            "outcomes": {},
            "stepParameters": {},
            "startTs": started_ms,
            "endTs": ended_ms,
            "stepType": kind,
            "status": status,
            "failureInfo": failure_info(message),
            "skipInfo": null,
            "nodeRunInfo": null,
            "executableResponses": [],
            "unitProgresses": [],
            "progressData": null,
            "delegateInfoList": delegates,
            "interruptHistories": [],
            "stepDetails": null,
            "strategyMetadata": null,
            "executionInputConfigured": false,
            "logBaseKey": log_key,
        })
    }
}

fn failure_info(message: Option<&str>) -> Value {
    let types = if message.is_some() { json!(["APPLICATION_FAILURE"]) } else { json!([]) };
    let messages: Vec<_> = message
        .iter()
        .map(|message| json!({ "code": "DEFAULT_ERROR_CODE", "level": "ERROR", "message": message, "exception": null, "failureTypes": ["APPLICATION_FAILURE"] }))
        .collect();
    json!({ "message": message.unwrap_or_default(), "failureTypeList": types, "responseMessages": messages })
}

fn graph(account: &str, execution: &Execution) -> Value {
    let parts = in_pipeline(execution);
    let mut nodes = Map::new();
    let mut edges = Map::new();
    let root = execution.node("pipeline");
    let turns: Vec<&[Part<'_>]> = parts.chunk_by(|one, other| one.turn() == other.turn()).collect();
    let begun = |turn: &&[Part<'_>]| {
        let begun = turn.iter().filter(|part| part.status() != Status::NotStarted);
        begun.map(|part| part.nodes(execution).1).collect::<Vec<_>>()
    };
    let first = turns.first().map(begun).unwrap_or_default();
    let node = Node {
        uuid: &root,
        setup: &root,
        name: "pipeline",
        identifier: "pipeline",
        fqn: String::from("pipeline"),
        kind: "PIPELINE_SECTION",
        status: execution.status,
        started_ms: Some(execution.started_ms),
        ended_ms: execution.ended_ms,
        message: execution.message.as_deref(),
        delegate: None,
        log_key: execution.log_key(account, &[]),
    };
    nodes.insert(root.clone(), node.body());
    edges.insert(root.clone(), edge(&first, &[]));
    for (n, turn) in turns.iter().enumerate() {
        let next = turns.get(n + 1).map(begun).unwrap_or_default();
        for part in turn.iter().filter(|part| part.status() != Status::NotStarted) {
            add_stage(account, execution, part, &next, &mut nodes, &mut edges);
        }
    }
    json!({
        "rootNodeId": root,
        "nodeMap": nodes,
        "nodeAdjacencyListMap": edges,
        "executionMetadata": {
            "accountId": account,
            "pipelineIdentifier": execution.pipeline.identifier,
            "orgIdentifier": execution.pipeline.scope.org,
            "projectIdentifier": execution.pipeline.scope.project,
            "planExecutionId": execution.id,
        },
        "representationStrategy": "camelCase",
    })
}

fn edge(children: &[String], next: &[String]) -> Value {
    json!({ "children": children, "nextIds": next })
}

fn add_stage(
    account: &str,
    execution: &Execution,
    part: &Part<'_>,
    next: &[String],
    nodes: &mut Map<String, Value>,
    edges: &mut Map<String, Value>,
) {
    let identifier = part.identifier();
    let (setup, uuid) = part.nodes(execution);
    let fqn = format!("pipeline.stages.{identifier}");
    let body = execution.node(&format!("execution of {identifier}"));
    let about = |uuid, setup, name, identifier, fqn, kind| Node {
        uuid,
        setup,
        name,
        identifier,
        fqn,
        kind,
        status: part.status(),
        started_ms: part.started_ms(),
        ended_ms: part.ended_ms(),
        message: part.message(),
        delegate: None,
        log_key: execution.log_key(account, &[part.identifier()]),
    };
    let stage = about(&uuid, &setup, part.name(), identifier, fqn.clone(), stage_type(part.kind()));
    nodes.insert(uuid.clone(), stage.body());
    let inside = about(&body, &body, "Execution", "execution", format!("{fqn}.spec.execution"), "NG_EXECUTION").body();
    let steps: Vec<(&StageRecord, &StepRecord)> =
        part.0.iter().flat_map(|record| record.steps.iter().map(|step| (*record, step))).collect();
    if steps.is_empty() {
        edges.insert(uuid, edge(&[], next));
        return;
    }
    edges.insert(uuid, edge(std::slice::from_ref(&body), next));
    nodes.insert(body.clone(), inside);
    let ids: Vec<_> = steps.iter().map(|(_, step)| step.node.clone()).collect();
    edges.insert(body, edge(ids.get(..1).unwrap_or_default(), &[]));
    for (n, (record, step)) in steps.into_iter().enumerate() {
        let groups: String =
            record.stage.identifier.split('.').skip(1).map(|group| format!(".{group}.steps")).collect();
        let node = Node {
            uuid: &step.node,
            setup: &step.node,
            name: &step.name,
            identifier: &step.identifier,
            fqn: format!("{fqn}.spec.execution.steps{groups}.{}", step.identifier),
            kind: &step.kind,
            status: step.status,
            started_ms: Some(step.started_ms),
            ended_ms: step.ended_ms,
            message: step.message.as_deref(),
            delegate: step.delegate.as_deref(),
            log_key: log_key(account, execution, record, step),
        };
        nodes.insert(step.node.clone(), node.body());
        edges.insert(step.node.clone(), edge(&[], ids.get(n + 1..n + 2).unwrap_or_default()));
    }
}

/// The key of a step's log.
pub(super) fn log_key(account: &str, execution: &Execution, stage: &StageRecord, step: &StepRecord) -> String {
    let parts: Vec<&str> = stage.stage.identifier.split('.').chain([step.identifier.as_str()]).collect();
    execution.log_key(account, &parts)
}

/// What the graph calls a stage of this type.
fn stage_type(kind: &str) -> &str {
    match kind {
        "CI" => "IntegrationStageStepPMS",
        "Deployment" => "DEPLOYMENT_STAGE_STEP",
        "Approval" => "APPROVAL_STAGE",
        "Custom" => "CUSTOM_STAGE",
        other => other,
    }
}

fn module_info(stages: &[StageRecord]) -> Value {
    let image = |image: &str| {
        let (name, tag) = match image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (image, ""),
        };
        json!({ "imageName": name, "imageTag": tag })
    };
    let own = |stage: &StageRecord| {
        let images = stage.resolution.iter().flat_map(|resolution| &resolution.images);
        images.filter(|image| !image.internal).map(|own| image(&own.before)).collect::<Vec<_>>()
    };
    let infrastructure = |stage: &StageRecord| {
        let kind = match &stage.stage.infrastructure {
            Infrastructure::Kubernetes { .. } => "KubernetesDirect",
            Infrastructure::VmPool { .. } => "VM",
            Infrastructure::Docker { .. } => "Docker",
            Infrastructure::Cloud => "HostedVm",
            Infrastructure::ContainerStepGroup { .. } | Infrastructure::Missing | Infrastructure::NoContainers => {
                return None;
            }
        };
        let platform = &stage.stage.platform;
        Some(json!({ "infraType": kind, "infraOSType": platform.os, "infraArchType": platform.architecture }))
    };
    json!({
        "imageDetailsList": stages.iter().flat_map(own).collect::<Vec<_>>(),
        "infraDetailsList": stages.iter().filter_map(infrastructure).collect::<Vec<_>>(),
    })
}

fn stage(record: &StageRecord) -> Value {
    let StageRecord { stage, status, message, resolution, images, .. } = record;
    json!({
        "stage": stage.identifier,
        "name": stage.name,
        "status": status,
        "message": message,
        "resolution": resolution,
        "images": images.iter().map(image).collect::<Vec<_>>(),
    })
}

fn image(outcome: &ImageOutcome) -> Value {
    let ImageOutcome { resolution, result, secret } = outcome;
    let (status, detail) = match result {
        Ok(Pulled::Now(pulled)) => (Status::Success, json!({ "pulled": pulled })),
        Ok(Pulled::Cached) => (Status::Success, json!({ "pulled": "cached" })),
        Err(message) => (Status::Failed, json!({ "message": message })),
    };
    let mut told = json!({ "container": resolution.container, "image": resolution.after, "status": status });
    if let (Some(told), Value::Object(detail)) = (told.as_object_mut(), detail) {
        told.extend(detail);
        if let Some(secret) = secret {
            told.insert(String::from("pullSecret"), json!(secret));
        }
    }
    told
}
