//! Running pipelines, looking at how that goes, and ending it.
//!
//! Source: facts/harness E, execute-response; GOSDK `ExecuteApi`, `ExecutionDetailsApi`.

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use testbed::diagnostic::Source;

use super::{
    auth::Caller,
    envelope::{Answered, ApiError, success},
    execution_body::{details, summary},
    params::{Body, Identifier, Params},
    pipelines::no_such_pipeline,
    spring_page::spring_page,
};
use crate::{
    config::Permission,
    execution::{self, Execution, Status},
    pipeline::{InputSet, read_to_run},
    platform::Platform,
};

/// `POST /pipeline/api/pipeline/execute/{identifier}`: starts it. The body is an input set's YAML, or nothing; what it gives
/// must be asked for by the pipeline. `moduleType` is taken and changes nothing here.
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
    let given = Source::new("inputs.yaml", body.text()?);
    let inputs = InputSet::parse(&given).map_err(ApiError::complaints)?;
    let source = Source::new("pipeline.yaml", &*stored.yaml);
    let mut pipeline = read_to_run(&source, &inputs).map_err(ApiError::complaints)?;
    // Where it was saved is what counts, not what the text says.
    pipeline.scope = reference.scope;
    let Execution { id, started_ms, .. } = execution::start(&platform, pipeline, caller.principal());
    Ok(success(json!({
        "planExecution": { "uuid": id, "status": "RUNNING", "startTs": started_ms, "endTs": null },
        "gitDetails": { "branch": null, "repoIdentifier": null, "filePath": null },
    })))
}

/// `GET /pipeline/api/pipelines/execution/v2/{planExecutionId}`.
pub(super) async fn get(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(id): Identifier,
) -> Answered {
    let execution = find(&platform, &params, &id)?;
    Ok(success(details(platform.account().identifier(), &execution)))
}

/// `POST /pipeline/api/pipelines/execution/summary`: those of the query's project, the newest first, by `pipelineIdentifier`,
/// `status` and `searchTerm`. The filter in the body is not looked at.
pub(super) async fn list(State(platform): State<Platform>, _: Caller, params: Params) -> Answered {
    let scope = params.scope();
    let (pipeline, status) = (params.get("pipelineIdentifier"), params.get("status"));
    let term = params.get("searchTerm").map(str::to_lowercase);
    let found = platform.executions().list(|execution| {
        let Execution { pipeline: reference, name, status: is, .. } = execution;
        let has_term =
            |term: &String| name.to_lowercase().contains(term) || reference.identifier.to_lowercase().contains(term);
        reference.scope == scope
            && pipeline.is_none_or(|wanted| reference.identifier == wanted)
            && status.is_none_or(|wanted| is.name().eq_ignore_ascii_case(wanted))
            && term.as_ref().is_none_or(has_term)
    });
    Ok(success(spring_page(&found, &params, 10, summary)))
}

/// `PUT /pipeline/api/pipeline/execute/interrupt/{planExecutionId}?interruptType=`: `AbortAll` and `ExpireAll` end it. Others
/// are refused: there is nothing here to pause, to retry or to roll back.
pub(super) async fn interrupt(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(id): Identifier,
) -> Answered {
    let execution = find(&platform, &params, &id)?;
    let pipeline = &execution.pipeline;
    caller.require(Permission::PipelineExecute, &pipeline.scope, Some(&pipeline.identifier), Value::Null)?;
    let kind = params.get("interruptType").unwrap_or_default();
    let becomes = match kind {
        "AbortAll" | "Abort" => Status::Aborted,
        "ExpireAll" => Status::Expired,
        other => {
            return Err(ApiError::invalid(format!(
                "this mock knows no interrupt `{other}`: use AbortAll or ExpireAll"
            )));
        }
    };
    if !platform.executions().interrupt(&id, becomes) {
        let message = format!("Interrupt {kind} cannot be applied: execution {id} is {}", execution.status.name());
        return Err(ApiError::invalid(message));
    }
    Ok(success(json!({ "id": platform.next_entity_id(), "type": kind, "planExecutionId": id })))
}

/// The execution called `id`. If the query names a project, it is looked for only there.
fn find(platform: &Platform, params: &Params, id: &str) -> Result<Execution, ApiError> {
    let scope = params.scope();
    let found = platform
        .executions()
        .get(id)
        .filter(|execution| (scope.org.is_none() && scope.project.is_none()) || execution.pipeline.scope == scope);
    found.ok_or_else(|| {
        let message = format!("Plan Execution Summary does not exist or has been deleted for planExecutionId: {id}");
        ApiError::NotFound { status: StatusCode::BAD_REQUEST, message }
    })
}
