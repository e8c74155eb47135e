//! Everything that a registry refuses, and the one place where a refusal becomes an answer.
//!
//! Source: distribution-spec, "Error Codes"; facts/registry A2 (401), A7 (429), D3.

use std::error::Error as _;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use oci::{
    ContentRange, Digest, EndpointError, ErrorBody, ErrorCode, ErrorEntry, ManifestError, MediaType, Reference,
    RepositoryName, Scope,
};
use serde_json::{Value, json};
use thiserror::Error;

use crate::store::StoreError;

/// Why a request is refused.
#[derive(Debug, Error)]
pub(crate) enum RegistryError {
    #[error(transparent)]
    Path(#[from] EndpointError),
    #[error("{method} is not a method of this endpoint")]
    Method { method: http::Method, allowed: &'static str },
    #[error("authentication required")]
    Unauthorized { challenges: Vec<String>, needed: Vec<Scope> },
    #[error("incorrect username or password")]
    WrongCredentials,
    #[error("token request is malformed: {reason}")]
    TokenRequest { reason: &'static str },
    #[error("requested access to the resource is denied")]
    Denied,
    #[error("this is refused with status {status}")]
    TokenPost { status: u16 },
    #[error("no repository {0}")]
    NameUnknown(String),
    #[error("no manifest {0}")]
    ManifestUnknown(Reference),
    #[error("{found} found, but accept header does not support {plural}")]
    NotAccepted { found: &'static str, plural: &'static str },
    #[error("Schema 2 manifest not supported by client")]
    Schema2NotAccepted,
    #[error("no blob {0}")]
    BlobUnknown(Digest),
    #[error("range is malformed, or not within the {size_bytes} bytes of the blob")]
    Range { size_bytes: u64 },
    #[error("`n` is not a number of results: {0}")]
    Pagination(String),
    #[error("this registry does not {what}")]
    SwitchedOff { what: &'static str },
    #[error("this registry is no mirror of {0}")]
    NotMirrored(String),
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
    #[error("the chunk before has {n_bytes} bytes; each but the last has {min_bytes} or more")]
    ChunkTooShort { n_bytes: u64, min_bytes: u64 },
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
    #[error("manifest is of type {stated}, and its Content-Type is {content_type}")]
    ManifestType { content_type: MediaType, stated: MediaType },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("manifest names content that is not here")]
    ManifestBlobsUnknown(Vec<Digest>),
}

/// The code of an answer's error, left on the response for the journal.
#[derive(Clone, Debug)]
pub(crate) struct AnsweredError(pub(crate) ErrorCode);

impl RegistryError {
    pub(crate) fn of_repository(name: &RepositoryName) -> Self {
        Self::NameUnknown(name.to_string())
    }

    /// The table of refusals: what each is answered with. The status is that of the code, where none is named.
    fn row(&self) -> Row {
        use ErrorCode as Code;
        let told = |code| Row::of(code).message(self);
        match self {
            Self::Path(error @ EndpointError::NotFound { .. }) => told(error.code()).status(StatusCode::NOT_FOUND),
            Self::Path(error) => told(error.code()),
            Self::Method { method, .. } => Row::of(Code::Unsupported).detail(json!({ "method": method.as_str() })),
            // Without a resource the reference registry sends `null`.
            Self::Unauthorized { needed, .. } if needed.is_empty() => Row::of(Code::Unauthorized).detail(Value::Null),
            Self::Unauthorized { needed, .. } => Row::of(Code::Unauthorized).detail(compose_access_detail(needed)),
            Self::WrongCredentials => told(Code::Unauthorized),
            Self::TokenRequest { .. } | Self::HostInvalid => told(Code::Unsupported).status(StatusCode::BAD_REQUEST),
            Self::Denied => Row::of(Code::Denied),
            Self::TokenPost { status } => Row::of(Code::Unsupported)
                .status(StatusCode::from_u16(*status).unwrap_or(StatusCode::METHOD_NOT_ALLOWED)),
            Self::NameUnknown(name) => Row::of(Code::NameUnknown).detail(json!({ "name": name })),
            Self::NotMirrored(host) => told(Code::NameUnknown).detail(json!({ "ns": host })),
            Self::ManifestUnknown(Reference::Tag(tag)) => {
                Row::of(Code::ManifestUnknown).detail(json!(format!("unknown tag={tag}")))
            }
            Self::ManifestUnknown(Reference::Digest(digest)) => {
                Row::of(Code::ManifestUnknown).detail(json!(format!("unknown manifest revision={digest}")))
            }
            Self::NotAccepted { .. } => told(Code::ManifestUnknown),
            Self::Schema2NotAccepted => told(Code::ManifestInvalid),
            Self::BlobUnknown(digest) => Row::of(Code::BlobUnknown).detail(json!(digest)),
            Self::Range { size_bytes } => told(Code::RangeInvalid).detail(json!({ "size": size_bytes })),
            Self::Pagination(n) => Row::of(Code::PaginationNumberInvalid).detail(json!({ "n": n })),
            Self::SwitchedOff { .. } => told(Code::Unsupported),
            Self::PushDenied(principal) => Row::of(Code::Denied).detail(json!({ "principal": principal })),
            Self::UploadUnknown => Row::of(Code::BlobUploadUnknown),
            Self::TooManyUploads { max } => told(Code::TooManyRequests).detail(json!({ "max": max })),
            Self::ChunkOrder { start, expected } => {
                told(Code::RangeInvalid).detail(json!({ "start": start, "expected": expected }))
            }
            Self::ChunkRange => told(Code::SizeInvalid),
            Self::ChunkTooShort { n_bytes, min_bytes } => {
                told(Code::SizeInvalid).detail(json!({ "size": n_bytes, "min": min_bytes }))
            }
            Self::BlobTooLarge { max_bytes } | Self::NoRoom { max_bytes } => {
                told(Code::SizeInvalid).detail(json!({ "max": max_bytes })).status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            Self::BodyBroken => told(Code::BlobUploadInvalid).status(StatusCode::BAD_REQUEST),
            Self::DigestInvalid(_) => told(Code::DigestInvalid),
            Self::DigestMismatch { expected, actual } => {
                Row::of(Code::DigestInvalid).detail(json!({ "expected": expected, "actual": actual }))
            }
            Self::ManifestTooLarge => told(Code::ManifestInvalid)
                .detail(json!({ "max": oci::MAX_MANIFEST_BYTES }))
                .status(StatusCode::PAYLOAD_TOO_LARGE),
            Self::ManifestInvalid(error) => {
                // What JSON it is not, and where, is the cause's to tell.
                let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
                Row::of(Code::ManifestInvalid).detail(json!(format!("{error}{cause}")))
            }
            Self::Store(error) => Row::of(Code::Unknown).detail(json!(error.told())),
            Self::ManifestType { .. } => Row::of(Code::ManifestInvalid).detail(json!(self.to_string())),
            Self::ManifestBlobsUnknown(digests) => {
                digests.iter().fold(Row::of(Code::ManifestBlobUnknown), |row, digest| row.detail(json!(digest)))
            }
        }
    }
}

/// How a refusal is answered.
struct Row {
    status: StatusCode,
    entry: ErrorEntry,
    /// One error for each of them; one without detail if there is none.
    details: Vec<Value>,
}

impl Row {
    fn of(code: ErrorCode) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, entry: ErrorEntry::new(code), details: Vec::new() }
    }

    fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    fn message(self, message: impl ToString) -> Self {
        Self { entry: self.entry.with_message(message.to_string()), ..self }
    }

    fn detail(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    fn body(self) -> ErrorBody {
        if self.details.is_empty() {
            return self.entry.into();
        }
        ErrorBody { errors: self.details.into_iter().map(|detail| self.entry.clone().with_detail(detail)).collect() }
    }
}

/// The spec's JSON on one line with its end, as the reference registry writes it.
impl IntoResponse for RegistryError {
    fn into_response(self) -> Response {
        let row = self.row();
        let (status, code) = (row.status, row.entry.code.clone());
        // An error body has text keys only, so it always serializes.
        let mut body = serde_json::to_vec(&row.body()).unwrap_or_default();
        body.push(b'\n');
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match &self {
            Self::Unauthorized { challenges, .. } => {
                for challenge in challenges.iter().filter_map(|challenge| HeaderValue::try_from(challenge).ok()) {
                    headers.append(header::WWW_AUTHENTICATE, challenge);
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
fn compose_access_detail(needed: &[Scope]) -> Value {
    let record = |scope: &Scope, action: &oci::Action| {
        json!({
            "Type": scope.resource_type,
            "Class": scope.class.as_deref().unwrap_or_default(),
            "Name": scope.name,
            "Action": action,
        })
    };
    needed.iter().flat_map(|scope| scope.actions.iter().map(move |action| record(scope, action))).collect()
}
