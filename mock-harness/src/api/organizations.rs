//! `/ng/api/organizations` and `/ng/api/projects`: made, got and listed.
//!
//! The bodies have what the Go SDK's `OrganizationResponse` and `ProjectResponse` have; they are not from the fact sheet.

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
    let profile = profile.ok_or_else(|| not_found(format!("Organization with identifier [{identifier}] not found")))?;
    Ok(success(organization(&identifier, &profile)))
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
    let missing = || not_found(format!("Project with orgIdentifier [{org}] and identifier [{identifier}] not found"));
    Ok(success(project(org, &identifier, &profile.ok_or_else(missing)?)))
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

fn not_found(message: String) -> ApiError {
    ApiError::NotFound { status: StatusCode::NOT_FOUND, message }
}
