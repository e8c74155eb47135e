//! `/pipeline/api/pipelines`: saving pipelines. Bodies are YAML.
//!
//! A pipeline with runtime inputs can be saved; running it needs their values. What is no pipeline is refused with the
//! complaint's line and column, which is our own wording.

use std::collections::BTreeSet;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use testbed::{diagnostic::Source, yaml};

use super::{
    auth::Caller,
    envelope::{Answered, ApiError, success},
    params::{Body, Identifier, Params},
    spring_page::spring_page,
};
use crate::{
    account::EntityRef,
    execution::Status,
    pipeline::{Pipeline, StoredPipeline, read_to_save},
    platform::{Platform, epoch_ms},
};

/// `POST /pipeline/api/pipelines/v2`.
pub(super) async fn create(State(platform): State<Platform>, _: Caller, params: Params, body: Body) -> Answered {
    let received = create_in(&platform, &params, &body)?;
    Ok(success(json!({ "identifier": received.reference.identifier, "governanceMetadata": null })))
}

/// `POST /pipeline/api/pipelines`: the older one, which answers with the identifier alone.
pub(super) async fn create_v1(State(platform): State<Platform>, _: Caller, params: Params, body: Body) -> Answered {
    Ok(success(json!(create_in(&platform, &params, &body)?.reference.identifier)))
}

fn create_in(platform: &Platform, params: &Params, body: &Body) -> Result<Received, ApiError> {
    let received = read(platform, params, body.text()?)?;
    if !platform.pipelines().create(&received.reference, received.stored.clone()) {
        let identifier = &received.reference.identifier;
        return Err(ApiError::invalid(format!(
            "Pipeline [{identifier}] already exists. Please choose another identifier."
        )));
    }
    received.note_references(platform);
    Ok(received)
}

/// `PUT /pipeline/api/pipelines/v2/{identifier}`.
pub(super) async fn update(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    update_in(&platform, &params, &identifier, &body)?;
    Ok(success(json!({ "identifier": identifier, "governanceMetadata": null })))
}

/// `PUT /pipeline/api/pipelines/{identifier}`: the older one, which answers with the identifier alone.
pub(super) async fn update_v1(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    update_in(&platform, &params, &identifier, &body)?;
    Ok(success(json!(identifier)))
}

fn update_in(platform: &Platform, params: &Params, identifier: &str, body: &Body) -> Result<(), ApiError> {
    let received = read(platform, params, body.text()?)?;
    let reference = &received.reference;
    if reference.identifier != identifier {
        return Err(ApiError::invalid(format!(
            "Expected Pipeline identifier in YAML to be [{identifier}], but was [{}]",
            reference.identifier
        )));
    }
    if !platform.pipelines().update(reference, received.stored.clone()) {
        return Err(no_such_pipeline(platform, reference));
    }
    received.note_references(platform);
    Ok(())
}

/// `DELETE /pipeline/api/pipelines/{identifier}`: `true`. The connectors that it names may be deleted from then on.
pub(super) async fn delete(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    if !platform.pipelines().delete(&reference) {
        return Err(no_such_pipeline(&platform, &reference));
    }
    platform.account().set_references(&reference, BTreeSet::new());
    Ok(success(json!(true)))
}

/// `POST /pipeline/api/pipelines/list`: those of the query's project, the last saved first, by `searchTerm`. The filter in
/// the body is not looked at.
pub(super) async fn list(State(platform): State<Platform>, _: Caller, params: Params) -> Answered {
    let term = params.get("searchTerm").map(str::to_lowercase);
    let mut found = platform.pipelines().list(&params.scope());
    found.retain(|(reference, stored)| {
        let has = |term: &String| {
            stored.name.to_lowercase().contains(term) || reference.identifier.to_lowercase().contains(term)
        };
        term.as_ref().is_none_or(has)
    });
    Ok(success(spring_page(&found, &params, 25, |(reference, stored)| about(&platform, reference, stored))))
}

