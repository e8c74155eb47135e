//! `/ng/api/organizations` and `/ng/api/projects`: as much as a scope needs.
//!
//! The bodies are the least that clients look at; they are not from the fact sheet.

use axum::extract::State;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    auth::Caller,
    envelope::{Answered, ApiError, success},
    page::{PageSize, page},
    params::{Body, Identifier, Params},
};
use crate::{account::FieldErrors, platform::Platform};

/// `POST /ng/api/organizations`, body `{"organization": {identifier, name}}`.
pub(super) async fn create_organization(State(platform): State<Platform>, _: Caller, body: Body) -> Answered {
    let body = body.json()?;
    let identifier = read_identifier(&body, "organization")?;
    if !platform.account().create_organization(&identifier) {
        return Err(ApiError::invalid(format!("An organization with identifier [{identifier}] already exists")));
    }
    Ok(success(json!({ "organization": organization(&identifier) })))
}

/// `GET /ng/api/organizations/{identifier}`.
pub(super) async fn get_organization(
    State(platform): State<Platform>,
    _: Caller,
    Identifier(identifier): Identifier,
) -> Answered {
    if platform.account().organizations().contains_key(&identifier) {
        return Ok(success(json!({ "organization": organization(&identifier) })));
    }
    Err(not_found(format!("Organization with identifier [{identifier}] not found")))
}

/// `GET /ng/api/organizations`.
pub(super) async fn list_organizations(State(platform): State<Platform>, _: Caller, params: Params) -> Answered {
    let organizations = platform.account().organizations();
    let found: Vec<_> = organizations.keys().collect();
    let show = |identifier: &&String| json!({ "organization": organization(identifier) });
    Ok(success(page(&found, &params, PageSize::USUAL, show)))
}

/// `POST /ng/api/projects?orgIdentifier=`, body `{"project": {identifier, name, orgIdentifier}}`.
pub(super) async fn create_project(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    body: Body,
) -> Answered {
    let body = body.json()?;
    let identifier = read_identifier(&body, "project")?;
    let org = body.pointer("/project/orgIdentifier").and_then(Value::as_str).or_else(|| params.get("orgIdentifier"));
    let org = org.unwrap_or("default");
    if !platform.account().create_project(org, &identifier)? {
        return Err(ApiError::invalid(format!(
            "A project with identifier [{identifier}] and orgIdentifier [{org}] already exists"
        )));
    }
    Ok(success(json!({ "project": project(org, &identifier) })))
}

/// `GET /ng/api/projects/{identifier}?orgIdentifier=`.
pub(super) async fn get_project(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let org = params.get("orgIdentifier").unwrap_or("default");
    if platform.account().organizations().get(org).is_some_and(|projects| projects.contains(&identifier)) {
        return Ok(success(json!({ "project": project(org, &identifier) })));
    }
    Err(not_found(format!("Project with orgIdentifier [{org}] and identifier [{identifier}] not found")))
}

/// `GET /ng/api/projects`, of one organisation if the query names it.
pub(super) async fn list_projects(State(platform): State<Platform>, _: Caller, params: Params) -> Answered {
    let organizations = platform.account().organizations();
    let wanted = params.get("orgIdentifier");
    let found: Vec<_> = organizations
        .iter()
        .filter(|(org, _)| wanted.is_none_or(|wanted| wanted == org.as_str()))
        .flat_map(|(org, projects)| projects.iter().map(move |identifier| (org, identifier)))
        .collect();
    let show = |(org, identifier): &(&String, &String)| json!({ "project": project(org, identifier) });
    Ok(success(page(&found, &params, PageSize::USUAL, show)))
}

fn read_identifier(body: &Value, kind: &str) -> Result<String, ApiError> {
    let empty = Map::new();
    let object = body.get(kind).and_then(Value::as_object).unwrap_or(&empty);
    let identifier = object.get("identifier").and_then(Value::as_str).unwrap_or_default();
    let mut errors = FieldErrors::default();
    errors.check_identifier(identifier);
    errors.finish()?;
    Ok(String::from(identifier))
}

fn organization(identifier: &str) -> Value {
    json!({ "identifier": identifier, "name": identifier, "description": "", "tags": {} })
}

fn project(org: &str, identifier: &str) -> Value {
    json!({ "orgIdentifier": org, "identifier": identifier, "name": identifier, "description": "", "tags": {} })
}

fn not_found(message: String) -> ApiError {
    ApiError::NotFound { status: StatusCode::NOT_FOUND, message }
}
