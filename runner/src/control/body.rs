//! Bodies: read within bounds, complained about by field, written as JSON.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Query, Request},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::error::ApiError;

/// The largest body of a request, in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The body as a value. An extractor, because what cannot be read must not reach a handler.
pub(super) struct Read<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Read<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = collect(request.into_body(), MAX_BODY_BYTES).await?;
        parse(&bytes).map(Self)
    }
}

/// The query as a value.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                Err(ApiError::bad("wrong-query", cause.unwrap_or_else(|| error.to_string())))
            }
        }
    }
}

/// The whole of `body`, if it has at most `max_bytes`.
///
/// # Errors
/// 413: it has more. 400: it does not end.
pub(super) async fn collect(body: Body, max_bytes: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, max_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the body has more than {max_bytes} bytes");
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message).hint("send it in parts"))
        }
        Err(error) => Err(ApiError::bad("no-body", format!("the body did not arrive: {error}"))),
    }
}

/// A value from JSON.
///
/// # Errors
/// 400: it is no JSON. 422: it is not what is asked for.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let value = serde_json::from_slice(bytes).map_err(|error| {
        let hint = match bytes {
            [] => "send a JSON value",
            _ => "the body is read as JSON, whatever its type is said to be",
        };
        ApiError::bad("no-json", format!("the body is no JSON: {error}")).hint(hint)
    })?;
    understand(value)
}

/// A value that JSON says; a complaint names the field.
///
/// # Errors
/// 422: it is not what is asked for.
pub(super) fn understand<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        // What is wrong with a password may show it.
        let message = match path.rsplit('.').next() {
            Some("password") => String::from("this is no text"),
            _ => error.into_inner().to_string(),
        };
        let complaint = ApiError::wrong("wrong-body", message);
        if path == "." { complaint } else { complaint.below(&path) }
    })
}

/// An answer in JSON, with a newline at its end for terminals.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 200 in JSON.
pub(super) fn ok(value: &impl Serialize) -> Response {
    json(StatusCode::OK, value)
}
