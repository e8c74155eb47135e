//! `/ng/api/v2/secrets`: secrets of all types. Their values come in and never go out.
//!
//! Source: facts/harness D; paths, parameters and what it leaves open from the server's `NGSecretResourceV2`, December 2023.

use std::{cmp::Ordering, sync::Arc};

use axum::extract::State;
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use testbed::{Secret, diagnostic::Source, yaml};

use super::{
    auth::Caller,
    envelope::{Answered, ApiError, success},
    multipart::read_parts,
    page::{PageSize, page},
    params::{Body, Identifier, Params},
};
use crate::{
    account::{
        EntityRef, Refusal, Scope, SecretDraft, SecretSpec, StoredSecret, secret_not_found, text, texts, unreadable,
    },
    config::Permission,
    platform::{Platform, epoch_ms},
};

/// `POST /ng/api/v2/secrets`; with `privateSecret=true` it is its maker's alone.
///
/// # Errors
/// In this order: fields, scope of body and query, permission, value, organisation and project, duplicate.
pub(super) async fn create(State(platform): State<Platform>, caller: Caller, params: Params, body: Body) -> Answered {
    let draft = draft_to_create(&caller, &params, &body.json()?)?;
    answer(platform.account().create_secret(draft, platform.clock().now()))
}

/// `POST /ng/api/v2/secrets/yaml`: a text cannot have its value there, and stays a draft.
pub(super) async fn create_of_yaml(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    body: Body,
) -> Answered {
    let draft = draft_to_create(&caller, &params, &read_yaml(&body)?)?;
    answer(platform.account().create_secret_of_yaml(draft, platform.clock().now()))
}

/// `POST /ng/api/v2/secrets/files`, `multipart/form-data` with the parts `spec`, which is a body of a create, and `file`.
pub(super) async fn create_file(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let (spec, content) = read_upload(&headers, &body)?;
    let mut draft = draft_to_create(&caller, &params, &spec)?;
    draft.spec = with_content(draft.spec, content)?;
    answer(platform.account().create_secret(draft, platform.clock().now()))
}

/// `PUT /ng/api/v2/secrets/{identifier}`; without a value the old one stays.
///
/// # Errors
/// In this order: fields, permission, value, missing, what cannot change.
pub(super) async fn update(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    let draft = SecretDraft::read(&body.json()?)?;
    let reference = params.entity(&identifier);
    require(&platform, &caller, Permission::SecretEdit, &reference)?;
    answer(platform.account().update_secret(&reference, draft, platform.clock().now()))
}

/// `PUT /ng/api/v2/secrets/{identifier}/yaml`.
pub(super) async fn update_of_yaml(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    body: Body,
) -> Answered {
    let draft = SecretDraft::read(&read_yaml(&body)?)?;
    let reference = params.entity(&identifier);
    require(&platform, &caller, Permission::SecretEdit, &reference)?;
    answer(platform.account().update_secret_of_yaml(&reference, draft, platform.clock().now()))
}

/// `PUT /ng/api/v2/secrets/files/{identifier}`; without a part `file` the old content stays.
pub(super) async fn update_file(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let (spec, content) = read_upload(&headers, &body)?;
    let mut draft = SecretDraft::read(&spec)?;
    draft.spec = with_content(draft.spec, content)?;
    let reference = params.entity(&identifier);
    require(&platform, &caller, Permission::SecretEdit, &reference)?;
    answer(platform.account().update_secret(&reference, draft, platform.clock().now()))
}

/// `GET /ng/api/v2/secrets/{identifier}`.
pub(super) async fn get(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    require(&platform, &caller, Permission::SecretView, &reference)?;
    let secret = platform.account().secret(&reference);
    let secret = secret.ok_or_else(|| Refusal::NotFound(secret_not_found(&identifier)))?;
    Ok(success(secret_data(&secret)))
}

/// `DELETE /ng/api/v2/secrets/{identifier}?forceDelete=`: data `true`.
pub(super) async fn delete(
    State(platform): State<Platform>,
    caller: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    let reference = params.entity(&identifier);
    require(&platform, &caller, Permission::SecretDelete, &reference)?;
    platform.account().delete_unused_secret(&reference, params.flag("forceDelete"))?;
    Ok(success(Value::Bool(true)))
}

/// `GET /ng/api/v2/secrets/validateUniqueIdentifier/{identifier}`: whether the identifier is free.
pub(super) async fn validate_unique_identifier(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    Identifier(identifier): Identifier,
) -> Answered {
    Ok(success(Value::Bool(platform.account().secret(&params.entity(&identifier)).is_none())))
}

