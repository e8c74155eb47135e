//! Everything that a registry refuses, and the one place where a refusal becomes an answer.
//!
//! Source: distribution-spec, "Error Codes"; facts/registry A2 (401), A7 (429), D3.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use oci::{
    AccountName, Challenge, ContentRange, Digest, EndpointError, ErrorBody, ErrorCode, ErrorEntry, ManifestError,
    Reference, RepositoryName, Scope,
};
use serde_json::{Value, json};
use thiserror::Error;

/// Why a request is refused.
#[derive(Debug, Error)]
pub(crate) enum RegistryError {
    #[error(transparent)]
    Path(#[from] EndpointError),
    #[error("{method} is not a method of this endpoint")]
    Method { method: http::Method, allowed: &'static str },
    #[error("authentication required")]
    Unauthorized { challenge: Box<Challenge>, needed: Option<Box<Scope>> },
    #[error("incorrect username or password")]
    WrongCredentials,
    #[error("token request is malformed: {reason}")]
    TokenRequest { reason: &'static str },
    #[error("pull limit reached")]
    TooManyPulls { account: Option<AccountName>, token: Option<String> },
    #[error("no repository {0}")]
    NameUnknown(String),
    #[error("no manifest {0}")]
    ManifestUnknown(Reference),
    #[error("{kind} found, but accept header does not support {kind}s")]
    NotAccepted { kind: &'static str },
    #[error("no blob {0}")]
    BlobUnknown(Digest),
    #[error("range starts behind the {size_bytes} bytes of the blob")]
    Range { size_bytes: u64 },
    #[error("`n` is not a number of results: {0}")]
    Pagination(String),
    #[error("this registry takes no pushes")]
    PushUnsupported,
    #[error("pushing is not allowed to {0}")]
    PushDenied(String),
    #[error("no such upload")]
    UploadUnknown,
    #[error("{max} uploads are open; finish or cancel one")]
    TooManyUploads { max: usize },
    #[error("chunk starts at {start}, and {expected} is next")]
    ChunkOrder { start: u64, expected: u64 },
    #[error("chunk range is not `start-end`, or not as long as the chunk")]
    ChunkRange,
    #[error("blob is larger than {max_bytes} bytes")]
    BlobTooLarge { max_bytes: u64 },
    #[error("everything that was pushed is together larger than {max_bytes} bytes")]
    NoRoom { max_bytes: u64 },
    #[error("the Host header is not a host name")]
    HostInvalid,
    #[error("body ended before it was complete")]
    BodyBroken,
    #[error("no digest, or a malformed one: {0}")]
    DigestInvalid(String),
    #[error("digest mismatch: the client says {expected}, the content is {actual}")]
    DigestMismatch { expected: Digest, actual: Digest },
    #[error("manifest is larger than {} bytes", oci::MAX_MANIFEST_BYTES)]
    ManifestTooLarge,
    #[error("manifest is invalid")]
    ManifestInvalid(#[from] ManifestError),
    #[error("manifest names content that is not here")]
    ManifestBlobsUnknown(Vec<Digest>),
}

/// The code of an answer's error, left on the response for the journal.
#[derive(Clone, Debug)]
pub(crate) struct AnsweredError(pub(crate) ErrorCode);

/// The texts of Docker Hub's 429. Source: facts/registry A7.
mod hub {
    pub(super) const ANONYMOUS: &str =
        "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit";
    /// The text of 2020 to 2025, used where there is an account and no token that could be named.
    pub(super) const ACCOUNT_WITHOUT_TOKEN: &str = "You have reached your pull rate limit. You may increase the limit by \
         authenticating and upgrading: https://www.docker.com/increase-rate-limit";

    pub(super) fn account(name: &str, token: &str) -> String {
        format!(
            "You have reached your pull rate limit as '{name}': {token}. You may increase the limit by upgrading. \
             https://www.docker.com/increase-rate-limit"
        )
    }
}

impl RegistryError {
    pub(crate) fn of_repository(name: &RepositoryName) -> Self {
        Self::NameUnknown(name.to_string())
    }

    fn entry(&self) -> ErrorEntry {
        let with = |code: ErrorCode, detail: Value| ErrorEntry::new(code).with_detail(detail);
        let told = |code: ErrorCode| ErrorEntry::new(code).with_message(self.to_string());
        match self {
            Self::Path(error) => told(error.code()),
            Self::Method { .. } => ErrorEntry::new(ErrorCode::Unsupported),
            // Without a resource the reference registry sends `null`.
            Self::Unauthorized { needed, .. } => {
                with(ErrorCode::Unauthorized, needed.as_deref().map_or(Value::Null, compose_access_detail))
            }
            Self::WrongCredentials => told(ErrorCode::Unauthorized),
            Self::TokenRequest { .. } | Self::HostInvalid => told(ErrorCode::Unsupported),
            Self::TooManyPulls { account, token } => {
                ErrorEntry::new(ErrorCode::TooManyRequests).with_message(match (account, token) {
                    (None, _) => hub::ANONYMOUS.to_owned(),
                    (Some(_), None) => hub::ACCOUNT_WITHOUT_TOKEN.to_owned(),
                    (Some(name), Some(token)) => hub::account(name.as_str(), token),
                })
            }
            Self::NameUnknown(name) => with(ErrorCode::NameUnknown, json!({ "name": name })),
            Self::ManifestUnknown(Reference::Tag(tag)) => {
                with(ErrorCode::ManifestUnknown, json!(format!("unknown tag={tag}")))
            }
            Self::ManifestUnknown(Reference::Digest(digest)) => {
                with(ErrorCode::ManifestUnknown, json!(format!("unknown manifest revision={digest}")))
            }
            Self::NotAccepted { .. } => told(ErrorCode::ManifestUnknown),
            Self::BlobUnknown(digest) => with(ErrorCode::BlobUnknown, json!(digest)),
            Self::Range { .. } => told(ErrorCode::RangeInvalid),
            Self::Pagination(n) => with(ErrorCode::PaginationNumberInvalid, json!({ "n": n })),
            Self::PushUnsupported => ErrorEntry::new(ErrorCode::Unsupported),
            Self::PushDenied(_) => ErrorEntry::new(ErrorCode::Denied),
            Self::UploadUnknown => ErrorEntry::new(ErrorCode::BlobUploadUnknown),
            Self::TooManyUploads { .. } => told(ErrorCode::TooManyRequests),
            Self::ChunkOrder { .. } => told(ErrorCode::RangeInvalid),
            Self::ChunkRange => told(ErrorCode::SizeInvalid),
            Self::BlobTooLarge { .. } | Self::NoRoom { .. } => told(ErrorCode::SizeInvalid),
            Self::BodyBroken => told(ErrorCode::BlobUploadInvalid),
            Self::DigestInvalid(_) => told(ErrorCode::DigestInvalid),
            Self::DigestMismatch { .. } => {
                ErrorEntry::new(ErrorCode::DigestInvalid).with_detail(json!(self.to_string()))
            }
            Self::ManifestTooLarge => told(ErrorCode::ManifestInvalid),
            Self::ManifestInvalid(error) => with(ErrorCode::ManifestInvalid, json!(error.to_string())),
            Self::ManifestBlobsUnknown(_) => ErrorEntry::new(ErrorCode::ManifestBlobUnknown),
        }
    }

    fn body(&self) -> ErrorBody {
        match self {
            Self::ManifestBlobsUnknown(digests) => {
                let entry = ErrorEntry::new(ErrorCode::ManifestBlobUnknown);
                ErrorBody { errors: digests.iter().map(|digest| entry.clone().with_detail(json!(digest))).collect() }
            }
            _ => self.entry().into(),
        }
    }

    /// The status, where it is not that of the code.
    fn status(&self, code: &ErrorCode) -> StatusCode {
        match self {
            Self::Path(EndpointError::NotFound { .. }) => StatusCode::NOT_FOUND,
            Self::ManifestTooLarge | Self::BlobTooLarge { .. } | Self::NoRoom { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TokenRequest { .. } | Self::HostInvalid | Self::BodyBroken => StatusCode::BAD_REQUEST,
            _ => StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

/// The spec's JSON on one line with its end, as the reference registry writes it.
impl IntoResponse for RegistryError {
    fn into_response(self) -> Response {
        let code = self.entry().code;
        // An error body has text keys only, so it always serializes.
        let mut body = serde_json::to_vec(&self.body()).unwrap_or_default();
        body.push(b'\n');
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status(&code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match &self {
            Self::Unauthorized { challenge, .. } => {
                if let Ok(challenge) = HeaderValue::try_from(challenge.to_string()) {
                    headers.insert(header::WWW_AUTHENTICATE, challenge);
                }
            }
            Self::Method { allowed, .. } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
            }
            Self::Range { size_bytes } => {
                let range = ContentRange::Unsatisfied { size: *size_bytes }.to_string();
                if let Ok(range) = HeaderValue::try_from(range) {
                    headers.insert(header::CONTENT_RANGE, range);
                }
            }
            _ => {}
        }
        response.extensions_mut().insert(AnsweredError(code));
        response
    }
}

/// What is missing, one record for each action. Source: facts/registry A2, D3.
fn compose_access_detail(scope: &Scope) -> Value {
    let record = |action: &oci::Action| {
        json!({
            "Type": scope.resource_type,
            "Class": scope.class.as_deref().unwrap_or_default(),
            "Name": scope.name,
            "Action": action,
        })
    };
    scope.actions.iter().map(record).collect()
}
