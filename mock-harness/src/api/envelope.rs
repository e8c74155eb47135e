//! The envelopes of answers: `ResponseDTO` for success, `ErrorDTO` and `FailureDTO` for failures, and the web framework's own.
//!
//! Source: facts/harness B6; key order as in the samples.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use testbed::diagnostic::Diagnostic;

use crate::{
    account::{FieldError, Refusal},
    config::{InvalidKeyBody, Permission},
};

/// An answer as data. The layer around everything (`exchange`) gives it a correlation id and writes it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// The error code, for the journal.
    pub(crate) code: Option<String>,
}

/// What handlers return.
pub(crate) type Answered = Result<Reply, ApiError>;

/// Why a request is answered with an error.
#[derive(Clone, Debug)]
pub(crate) enum ApiError {
    /// The platform refuses, in its own words.
    Refused(Refusal),
    /// 401: the key is missing, unknown or expired.
    InvalidToken(InvalidKeyBody),
    /// 400: the request names no account.
    NoAccount,
    /// 403: the resource is private, and another's.
    NotAuthorized,
    /// 403: the key may not do this.
    Denied(Box<Denied>),
    /// An `ErrorDTO` with several messages, the last of which is the cause.
    Messages(Box<Messages>),
    /// An answer of the web framework: a body too large, a path or method that is not there.
    Framework { status: StatusCode, message: String },
    /// Not found, with the status that is the caller's to choose.
    NotFound { status: StatusCode, message: String },
}

/// A permission that is missing, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Denied {
    pub(crate) kind: &'static str,
    pub(crate) principal: String,
    pub(crate) permission: Permission,
    pub(crate) account: String,
    pub(crate) scope: crate::account::Scope,
    pub(crate) identifier: Option<String>,
    pub(crate) attributes: Value,
}

/// The messages of an `ErrorDTO`, and its metadata.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    /// Code, level, text.
    pub(crate) messages: Vec<(String, &'static str, String)>,
    pub(crate) metadata: Value,
}

/// 200 with `data`.
pub(crate) fn success(data: Value) -> Reply {
    let mut body = json!({ "status": "SUCCESS", "data": null, "metaData": null, "correlationId": "" });
    // Moved in: the macro copies what it is given.
    body["data"] = data;
    Reply { status: StatusCode::OK, body, code: None }
}

/// 200 with `resource`, in the envelope of the older manager.
pub(crate) fn resource(resource: Value) -> Reply {
    let body = json!({ "metaData": {}, "resource": resource, "responseMessages": [] });
    Reply { status: StatusCode::OK, body, code: None }
}

pub(crate) async fn no_such_path() -> ApiError {
    ApiError::Framework { status: StatusCode::NOT_FOUND, message: String::from("HTTP 404 Not Found") }
}

pub(crate) async fn no_such_method() -> ApiError {
    ApiError::Framework { status: StatusCode::METHOD_NOT_ALLOWED, message: String::from("HTTP 405 Method Not Allowed") }
}

impl ApiError {
    /// 400 `INVALID_REQUEST`.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Refused(Refusal::Invalid(message.into()))
    }

    /// The same for everything that is wrong with a file: each complaint with its place.
    pub(crate) fn complaints(complaints: Vec<Diagnostic>) -> Self {
        let told: Vec<_> = complaints.iter().map(ToString::to_string).collect();
        Self::invalid(told.join("; "))
    }

    /// 503: the platform ends before the answer is known.
    pub(crate) fn stopping() -> Self {
        let message = String::from("HTTP 503 Service Unavailable");
        Self::Framework { status: StatusCode::SERVICE_UNAVAILABLE, message }
    }

    pub(crate) fn into_reply(self) -> Reply {
        match self {
            Self::Refused(refusal) => refused(refusal),
            Self::InvalidToken(body) => invalid_token(body),
            Self::NoAccount => invalid_request("Account detail is not present in the request"),
            Self::NotAuthorized => error(StatusCode::FORBIDDEN, "NG_ACCESS_DENIED", "Not authorized"),
            Self::Denied(denied) => denied.into_reply(),
            Self::Messages(messages) => messages.into_reply(),
            Self::Framework { status, message } => framework(status, &message),
            Self::NotFound { status, message } => {
                failure(status, "RESOURCE_NOT_FOUND_EXCEPTION", &message, Value::Null)
            }
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.into_reply().into_response()
    }
}