/// `POST /ng/api/v2/secrets/validate?identifier=`: whether a host can be logged in to with the secret. There is no such host in
/// this world, and texts and files are not validated by the real platform either.
pub(super) async fn validate(State(platform): State<Platform>, caller: Caller, params: Params, body: Body) -> Answered {
    if !body.json()?.is_object() {
        return Err(unreadable().into());
    }
    let reference = params.entity(params.get("identifier").unwrap_or_default());
    require(&platform, &caller, Permission::SecretAccess, &reference)?;
    Ok(success(json!({ "success": false, "message": "Validation failed." })))
}

/// `POST /ng/api/v2/secrets/list`, with the filter in the body: `identifiers`, `secretTypes`, `searchTerm`,
/// `includeAllSecretsAccessibleAtScope`, `includeSecretsFromEverySubScope`.
pub(super) async fn list(State(platform): State<Platform>, caller: Caller, params: Params, body: Body) -> Answered {
    let body = if body.0.is_empty() { json!({}) } else { body.json()? };
    let body = body.as_object().ok_or_else(unreadable)?;
    let flag = |field: &str| body.get(field).and_then(Value::as_bool).unwrap_or(false);
    let filter = Filter {
        identifiers: texts(body, "identifiers")?,
        types: texts(body, "secretTypes")?,
        term: text(body, "searchTerm")?.unwrap_or_default().to_lowercase(),
        above: flag("includeAllSecretsAccessibleAtScope"),
        below: flag("includeSecretsFromEverySubScope"),
        managers: params.all("secretManagerIdentifiers").map(String::from).collect(),
    };
    list_page(&platform, &caller, &params, &filter)
}

/// `GET /ng/api/v2/secrets`: the older list, with the filter in the query.
pub(super) async fn list_of_query(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    let all = |name: &'static str| params.all(name).map(String::from);
    let filter = Filter {
        identifiers: all("identifiers").collect(),
        types: all("types").chain(all("type")).collect(),
        term: params.get("searchTerm").unwrap_or_default().to_lowercase(),
        above: params.flag("includeAllSecretsAccessibleAtScope"),
        below: params.flag("includeSecretsFromEverySubScope"),
        managers: all("secretManagerIdentifiers").collect(),
    };
    list_page(&platform, &caller, &params, &filter)
}

struct Filter {
    identifiers: Vec<String>,
    types: Vec<String>,
    /// In lower case.
    term: String,
    above: bool,
    below: bool,
    managers: Vec<String>,
}

impl Filter {
    fn admits(&self, secret: &StoredSecret, scope: &Scope) -> bool {
        let SecretDraft { scope: own, identifier, name, tags, spec, owner, .. } = &secret.draft;
        let names = |wanted: &[String], is: &str| wanted.is_empty() || wanted.iter().any(|value| value == is);
        let has_term = |text: &str| text.to_lowercase().contains(&self.term);
        let is_managed = || {
            let manager = spec.manager().unwrap_or_default();
            let mut wanted = self.managers.iter().map(|wanted| wanted.rsplit('.').next().unwrap_or(wanted));
            self.managers.is_empty() || wanted.any(|wanted| wanted == manager)
        };
        // Private ones are in no list.
        owner.is_none()
            && (own == scope || (self.above && is_above(own, scope)) || (self.below && is_above(scope, own)))
            && names(&self.identifiers, identifier)
            && names(&self.types, spec.kind())
            && is_managed()
            && (has_term(name)
                || has_term(identifier)
                || tags.iter().any(|(key, value)| has_term(key) || value.as_str().is_some_and(has_term)))
    }
}

/// Whether `scope` is one of those that `inner` is in.
fn is_above(scope: &Scope, inner: &Scope) -> bool {
    match (&scope.org, &scope.project) {
        (None, _) => inner.org.is_some(),
        (org, None) => *org == inner.org && inner.project.is_some(),
        _ => false,
    }
}

fn list_page(platform: &Platform, caller: &Caller, params: &Params, filter: &Filter) -> Answered {
    let scope = params.scope();
    let sees_all = caller.may(Permission::SecretView, &scope, None);
    let may_see = |secret: &StoredSecret| {
        let SecretDraft { scope, identifier, .. } = &secret.draft;
        sees_all || caller.may(Permission::SecretView, scope, Some(identifier))
    };
    let mut found = platform.account().secrets(|secret| filter.admits(secret, &scope) && may_see(secret));
    if found.is_empty() {
        caller.require(Permission::SecretView, &scope, None, Value::Null)?;
    }
    let orders: Vec<_> = params.all("sortOrders").collect();
    found.sort_by(|a, b| compare(&orders, a, b));
    Ok(success(page(&found, params, PageSize::USUAL, |secret| secret_data(secret))))
}