/// `GET /pipeline/api/pipelines/summary/{identifier}`.
pub(super) async fn summary(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    let stored = platform.pipelines().get(&reference).ok_or_else(|| no_such_pipeline(&platform, &reference))?;
    Ok(success(about(&platform, &reference, &stored)))
}

fn about(platform: &Platform, reference: &EntityRef, stored: &StoredPipeline) -> Value {
    let StoredPipeline { name, stages, created_at, updated_at, version, .. } = stored;
    let executions = platform.executions().list(|execution| execution.pipeline == *reference);
    let n_failed = executions.iter().filter(|execution| execution.status == Status::Failed).count();
    let last = executions.first();
    json!({
        "name": name,
        "identifier": reference.identifier,
        "description": null,
        "tags": {},
        "version": version,
        "numOfStages": stages.len(),
        "createdAt": epoch_ms(*created_at),
        "lastUpdatedAt": epoch_ms(*updated_at),
        "modules": ["ci"],
        "executionSummaryInfo": {
            "numOfErrors": [n_failed],
            "deployments": [executions.len()],
            "lastExecutionTs": last.map(|execution| execution.started_ms),
            "lastExecutionStatus": last.map(|execution| execution.status),
            "lastExecutionId": last.map(|execution| execution.id.as_str()),
        },
        "filters": { "ci": {} },
        "stageNames": stages,
        "gitDetails": null,
        "entityValidityDetails": { "valid": true, "invalidYaml": null },
        "storeType": "INLINE",
    })
}

/// `GET /pipeline/api/pipelines/{identifier}`.
pub(super) async fn get(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    let stored = platform.pipelines().get(&reference).ok_or_else(|| no_such_pipeline(&platform, &reference))?;
    Ok(success(json!({
        "yamlPipeline": &*stored.yaml,
        "resolvedTemplatesPipelineYaml": null,
        "gitDetails": null,
        "entityValidityDetails": { "valid": true, "invalidYaml": null },
        "modules": ["ci"],
        "storeType": "INLINE",
        "version": stored.version,
    })))
}

/// The answer about a pipeline that does not exist.
pub(super) fn no_such_pipeline(platform: &Platform, reference: &EntityRef) -> ApiError {
    let EntityRef { scope, identifier } = reference;
    let (account, org, project) = (
        platform.account().identifier(),
        scope.org.as_deref().unwrap_or_default(),
        scope.project.as_deref().unwrap_or_default(),
    );
    ApiError::NotFound {
        status: StatusCode::NOT_FOUND,
        message: format!(
            "Pipeline [{identifier}] under Project[{project}], Organization [{org}], Account [{account}] doesn't exist or has \
             been deleted."
        ),
    }
}

/// A pipeline as it came, known to be one.
struct Received {
    reference: EntityRef,
    /// The connector references in it.
    named: BTreeSet<String>,
    stored: StoredPipeline,
}

impl Received {
    fn note_references(&self, platform: &Platform) {
        let Self { reference, named, .. } = self;
        let named = named.iter().filter_map(|text| EntityRef::parse(text, &reference.scope).ok()).collect();
        platform.account().set_references(reference, named);
    }
}

fn read(platform: &Platform, params: &Params, yaml: &str) -> Result<Received, ApiError> {
    let scope = params.scope();
    platform.account().check_scope(&scope)?;
    let source = Source::new("pipeline.yaml", yaml);
    let root = yaml::parse(&source).map_err(ApiError::complaints)?;
    // Inputs may still lack values: an execution brings them.
    let Pipeline { identifier, name, stages, named_connectors, .. } =
        read_to_save(&source, &root).map_err(ApiError::complaints)?;
    let now = platform.clock().now();
    let stored = StoredPipeline {
        yaml: yaml.into(),
        name,
        stages: stages.into_iter().map(|stage| stage.name).collect(),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    Ok(Received { reference: EntityRef { scope, identifier }, named: named_connectors, stored })
}