fn refused(refusal: Refusal) -> Reply {
    let message = refusal.to_string();
    match refusal {
        Refusal::Unreadable(_) => framework(StatusCode::BAD_REQUEST, &message),
        Refusal::Fields(errors) => {
            let errors: Vec<_> = errors
                .into_iter()
                .map(|FieldError { field, error }| json!({ "fieldId": field, "error": error }))
                .collect();
            failure(StatusCode::BAD_REQUEST, "INVALID_REQUEST", &message, Value::Array(errors))
        }
        Refusal::Invalid(_) => invalid_request(&message),
        Refusal::NotFound(_) => failure(StatusCode::BAD_REQUEST, "RESOURCE_NOT_FOUND_EXCEPTION", &message, Value::Null),
        Refusal::NoConnector(_) => error(StatusCode::BAD_REQUEST, "CONNECTOR_NOT_FOUND_EXCEPTION", &message),
        Refusal::NoEntity(_) => error(StatusCode::NOT_FOUND, "ENTITY_NOT_FOUND", &message),
        Refusal::Duplicate(_) => error(StatusCode::BAD_REQUEST, "DUPLICATE_FIELD", &message),
        Refusal::Referenced(_) => error(StatusCode::BAD_REQUEST, "ENTITY_REFERENCE_EXCEPTION", &message),
    }
}

fn invalid_token(body: InvalidKeyBody) -> Reply {
    const MESSAGE: &str = "Token is not valid.";
    match body {
        InvalidKeyBody::ErrorDto => error(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", MESSAGE),
        InvalidKeyBody::RestResponse => {
            let message = message("INVALID_TOKEN", "ERROR", MESSAGE);
            let body = json!({ "metaData": {}, "resource": null, "responseMessages": [message] });
            Reply { status: StatusCode::UNAUTHORIZED, body, code: Some(String::from("INVALID_TOKEN")) }
        }
    }
}

/// One of the messages of an answer.
fn message(code: &str, level: &str, message: &str) -> Value {
    json!({ "code": code, "level": level, "message": message, "exception": null, "failureTypes": [] })
}

fn invalid_request(message: &str) -> Reply {
    error(StatusCode::BAD_REQUEST, "INVALID_REQUEST", &format!("Invalid request: {message}"))
}

/// An `ErrorDTO` with one message.
fn error(status: StatusCode, code: &str, message: &str) -> Reply {
    let messages = vec![(String::from(code), "ERROR", String::from(message))];
    Reply { status, ..Messages { messages, metadata: Value::Null }.into_reply() }
}

/// A `FailureDTO`.
fn failure(status: StatusCode, code: &str, message: &str, errors: Value) -> Reply {
    let body = json!({ "status": "FAILURE", "code": code, "message": message, "correlationId": "", "errors": errors });
    Reply { status, body, code: Some(String::from(code)) }
}

/// Dropwizard's own body.
fn framework(status: StatusCode, message: &str) -> Reply {
    Reply { status, body: json!({ "code": status.as_u16(), "message": message }), code: None }
}

impl Messages {
    /// `code` and `message` are the first message's. Of the codes used here the last one's status is always 400.
    fn into_reply(self) -> Reply {
        let (code, first) =
            self.messages.first().map(|(code, _, message)| (code.clone(), message.clone())).unwrap_or_default();
        let told = |(code, level, text): &(String, &str, String)| message(code, level, text);
        let body = json!({
            "status": "ERROR",
            "code": code,
            "message": first,
            "correlationId": "",
            "detailedMessage": null,
            "responseMessages": self.messages.iter().map(told).collect::<Vec<_>>(),
            "metadata": self.metadata,
        });
        Reply { status: StatusCode::BAD_REQUEST, body, code: Some(code) }
    }
}

impl Denied {
    fn into_reply(self) -> Reply {
        let Self { kind, principal, permission, account, scope, identifier, attributes } = self;
        let (name, resource) = (permission.name(), permission.resource());
        let on = identifier.as_ref().map(|identifier| format!(" with identifier {identifier}")).unwrap_or_default();
        let body = json!({
            "status": "ERROR",
            "code": "NG_ACCESS_DENIED",
            "message":
                format!("Principal of type {kind} with identifier {principal} : Missing permission {name} on {resource}{on}"),
            "correlationId": null,
            "detailedMessage": null,
            "responseMessages": null,
            "metadata": null,
            "failedPermissionChecks": [{
                "resourceScope": {
                    "accountIdentifier": account,
                    "orgIdentifier": scope.org,
                    "projectIdentifier": scope.project,
                },
                "resourceType": resource.to_ascii_uppercase(),
                "resourceAttributes": attributes,
                "resourceIdentifier": identifier,
                "permission": name,
            }],
        });
        Reply { status: StatusCode::FORBIDDEN, body, code: Some(String::from("NG_ACCESS_DENIED")) }
    }
}
