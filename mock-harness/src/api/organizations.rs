//! `/ng/api/organizations` and `/ng/api/projects`: made, changed, got, listed, and deleted with all that lives in them.
//!
//! The bodies have what the Go SDK's `OrganizationResponse` and `ProjectResponse` have; they are not from the fact sheet.

use std::collections::BTreeSet;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    auth::Caller,
    envelope::{Answered, ApiError, success},
    page::{PageSize, page},
    params::{Body, Identifier, Params},
};
use crate::{
    account::{FieldErrors, Profile, Scope},
    platform::{Platform, epoch_ms},
};

/// `POST /ng/api/organizations`, body `{"organization": {identifier, name, description, tags}}`.
pub(super) async fn create_organization(State(platform): State<Platform>, _: Caller, body: Body) -> Answered {
    let body = body.json()?;
    let (identifier, profile) = read(&platform, &body, "organization")?;
    if !platform.account().create_organization(&identifier, profile.clone()) {
        return Err(ApiError::invalid(format!("An organization with identifier [{identifier}] already exists")));
    }
    Ok(success(organization(&identifier, &profile)))
}

/// `GET /ng/api/organizations/{identifier}`.
pub(super) async fn get_organization(
    State(platform): State<Platform>,
    _: Caller,
    Identifier(identifier): Identifier,
) -> Answered {
    let profile = platform.account().profile(&Scope::new(Some(&identifier), None));
    Ok(success(organization(&identifier, &profile.ok_or_else(|| no_organization(&identifier))?)))
}

/// `PUT /ng/api/organizations/{identifier}`: the body as on create.
pub(super) async fn update_organization(
    State(platform): State<Platform>,
    _: Caller,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    let profile = read_again(&platform, &body.json()?, "organization", &identifier)?;
    let profile = platform.account().update_profile(&Scope::new(Some(&identifier), None), profile);
    Ok(success(organization(&identifier, &profile.ok_or_else(|| no_organization(&identifier))?)))
}

/// `DELETE /ng/api/organizations/{identifier}`: with its projects, and all connectors, secrets and pipelines in them.
pub(super) async fn delete_organization(
    State(platform): State<Platform>,
    _: Caller,
    Identifier(identifier): Identifier,
) -> Answered {
    if !delete(&platform, &Scope::new(Some(&identifier), None)) {
        return Err(no_organization(&identifier));
    }
    Ok(success(Value::Bool(true)))
}

/// `GET /ng/api/organizations`.
pub(super) async fn list_organizations(State(platform): State<Platform>, _: Caller, params: Params) -> Answered {
    let account = platform.account();
    let told = |identifier: String| Some((account.profile(&Scope::new(Some(&identifier), None))?, identifier));
    let mut found: Vec<_> = account.organizations().into_keys().filter_map(told).collect();
    found.retain(|(profile, identifier)| is_searched(&params, profile, identifier));
    let show = |(profile, identifier): &(Profile, String)| organization(identifier, profile);
    Ok(success(page(&found, &params, PageSize::USUAL, show)))
}

/// `POST /ng/api/projects?orgIdentifier=`, body `{"project": {identifier, name, orgIdentifier, color, modules, …}}`.
pub(super) async fn create_project(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    body: Body,
) -> Answered {
    let body = body.json()?;
    let (identifier, profile) = read(&platform, &body, "project")?;
    let org = body.pointer("/project/orgIdentifier").and_then(Value::as_str).or_else(|| params.get("orgIdentifier"));
    let org = org.unwrap_or("default");
    if !platform.account().create_project(org, &identifier, profile.clone())? {
        return Err(ApiError::invalid(format!(
            "A project with identifier [{identifier}] and orgIdentifier [{org}] already exists"
        )));
    }
    Ok(success(project(org, &identifier, &profile)))
}

/// `GET /ng/api/projects/{identifier}?orgIdentifier=`.
pub(super) async fn get_project(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let org = params.get("orgIdentifier").unwrap_or("default");
    let profile = platform.account().profile(&Scope::new(Some(org), Some(&identifier)));
    Ok(success(project(org, &identifier, &profile.ok_or_else(|| no_project(org, &identifier))?)))
}

/// `PUT /ng/api/projects/{identifier}?orgIdentifier=`: the body as on create.
pub(super) async fn update_project(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    let org = params.get("orgIdentifier").unwrap_or("default");
    let profile = read_again(&platform, &body.json()?, "project", &identifier)?;
    let profile = platform.account().update_profile(&Scope::new(Some(org), Some(&identifier)), profile);
    Ok(success(project(org, &identifier, &profile.ok_or_else(|| no_project(org, &identifier))?)))
}