/// As `sortOrders` ask for (`name,ASC`); else, and among equals, the last changed first.
fn compare(orders: &[&str], a: &StoredSecret, b: &StoredSecret) -> Ordering {
    let by = |order: &&str| {
        let (field, direction) = order.split_once(',').unwrap_or((order, "DESC"));
        let compared = match field.trim() {
            "name" => a.draft.name.cmp(&b.draft.name),
            "identifier" => a.draft.identifier.cmp(&b.draft.identifier),
            "type" => a.draft.spec.kind().cmp(b.draft.spec.kind()),
            "createdAt" => a.created_at.cmp(&b.created_at),
            "lastModifiedAt" => a.revision.cmp(&b.revision),
            _ => Ordering::Equal,
        };
        if direction.trim().eq_ignore_ascii_case("ASC") { compared } else { compared.reverse() }
    };
    orders.iter().map(by).find(|compared| compared.is_ne()).unwrap_or_else(|| b.revision.cmp(&a.revision))
}

fn draft_to_create(caller: &Caller, params: &Params, body: &Value) -> Result<SecretDraft, ApiError> {
    let mut draft = SecretDraft::read(body)?;
    draft.check_scope(&params.scope())?;
    if params.flag("privateSecret") {
        // Nobody needs a permission for what is one's own.
        draft.owner = Some(caller.owner());
    } else {
        caller.require(Permission::SecretEdit, &draft.scope, None, Value::Null)?;
    }
    Ok(draft)
}

/// A private secret is its owner's alone; for others the permission counts.
fn require(
    platform: &Platform,
    caller: &Caller,
    permission: Permission,
    reference: &EntityRef,
) -> Result<(), ApiError> {
    let secret: Option<Arc<StoredSecret>> = platform.account().secret(reference);
    match secret.as_ref().and_then(|secret| secret.draft.owner.as_ref()) {
        Some(owner) if *owner == caller.owner() => Ok(()),
        Some(_) => Err(ApiError::NotAuthorized),
        None => caller.require(permission, &reference.scope, Some(&reference.identifier), Value::Null),
    }
}

fn read_yaml(body: &Body) -> Result<Value, ApiError> {
    let source = Source::new("secret.yaml", body.text()?);
    // What is wrong with it is not told: a value might be in it.
    yaml::from_str::<Map<String, Value>>(&source).map(Value::Object).map_err(|_| unreadable().into())
}

/// The parts `spec` and `file` of an upload.
fn read_upload(headers: &HeaderMap, body: &Body) -> Result<(Value, Option<Secret>), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parts = read_parts(kind, &body.0).ok_or_else(unreadable)?;
    let spec = parts.get("spec").ok_or_else(unreadable)?;
    let spec = serde_json::from_slice(spec).map_err(|_| unreadable())?;
    Ok((spec, parts.get("file").map(|content| Secret::new(String::from_utf8_lossy(content)))))
}

fn with_content(spec: SecretSpec, content: Option<Secret>) -> Result<SecretSpec, ApiError> {
    match spec {
        SecretSpec::File { manager, metadata, .. } => Ok(SecretSpec::File { manager, content, metadata }),
        _ => Err(unreadable().into()),
    }
}

fn answer(kept: Result<Arc<StoredSecret>, Refusal>) -> Answered {
    Ok(success(secret_data(&*kept?)))
}

fn secret_data(secret: &StoredSecret) -> Value {
    let StoredSecret { draft, created_at, updated_at, is_draft, .. } = secret;
    let SecretDraft { scope, identifier, name, description, tags, spec, owner: _ } = draft;
    json!({
        "secret": {
            "type": spec.kind(),
            "name": name,
            "identifier": identifier,
            "orgIdentifier": scope.org,
            "projectIdentifier": scope.project,
            "tags": tags,
            "description": description,
            "spec": spec_data(spec),
        },
        "createdAt": epoch_ms(*created_at),
        "updatedAt": epoch_ms(*updated_at),
        "draft": is_draft,
        "governanceMetadata": null,
    })
}

fn spec_data(spec: &SecretSpec) -> Value {
    match spec {
        SecretSpec::Text { manager, value_type, value: _, metadata } => json!({
            "secretManagerIdentifier": manager,
            "valueType": value_type,
            "value": null,
            "additionalMetadata": metadata,
        }),
        SecretSpec::File { manager, content: _, metadata } => {
            json!({ "secretManagerIdentifier": manager, "additionalMetadata": metadata })
        }
        SecretSpec::Other { spec, .. } => spec.clone(),
    }
}
