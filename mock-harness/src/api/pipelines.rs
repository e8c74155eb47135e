//! `/pipeline/api/pipelines`: saving pipelines. Bodies are YAML.
//!
//! A pipeline with runtime inputs can be saved; running it needs their values. What is no pipeline is refused with the
//! complaint's line and column, which is our own wording.

use std::collections::BTreeSet;

use axum::extract::State;
use http::StatusCode;
use serde_json::json;
use testbed::{diagnostic::Source, yaml};

use super::{
    auth::Caller,
    envelope::{Answered, ApiError, Reply, success},
    params::{Body, Identifier, Params},
};
use crate::{
    account::EntityRef,
    pipeline::{Pipeline, named_connectors, read_to_save},
    platform::Platform,
};

/// `POST /pipeline/api/pipelines/v2`.
pub(super) async fn create(State(platform): State<Platform>, _: Caller, params: Params, body: Body) -> Answered {
    let yaml = body.text()?;
    let received = read(&platform, &params, yaml)?;
    if !platform.pipelines().create(&received.reference, yaml) {
        let identifier = &received.reference.identifier;
        return Err(ApiError::invalid(format!(
            "Pipeline [{identifier}] already exists. Please choose another identifier."
        )));
    }
    Ok(saved(&platform, &received))
}

/// `PUT /pipeline/api/pipelines/v2/{identifier}`.
pub(super) async fn update(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    let yaml = body.text()?;
    let received = read(&platform, &params, yaml)?;
    let reference = &received.reference;
    if reference.identifier != identifier {
        return Err(ApiError::invalid(format!(
            "Expected Pipeline identifier in YAML to be [{identifier}], but was [{}]",
            reference.identifier
        )));
    }
    if !platform.pipelines().update(reference, yaml) {
        return Err(no_such_pipeline(&platform, reference));
    }
    Ok(saved(&platform, &received))
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
}

fn read(platform: &Platform, params: &Params, yaml: &str) -> Result<Received, ApiError> {
    let scope = params.scope();
    platform.account().check_scope(&scope)?;
    let source = Source::new("pipeline.yaml", yaml);
    let root = yaml::parse(&source).map_err(ApiError::complaints)?;
    // Inputs may still lack values: an execution brings them.
    let Pipeline { identifier, .. } = read_to_save(&source, &root).map_err(ApiError::complaints)?;
    Ok(Received { reference: EntityRef { scope, identifier }, named: named_connectors(&root) })
}

fn saved(platform: &Platform, received: &Received) -> Reply {
    let Received { reference, named } = received;
    let named = named.iter().filter_map(|text| EntityRef::parse(text, &reference.scope).ok()).collect();
    platform.account().set_references(reference, named);
    success(json!({ "identifier": reference.identifier, "governanceMetadata": null }))
}
