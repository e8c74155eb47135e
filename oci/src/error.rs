//! The error codes of the distribution API and the JSON body that carries them.
//!
//! Codes are an enum so that a code and its message cannot be swapped; a client still reads codes
//! nobody has listed. Statuses and default messages are those of the reference registry.
//!
//! Source: distribution-spec, "Error Codes"; distribution v3, `registry/api/errcode` and
//! `registry/api/v2/errors.go`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An error code. The first fourteen are the spec's, the rest are the reference registry's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// `BLOB_UNKNOWN` 404: no such blob.
    BlobUnknown,
    /// `BLOB_UPLOAD_INVALID` 404: the upload cannot be continued.
    BlobUploadInvalid,
    /// `BLOB_UPLOAD_UNKNOWN` 404: no such upload session.
    BlobUploadUnknown,
    /// `DIGEST_INVALID` 400: malformed, or not the content's.
    DigestInvalid,
    /// `MANIFEST_BLOB_UNKNOWN` 400: a pushed manifest names a blob that is absent.
    ManifestBlobUnknown,
    /// `MANIFEST_INVALID` 400.
    ManifestInvalid,
    /// `MANIFEST_UNKNOWN` 404: no such tag or digest in this repository.
    ManifestUnknown,
    /// `NAME_INVALID` 400: not a repository name.
    NameInvalid,
    /// `NAME_UNKNOWN` 404: no such repository.
    NameUnknown,
    /// `SIZE_INVALID` 400: the length is not the content's.
    SizeInvalid,
    /// `UNAUTHORIZED` 401: answer the challenge first.
    Unauthorized,
    /// `DENIED` 403.
    Denied,
    /// `UNSUPPORTED` 405.
    Unsupported,
    /// `TOOMANYREQUESTS` 429.
    TooManyRequests,
    /// `UNKNOWN` 500.
    Unknown,
    /// `UNAVAILABLE` 503.
    Unavailable,
    /// `TAG_INVALID` 400.
    TagInvalid,
    /// `RANGE_INVALID` 416: an upload's chunk is out of order.
    RangeInvalid,
    /// `PAGINATION_NUMBER_INVALID` 400: `n` is not a number that can be served.
    PaginationNumberInvalid,
    /// `MANIFEST_UNVERIFIED` 400: a schema 1 signature failed.
    ManifestUnverified,
    /// Any other text, as another registry may send it; status 500 if it is ever sent from here.
    Other(String),
}

/// One error of an [`ErrorBody`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEntry {
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// What went wrong, for people; may be empty.
    #[serde(default, deserialize_with = "crate::manifest::null_as_default")]
    pub message: String,
    /// Anything more; the spec leaves its shape open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

/// The body of every 4xx and 5xx of the API: `{"errors":[{"code":"…","message":"…"}]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The errors, most telling first.
    pub errors: Vec<ErrorEntry>,
}

impl ErrorCode {
    /// Every code that has a name here.
    pub const KNOWN: [ErrorCode; 20] = [
        ErrorCode::BlobUnknown,
        ErrorCode::BlobUploadInvalid,
        ErrorCode::BlobUploadUnknown,
        ErrorCode::DigestInvalid,
        ErrorCode::ManifestBlobUnknown,
        ErrorCode::ManifestInvalid,
        ErrorCode::ManifestUnknown,
        ErrorCode::NameInvalid,
        ErrorCode::NameUnknown,
        ErrorCode::SizeInvalid,
        ErrorCode::Unauthorized,
        ErrorCode::Denied,
        ErrorCode::Unsupported,
        ErrorCode::TooManyRequests,
        ErrorCode::Unknown,
        ErrorCode::Unavailable,
        ErrorCode::TagInvalid,
        ErrorCode::RangeInvalid,
        ErrorCode::PaginationNumberInvalid,
        ErrorCode::ManifestUnverified,
    ];

    /// The code as it is written in the body: `MANIFEST_UNKNOWN`.
    pub fn as_str(&self) -> &str {
        self.row().0
    }

    /// The HTTP status that the reference registry sends it with.
    pub fn status(&self) -> u16 {
        self.row().1
    }

