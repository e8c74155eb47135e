//! `GET /v2/`: the version check, and what a connection test of Harness asks first.

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};

/// `GET|HEAD /v2/`: 200 with an empty JSON object, which a test that expects JSON can read.
///
/// Source: distribution-spec, "Determining Support"; facts/harness B7.
pub(super) fn get_ping() -> Response {
    let mut response = Response::new(Body::from("{}"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("2"));
    response
}
