//! Running pipelines and looking at how that went.
//!
//! Of `data.pipelineExecutionSummary` the fields `status`, `planExecutionId`, `pipelineIdentifier`, `name`, `startTs`,
//! `endTs` and `failureInfo` are Harness's, and so is `data.executionGraph`, which is always null here. **Ours** is `stages`: the real platform tells of images only in log lines.
//!
//! Source: facts/harness E, execute-response.

use std::collections::BTreeMap;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use testbed::diagnostic::Source;

use super::{
    auth::Caller,
    envelope::{Answered, ApiError, success},
    params::{Body, Identifier, Params},
    pipelines::no_such_pipeline,
};
use crate::{
    config::Permission,
    execution::{self, Execution, ImageOutcome, Pulled, StageOutcome, Status},
    pipeline::{Pipeline, input_values},
    platform::Platform,
};

/// `POST /pipeline/api/pipeline/execute/{identifier}`: starts it. The body is an input set's YAML, or nothing.
pub(super) async fn execute(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    let reference = params.entity(&identifier);
    caller.require(Permission::PipelineExecute, &reference.scope, Some(&identifier), Value::Null)?;
    let stored = platform.pipelines().get(&reference).ok_or_else(|| no_such_pipeline(&platform, &reference))?;
    let inputs = match body.text()? {
        "" => BTreeMap::new(),
        inputs => input_values(&Source::new("inputs.yaml", inputs)).map_err(ApiError::complaints)?,
    };
    let source = Source::new("pipeline.yaml", &*stored.yaml);
    let mut pipeline = Pipeline::parse_with_inputs(&source, &inputs).map_err(ApiError::complaints)?;
    // Where it was saved is what counts, not what the text says.
    pipeline.scope = reference.scope;
    let Execution { id, started_ms, .. } = execution::start(&platform, pipeline);
    Ok(success(json!({
        "planExecution": { "uuid": id, "status": "RUNNING", "startTs": started_ms, "endTs": null },
        "gitDetails": { "branch": null, "repoIdentifier": null, "filePath": null },
    })))
}

/// `GET /pipeline/api/pipelines/execution/v2/{planExecutionId}`.
pub(super) async fn get(State(platform): State<Platform>, _: Caller, Identifier(id): Identifier) -> Answered {
    let Some(execution) = platform.executions().get(&id) else {
        let message = format!("Plan Execution Summary does not exist or has been deleted for planExecutionId: {id}");
        return Err(ApiError::NotFound { status: StatusCode::BAD_REQUEST, message });
    };
    let Execution { id, pipeline, name, status, message, started_ms, ended_ms, stages } = execution;
    Ok(success(json!({
        "pipelineExecutionSummary": {
            "pipelineIdentifier": pipeline,
            "planExecutionId": id,
            "name": name,
            "status": status,
            "startTs": started_ms,
            "endTs": ended_ms,
            "failureInfo": message.map(|message| json!({ "message": message })),
            "stages": stages.iter().map(stage).collect::<Vec<_>>(),
        },
        "executionGraph": null,
    })))
}

fn stage(outcome: &StageOutcome) -> Value {
    let StageOutcome { stage, name, status, message, resolution, images } = outcome;
    json!({
        "stage": stage,
        "name": name,
        "status": status,
        "message": message,
        "resolution": resolution,
        "images": images.iter().map(image).collect::<Vec<_>>(),
    })
}

fn image(outcome: &ImageOutcome) -> Value {
    let ImageOutcome { resolution, result } = outcome;
    let (status, detail) = match result {
        Ok(Pulled::Now(pulled)) => (Status::Success, json!({ "pulled": pulled })),
        Ok(Pulled::Cached) => (Status::Success, json!({ "pulled": "cached" })),
        Err(message) => (Status::Failed, json!({ "message": message })),
    };
    let mut told = json!({ "container": resolution.container, "image": resolution.after, "status": status });
    if let (Some(told), Value::Object(detail)) = (told.as_object_mut(), detail) {
        told.extend(detail);
    }
    told
}
