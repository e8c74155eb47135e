//! The log service: lines of *Initialize* and of steps, by their keys.
//!
//! A key is `<account>/pipeline/<pipeline>/<run>/-<execution>/<stage>/<step>`; the graph tells it as `logBaseKey`. Logs are
//! asked for by the beginning of their keys: the answer is a link to a ZIP archive with a file for each, of one JSON object a
//! line. The link needs no key of the API, as the signed ones of the real service; ours leads back to this platform. The
//! service's own tokens are not needed: it takes keys of the API.
//!
//! Source: docs "Download execution logs"; harness/mcp-server (paths, `link` and `status`); harness/lite-engine (`/blob`).

use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use testbed::Seed;

use super::{
    auth::Caller,
    envelope::{ApiError, Reply},
    execution_body::log_key,
    params::Params,
    zip::zip,
};
use crate::{
    execution::ndjson,
    platform::{Platform, entity_id},
};

/// `POST /log-service/blob/download?accountID=&prefix=`: `{link, status}`.
pub(super) async fn download(
    State(platform): State<Platform>,
    _: Caller,
    params: Params,
    headers: HeaderMap,
) -> Result<Reply, ApiError> {
    let prefix = params.get("prefix").ok_or_else(|| ApiError::invalid("prefix is required"))?;
    let body = if find(&platform, prefix).is_empty() {
        json!({ "link": "", "status": "error", "message": format!("no logs were found for the prefix {prefix}") })
    } else {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("prefix", prefix)
            .append_pair("signature", &signature(platform.seed(), prefix))
            .finish();
        json!({ "link": format!("http://{host}/gateway/log-service/storage/logs.zip?{query}"), "status": "success" })
    };
    Ok(Reply { status: StatusCode::OK, body, code: None })
}

/// `GET /log-service/storage/logs.zip`: what a link leads to.
pub(super) async fn archive(State(platform): State<Platform>, params: Params) -> Result<Response, ApiError> {
    let prefix = params.get("prefix").unwrap_or_default();
    if params.get("signature") != Some(signature(platform.seed(), prefix).as_str()) {
        return Err(ApiError::Framework { status: StatusCode::FORBIDDEN, message: String::from("HTTP 403 Forbidden") });
    }
    let files: Vec<_> = find(&platform, prefix).into_iter().map(|(key, log)| (key, log.into_bytes())).collect();
    Ok(bytes("application/zip", zip(&files)))
}

/// `GET /log-service/blob?accountID=&key=`: one log, of one JSON object a line.
pub(super) async fn blob(State(platform): State<Platform>, _: Caller, params: Params) -> Result<Response, ApiError> {
    let key = params.get("key").unwrap_or_default();
    let found = find(&platform, key).into_iter().find(|(found, _)| found == key);
    let (_, log) = found.ok_or_else(|| {
        let message = String::from("HTTP 404 Not Found");
        ApiError::Framework { status: StatusCode::NOT_FOUND, message }
    })?;
    Ok(bytes("application/x-ndjson", log.into_bytes()))
}

/// The logs whose keys begin with `prefix`.
fn find(platform: &Platform, prefix: &str) -> Vec<(String, String)> {
    // A key without an execution would lead to everybody's logs.
    let execution = prefix.split('/').find_map(|part| part.strip_prefix('-'));
    let Some(execution) = execution.and_then(|id| platform.executions().get(id)) else { return Vec::new() };
    let account = platform.account().identifier();
    let logs = execution.stages.iter().flat_map(|stage| stage.steps.iter().map(move |step| (stage, step)));
    let keyed = logs.map(|(stage, step)| (log_key(account, &execution, stage, step), ndjson(&step.log)));
    keyed.filter(|(key, log)| key.starts_with(prefix) && !log.is_empty()).collect()
}

/// What makes a link good for one prefix.
fn signature(seed: Seed, prefix: &str) -> String {
    entity_id(seed.child(&format!("link to logs {prefix}")))
}

fn bytes(kind: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(axum::body::Body::empty());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    *response.body_mut() = axum::body::Body::from(bytes);
    response
}
