//! What is known of the types of connectors: `catalogue`, `fieldValues`.
//!
//! Source: facts/harness B2; the shapes from the Go SDK's `ConnectorCatalogueResponse` and `FieldValues`, the values from the
//! server of December 2023.

use axum::extract::State;
use serde_json::{Value, json};

use super::{
    auth::Caller,
    envelope::{Answered, success},
    params::Params,
};
use crate::{
    account::{FieldErrors, Refusal, catalogue, category},
    platform::Platform,
};

const NEW_RELIC: [&str; 2] = ["https://insights-api.newrelic.com/", "https://insights-api.eu.newrelic.com/"];
const SUMO_LOGIC: [&str; 9] = [
    "https://api.us2.sumologic.com/",
    "https://api.sumologic.com/",
    "https://api.in.sumologic.com/",
    "https://api.jp.sumologic.com/",
    "https://api.fed.sumologic.com/",
    "https://api.eu.sumologic.com/",
    "https://api.de.sumologic.com/",
    "https://api.ca.sumologic.com/",
    "https://api.au.sumologic.com/",
];

/// `GET /ng/api/connectors/catalogue`: each category with its types.
pub(super) async fn list_catalogue(State(_): State<Platform>, _: Caller) -> Answered {
    let entry = |(category, connectors): (&str, Vec<&str>)| json!({ "category": category, "connectors": connectors });
    Ok(success(json!({ "catalogue": catalogue().into_iter().map(entry).collect::<Vec<_>>() })))
}

/// `GET /ng/api/connectors/fieldValues?connectorType=`: the values that a field of such a connector may have, where the
/// platform knows them; else no data.
pub(super) async fn field_values(State(_): State<Platform>, _: Caller, params: Params) -> Answered {
    let Some(kind) = params.get("connectorType") else {
        let mut errors = FieldErrors::default();
        errors.add("connectorType", "must not be null");
        errors.finish()?;
        return Ok(success(Value::Null));
    };
    if category(kind).is_none() {
        let message = String::from("query param connectorType must be one of the known values");
        return Err(Refusal::Unreadable(message).into());
    }
    let urls: &[&str] = match kind {
        "NewRelic" => &NEW_RELIC,
        "SumoLogic" => &SUMO_LOGIC,
        _ => return Ok(success(Value::Null)),
    };
    Ok(success(json!({ "fieldValues": { "url": urls } })))
}
