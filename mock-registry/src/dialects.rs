//! Answers in the dialect of a real registry, on their way to the wire.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use oci::ErrorCode;
use testbed::{
    dialect::{self, Composed, Facts},
    server::RawAnswer,
};

use crate::error::AnsweredError;

/// The answer in the dialect called `name`. A limit's dialect is looked up when its configuration is checked, so the plainest
/// stands in for none.
pub(crate) fn compose(name: &str, facts: &Facts) -> Response {
    let Some(dialect) = dialect::find(name).or_else(|| dialect::find("oci")) else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        return response;
    };
    let Composed { status, headers, body, raw } = dialect.compose(facts);
    let code = oci::ErrorBody::parse(&body).and_then(|body| body.first().map(|entry| entry.code.clone()));
    let code = code.or(match status {
        401 => Some(ErrorCode::Unauthorized),
        403 => Some(ErrorCode::Denied),
        429 => Some(ErrorCode::TooManyRequests),
        _ => None,
    });
    let mut response = Response::new(if raw { Body::empty() } else { Body::from(body.clone()) });
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    if raw {
        response.extensions_mut().insert(RawAnswer(body));
    }
    if let Some(code) = code {
        response.extensions_mut().insert(AnsweredError(code));
    }
    if !is_json(&response) {
        response.extensions_mut().insert(FromOutside);
    }
    response
}

fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.contains("json"))
}

/// Left on an answer that is not the registry's own, but of what stands in front of it, as a load balancer: the registry's
/// headers are not on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FromOutside;