/// `DELETE /ng/api/projects/{identifier}?orgIdentifier=`: with all connectors, secrets and pipelines in it.
pub(super) async fn delete_project(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let org = params.get("orgIdentifier").unwrap_or("default");
    if !delete(&platform, &Scope::new(Some(org), Some(&identifier))) {
        return Err(no_project(org, &identifier));
    }
    Ok(success(Value::Bool(true)))
}

/// `GET /ng/api/projects`, of one organisation if the query names it.
pub(super) async fn list_projects(State(platform): State<Platform>, _: Caller, params: Params) -> Answered {
    let account = platform.account();
    let organizations = account.organizations();
    let wanted = params.get("orgIdentifier");
    let mut found: Vec<_> = organizations
        .iter()
        .filter(|(org, _)| wanted.is_none_or(|wanted| wanted == org.as_str()))
        .flat_map(|(org, projects)| projects.iter().map(move |identifier| (org, identifier)))
        .filter_map(|(org, identifier)| {
            Some((account.profile(&Scope::new(Some(org), Some(identifier)))?, org, identifier))
        })
        .collect();
    found.retain(|(profile, _, identifier)| is_searched(&params, profile, identifier));
    let show = |(profile, org, identifier): &(Profile, &String, &String)| project(org, identifier, profile);
    Ok(success(page(&found, &params, PageSize::USUAL, show)))
}

fn read(platform: &Platform, body: &Value, kind: &str) -> Result<(String, Profile), ApiError> {
    let empty = Map::new();
    let object = body.get(kind).and_then(Value::as_object).unwrap_or(&empty);
    let identifier = object.get("identifier").and_then(Value::as_str).unwrap_or_default();
    let mut errors = FieldErrors::default();
    errors.check_identifier(identifier);
    errors.finish()?;
    let profile = Profile::read(identifier, object, platform.clock().now())?;
    Ok((String::from(identifier), profile))
}

/// The same for what there is already: the body's identifier is the path's.
fn read_again(platform: &Platform, body: &Value, kind: &str, identifier: &str) -> Result<Profile, ApiError> {
    let (told, profile) = read(platform, body, kind)?;
    if told != identifier {
        return Err(ApiError::invalid(format!(
            "the identifier in the path is [{identifier}], and in the body [{told}]"
        )));
    }
    Ok(profile)
}

/// Deletes what `scope` is, with all that lives in it; false if there is none.
fn delete(platform: &Platform, scope: &Scope) -> bool {
    let is_deleted = platform.account().delete_scope(scope);
    if is_deleted {
        for pipeline in platform.pipelines().delete_within(scope) {
            platform.account().set_references(&pipeline, BTreeSet::new());
        }
    }
    is_deleted
}

/// Whether the query's `searchTerm`, if there is one, is part of the name or the identifier.
fn is_searched(params: &Params, profile: &Profile, identifier: &str) -> bool {
    params
        .get("searchTerm")
        .map(str::to_lowercase)
        .is_none_or(|term| [profile.name.as_str(), identifier].iter().any(|text| text.to_lowercase().contains(&term)))
}

fn organization(identifier: &str, profile: &Profile) -> Value {
    let Profile { name, description, tags, created_at, modified_at, .. } = profile;
    json!({
        "organization": { "identifier": identifier, "name": name, "description": description, "tags": tags },
        "createdAt": epoch_ms(*created_at),
        "lastModifiedAt": epoch_ms(*modified_at),
        "harnessManaged": false,
    })
}

fn project(org: &str, identifier: &str, profile: &Profile) -> Value {
    let Profile { name, description, tags, color, modules, created_at, modified_at } = profile;
    json!({
        "project": {
            "orgIdentifier": org,
            "identifier": identifier,
            "name": name,
            "color": color,
            "modules": modules,
            "description": description,
            "tags": tags,
        },
        "createdAt": epoch_ms(*created_at),
        "lastModifiedAt": epoch_ms(*modified_at),
    })
}

fn no_organization(identifier: &str) -> ApiError {
    not_found(format!("Organization with identifier [{identifier}] not found"))
}

fn no_project(org: &str, identifier: &str) -> ApiError {
    not_found(format!("Project with orgIdentifier [{org}] and identifier [{identifier}] not found"))
}

fn not_found(message: String) -> ApiError {
    ApiError::NotFound { status: StatusCode::NOT_FOUND, message }
}