    /// The message that the reference registry sends with it.
    pub fn default_message(&self) -> &'static str {
        self.row().2
    }

    fn row(&self) -> (&str, u16, &'static str) {
        match self {
            ErrorCode::BlobUnknown => ("BLOB_UNKNOWN", 404, "blob unknown to registry"),
            ErrorCode::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", 404, "blob upload invalid"),
            ErrorCode::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"),
            ErrorCode::DigestInvalid => ("DIGEST_INVALID", 400, "provided digest did not match uploaded content"),
            ErrorCode::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", 400, "blob unknown to registry"),
            ErrorCode::ManifestInvalid => ("MANIFEST_INVALID", 400, "manifest invalid"),
            ErrorCode::ManifestUnknown => ("MANIFEST_UNKNOWN", 404, "manifest unknown"),
            ErrorCode::NameInvalid => ("NAME_INVALID", 400, "invalid repository name"),
            ErrorCode::NameUnknown => ("NAME_UNKNOWN", 404, "repository name not known to registry"),
            ErrorCode::SizeInvalid => ("SIZE_INVALID", 400, "provided length did not match content length"),
            ErrorCode::Unauthorized => ("UNAUTHORIZED", 401, "authentication required"),
            ErrorCode::Denied => ("DENIED", 403, "requested access to the resource is denied"),
            ErrorCode::Unsupported => ("UNSUPPORTED", 405, "The operation is unsupported."),
            ErrorCode::TooManyRequests => ("TOOMANYREQUESTS", 429, "too many requests"),
            ErrorCode::Unknown => ("UNKNOWN", 500, "unknown error"),
            ErrorCode::Unavailable => ("UNAVAILABLE", 503, "service unavailable"),
            ErrorCode::TagInvalid => ("TAG_INVALID", 400, "manifest tag did not match URI"),
            ErrorCode::RangeInvalid => ("RANGE_INVALID", 416, "invalid content range"),
            ErrorCode::PaginationNumberInvalid => {
                ("PAGINATION_NUMBER_INVALID", 400, "invalid number of results requested")
            }
            ErrorCode::ManifestUnverified => ("MANIFEST_UNVERIFIED", 400, "manifest failed signature verification"),
            ErrorCode::Other(code) => (code, 500, "unknown error"),
        }
    }
}

str_view!(ErrorCode);
text_form!(ErrorCode, "an error code of the distribution API such as `MANIFEST_UNKNOWN`");

impl FromStr for ErrorCode {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let known = ErrorCode::KNOWN.into_iter().find(|code| code.as_str() == text);
        Ok(known.unwrap_or_else(|| ErrorCode::Other(text.to_owned())))
    }
}

impl ErrorEntry {
    /// An error with its default message and no detail.
    pub fn new(code: ErrorCode) -> ErrorEntry {
        ErrorEntry { message: code.default_message().to_owned(), code, detail: None }
    }

    /// The same error with another message.
    pub fn with_message(self, message: impl Into<String>) -> ErrorEntry {
        ErrorEntry { message: message.into(), ..self }
    }

    /// The same error with a detail.
    pub fn with_detail(self, detail: Value) -> ErrorEntry {
        ErrorEntry { detail: Some(detail), ..self }
    }
}

/// As docker prints it: the code in lower case, then the message.
impl fmt::Display for ErrorEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str().to_ascii_lowercase(), self.message)
    }
}

impl ErrorBody {
    /// The error body in `bytes`, or `None` when it is something else, as proxies and web pages
    /// send.
    pub fn parse(bytes: &[u8]) -> Option<ErrorBody> {
        serde_json::from_slice(bytes).ok()
    }

    /// The first error, which is the one to show and to act on.
    pub fn first(&self) -> Option<&ErrorEntry> {
        self.errors.first()
    }
}

impl From<ErrorEntry> for ErrorBody {
    fn from(entry: ErrorEntry) -> ErrorBody {
        ErrorBody { errors: vec![entry] }
    }
}

impl From<ErrorCode> for ErrorBody {
    fn from(code: ErrorCode) -> ErrorBody {
        ErrorEntry::new(code).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, status: u16) {
        let parsed: ErrorCode = code.parse().expect("never fails");
        assert_eq!(parsed.as_str(), code);
        assert_eq!(parsed.status(), status, "for {code}");
    }

    #[test]
    fn codes_have_the_statuses_of_distribution() {
        check("UNAUTHORIZED", 401);
        check("DENIED", 403);
        check("NAME_UNKNOWN", 404);
        check("BLOB_UPLOAD_UNKNOWN", 404);
        check("UNSUPPORTED", 405);
        check("RANGE_INVALID", 416);
        check("TOOMANYREQUESTS", 429);
        check("TAG_INVALID", 400);
        check("UNAVAILABLE", 503);
        check("ARTIFACT_QUARANTINED", 500);
    }

    #[test]
    fn every_known_code_parses_to_itself() {
        for code in ErrorCode::KNOWN {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
    }

    #[test]
    fn a_body_is_written_as_docker_hub_writes_it() {
        let entry = ErrorEntry::new(ErrorCode::TooManyRequests).with_message("slow down");
        assert_eq!(entry.to_string(), "toomanyrequests: slow down");
        let text = serde_json::to_string(&ErrorBody::from(entry)).expect("serializable");
        assert_eq!(text, r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#);
    }

    #[test]
    fn a_body_is_read_whatever_its_codes() {
        let text =
            br#"{"errors":[{"code":"MANIFEST_SIZE_LIMIT","detail":{"n":1}},{"code":"DENIED","message":null}],"x":1}"#;
        let body = ErrorBody::parse(text).expect("a body");
        let first = body.first().expect("an error");
        assert_eq!(first.code, ErrorCode::Other("MANIFEST_SIZE_LIMIT".to_owned()));
        assert_eq!(first.detail, Some(serde_json::json!({"n": 1})));
        assert_eq!(body.errors.get(1).map(|entry| entry.code.status()), Some(403));
        for other in ["", "<html>", "{}", r#"{"errors":"no"}"#] {
            assert_eq!(ErrorBody::parse(other.as_bytes()), None, "{other}");
        }
    }
}
