//! What a request brings beside its path: the query, and the body.

use axum::extract::{FromRequest, FromRequestParts, Path, Request, rejection::BytesRejection};
use bytes::Bytes;
use http::{StatusCode, Uri, request::Parts};
use serde_json::Value;

use super::envelope::ApiError;
use crate::account::{EntityRef, Refusal, Scope};

/// The query's parameters, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn of(uri: &Uri) -> Self {
        Self(url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// A parameter that is not empty; of one given twice the first counts.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// Every value of a parameter that may be given several times.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, value)| name == key && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn number(&self, key: &str, default: usize) -> usize {
        self.get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    /// The scope that `orgIdentifier` and `projectIdentifier` name.
    pub(crate) fn scope(&self) -> Scope {
        Scope::new(self.get("orgIdentifier"), self.get("projectIdentifier"))
    }

    /// What `identifier` means in the query's scope.
    pub(crate) fn entity(&self, identifier: &str) -> EntityRef {
        EntityRef { scope: self.scope(), identifier: String::from(identifier) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.uri))
    }
}

/// The identifier that ends a path.
pub(crate) struct Identifier(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Identifier {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        // Its bytes, decoded, are no UTF-8.
        let unreadable =
            |_| ApiError::Framework { status: StatusCode::BAD_REQUEST, message: String::from("HTTP 400 Bad Request") };
        found.map(|Path(identifier)| Self(identifier)).map_err(unreadable)
    }
}

/// A request body of bounded size.
pub(crate) struct Body(pub(crate) Bytes);

impl Body {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value, ApiError> {
        let unreadable = |_| ApiError::Refused(Refusal::Unreadable(String::from("Unable to process JSON")));
        serde_json::from_slice(&self.0).map_err(unreadable)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> Result<&str, ApiError> {
        std::str::from_utf8(&self.0).map_err(|_| ApiError::invalid("the body is not UTF-8"))
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection: BytesRejection| {
            let status = rejection.status();
            let message = if status == StatusCode::PAYLOAD_TOO_LARGE {
                String::from("HTTP 413 Request Entity Too Large")
            } else {
                rejection.body_text()
            };
            ApiError::Framework { status, message }
        })
    }
}
