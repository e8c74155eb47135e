//! Delegates: which there are, and which selectors they have.
//!
//! Source: facts/harness C. `listDelegates` is cut down to what this mock knows.

use std::collections::BTreeSet;

use axum::extract::State;
use http::StatusCode;
use serde_json::json;

use super::{
    auth::Caller,
    envelope::{Answered, Reply, success},
};
use crate::platform::Platform;

/// `POST /ng/api/delegate-setup/listDelegates`.
pub(super) async fn list(State(platform): State<Platform>, _: Caller) -> Answered {
    let delegates: Vec<_> = platform
        .account()
        .delegates()
        .iter()
        .map(|delegate| {
            json!({
                "type": "KUBERNETES",
                "name": delegate.name,
                "description": null,
                "tags": delegate.tags,
                "connected": delegate.connected,
                "orgIdentifier": delegate.owner.org,
                "projectIdentifier": delegate.owner.project,
            })
        })
        .collect();
    Ok(success(json!(delegates)))
}

/// `GET /setup/delegates/delegate-selectors`: in the older envelope, with and without `/api` in front.
pub(super) async fn selectors(State(platform): State<Platform>, _: Caller) -> Answered {
    let selectors: BTreeSet<_> = platform
        .account()
        .delegates()
        .into_iter()
        .filter(|delegate| delegate.connected)
        .flat_map(|delegate| delegate.tags)
        .collect();
    let body = json!({ "metaData": {}, "resource": selectors, "responseMessages": [] });
    Ok(Reply { status: StatusCode::OK, body, code: None })
}
