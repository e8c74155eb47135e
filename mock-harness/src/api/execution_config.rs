//! `/ci/execution-config`: which images Harness's own steps and containers run.
//!
//! Source: facts/harness A9; which images count as deprecated, from the server of December 2023.

use std::collections::BTreeMap;

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::{
    auth::Caller,
    envelope::{Answered, ApiError, success},
    params::{Body, Params},
};
use crate::{
    account::{FieldErrors, Scope, text, unreadable},
    config::Permission,
    platform::Platform,
    resolve::InternalImages,
};

/// The fields in the order of the API. Source: facts/harness A9.
const FIELDS: [&str; 20] = [
    "addonTag",
    "liteEngineTag",
    "gitCloneTag",
    "buildAndPushDockerRegistryTag",
    "buildAndPushECRTag",
    "buildAndPushACRTag",
    "buildAndPushGCRTag",
    "buildAndPushGARTag",
    "gcsUploadTag",
    "s3UploadTag",
    "artifactoryUploadTag",
    "cacheGCSTag",
    "cacheS3Tag",
    "securityTag",
    "sscaOrchestrationTag",
    "sscaEnforcementTag",
    "provenanceTag",
    "provenanceGcrTag",
    "slsaVerificationTag",
    "slsaVerificationGcrTag",
];

/// `GET /ci/execution-config/get-default-config?infra=`: the images of the platform.
pub(super) async fn get_default(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    view(&caller)?;
    let kubernetes = infrastructure(&params)?;
    Ok(success(complete(&platform, &platform.account().platform_images(), kubernetes)))
}

/// `GET /ci/execution-config/get-customer-config?infra=&overridesOnly=`: the images that are set for the account; with
/// `overridesOnly=false` the platform's too, where none is set.
pub(super) async fn get_of_account(State(platform): State<Platform>, caller: Caller, params: Params) -> Answered {
    view(&caller)?;
    let kubernetes = infrastructure(&params)?;
    if params.get("overridesOnly").is_some_and(|value| !value.eq_ignore_ascii_case("true")) {
        return Ok(success(complete(&platform, &platform.account().image_overrides(kubernetes), kubernetes)));
    }
    Ok(success(in_order(&platform.account().account_images(kubernetes))))
}

/// `POST /ci/execution-config/update-config?infra=`, body `[{"field", "value"}]`: data `true`.
pub(super) async fn update(State(platform): State<Platform>, caller: Caller, params: Params, body: Body) -> Answered {
    edit(&caller)?;
    let (kubernetes, changes) = (infrastructure(&params)?, read_changes(&body)?);
    platform.account().set_images(kubernetes, changes)?;
    Ok(success(Value::Bool(true)))
}

/// `POST /ci/execution-config/reset-config?infra=`, body `[{"field"}]`: data `true`.
pub(super) async fn reset(State(platform): State<Platform>, caller: Caller, params: Params, body: Body) -> Answered {
    edit(&caller)?;
    let (kubernetes, changes) = (infrastructure(&params)?, read_changes(&body)?);
    let changes = changes.into_iter().map(|(field, _)| (field, None)).collect();
    platform.account().set_images(kubernetes, changes)?;
    Ok(success(Value::Bool(true)))
}

/// `DELETE /ci/execution-config`: nothing is set for the account any more; data `true`.
pub(super) async fn delete(State(platform): State<Platform>, caller: Caller) -> Answered {
    edit(&caller)?;
    platform.account().clear_images();
    Ok(success(Value::Bool(true)))
}

/// `GET /ci/execution-config`: which of addon and lite-engine the account has set to an image more than two minor versions
/// older than the platform's.
pub(super) async fn list_deprecated(State(platform): State<Platform>, caller: Caller) -> Answered {
    view(&caller)?;
    let old = |set: (u64, u64), newest: (u64, u64)| newest.0 > set.0 || (newest.0 == set.0 && newest.1 > set.1 + 2);
    let entry = |(field, image): (&str, String)| {
        let tag = if field == "addonTag" { "AddonImage" } else { "LiteEngineImage" };
        json!({ "tag": tag, "version": image })
    };
    Ok(success(deprecated(&platform, old).map(entry).collect()))
}

/// `GET /ci/execution-config/get-deprecated-config`: the same for those of an older major version.
pub(super) async fn get_deprecated(State(platform): State<Platform>, caller: Caller) -> Answered {
    view(&caller)?;
    let found = deprecated(&platform, |set, newest| newest.0 > set.0);
    Ok(success(found.map(|(field, image)| (String::from(field), Value::String(image))).collect::<Map<_, _>>().into()))
}

fn view(caller: &Caller) -> Result<(), ApiError> {
    caller.require(Permission::AccountView, &Scope::account(), None, Value::Null)
}

fn edit(caller: &Caller) -> Result<(), ApiError> {
    caller.require(Permission::AccountEdit, &Scope::account(), None, Value::Null)
}

/// Whether `infra` means Kubernetes.
fn infrastructure(params: &Params) -> Result<bool, ApiError> {
    match params.get("infra") {
        Some("K8") => Ok(true),
        Some("VM") => Ok(false),
        Some(other) => Err(ApiError::invalid(format!("Config not supported for infra type: {other}"))),
        None => {
            let mut errors = FieldErrors::default();
            errors.add("infra", "must not be null");
            errors.finish()?;
            Ok(true)
        }
    }
}

fn read_changes(body: &Body) -> Result<Vec<(String, Option<String>)>, ApiError> {
    let Value::Array(changes) = body.json()? else { return Err(unreadable().into()) };
    let read = |change: &Value| {
        let change = change.as_object().ok_or_else(unreadable)?;
        Ok((text(change, "field")?.unwrap_or_default(), text(change, "value")?))
    };
    changes.iter().map(read).collect()
}

/// Every field of an infrastructure with its image, `images` over the platform's.
fn complete(platform: &Platform, images: &BTreeMap<String, String>, kubernetes: bool) -> Value {
    let mut all = InternalImages::defaults(platform.account().world(), kubernetes).clone();
    for (field, image) in &mut all {
        if let Some(set) = images.get(field) {
            image.clone_from(set);
        }
    }
    in_order(&all)
}

/// The images in the API's order of fields; fields of newer servers come last.
fn in_order(images: &BTreeMap<String, String>) -> Value {
    let place = |field: &str| FIELDS.iter().position(|name| *name == field).unwrap_or(FIELDS.len());
    let mut sorted: Vec<_> = images.iter().collect();
    sorted.sort_by_key(|(field, _)| place(field));
    sorted.into_iter().map(|(field, image)| (field.clone(), Value::from(image.as_str()))).collect::<Map<_, _>>().into()
}

/// Of addon and lite-engine, what the account has set to a version that is `old` beside the platform's. Tags that are no
/// versions are not judged.
fn deprecated(
    platform: &Platform,
    old: impl Fn((u64, u64), (u64, u64)) -> bool,
) -> impl Iterator<Item = (&'static str, String)> {
    let account = platform.account();
    let (set, platforms) = (account.account_images(true), account.platform_images());
    let defaults = InternalImages::defaults(account.world(), true);
    ["addonTag", "liteEngineTag"].into_iter().filter_map(move |field| {
        let newest = platforms.get(field).or_else(|| defaults.get(field))?;
        let image = set.get(field)?;
        old(version(image)?, version(newest)?).then(|| (field, image.clone()))
    })
}

/// Major and minor version of an image's tag.
fn version(image: &str) -> Option<(u64, u64)> {
    let (_, tag) = image.rsplit_once(':')?;
    let mut parts = tag.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
