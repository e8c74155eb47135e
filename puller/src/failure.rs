//! Failures in the words of a container runtime: `toomanyrequests: You have reached your pull rate limit…`.
//!
//! [`Trouble`] is one failed attempt: the failure as it will be told, and what the retry policy needs to know about it.
//!
//! Source: facts/registry E8, the rendering of docker's classic client (distribution 2.8.3): an error body is shown as
//! `code: message`; a body that does not claim to be JSON is shown whole; one that claims it and is not is reported.

use std::{error::Error, fmt::Write as _, io};

use http::StatusCode;
use oci::{Challenge, Digest, ErrorBody, ErrorCode, ImageReference, Platform};
use testbed::{
    net::DialError,
    task::{FailureKind, PullFailure},
    tls::is_certificate_refused,
};
use url::Url;

use crate::client::Cause;

/// The most of a foreign text that a message carries, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// One failed attempt.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// How it is told if it is the last one.
    pub(crate) failure: PullFailure,
    /// What it means to the retry policy.
    pub(crate) cause: Cause,
    /// The answer's `Retry-After`.
    pub(crate) retry_after: Option<String>,
}

impl Trouble {
    /// Trying again cannot help.
    pub(crate) fn last(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { failure: failure(kind, message), cause: Cause::Final, retry_after: None }
    }

    /// The connection, or what should have come through it.
    pub(crate) fn network(message: impl Into<String>) -> Self {
        Self { failure: failure(FailureKind::Network, message), cause: Cause::Network, retry_after: None }
    }

    /// The body ended too early.
    pub(crate) fn cut(message: impl Into<String>) -> Self {
        Self { cause: Cause::Cut, ..Self::network(message) }
    }

    /// Another range than the one asked for.
    pub(crate) fn range(message: impl Into<String>) -> Self {
        Self { failure: failure(FailureKind::Protocol, message), cause: Cause::Range, retry_after: None }
    }

    /// The host may not be reached, or does not exist.
    pub(crate) fn dial(error: &DialError) -> Self {
        Self::last(FailureKind::Egress, error.to_string())
    }

    /// The HTTP library's error, with its causes and without the loopback address that it knows the host by.
    pub(crate) fn of_request(method: &http::Method, url: &Url, error: reqwest::Error) -> Self {
        let cause = if is_certificate_refused(&error) { Cause::Final } else { Cause::Network };
        let message = format!("{method} {}: {}", shown(url), chain(&error.without_url()));
        Self { cause, ..Self::network(message) }
    }

    /// The same, in the middle of a body.
    pub(crate) fn of_body(method: &http::Method, url: &Url, error: reqwest::Error) -> Self {
        Self { cause: Cause::Cut, ..Self::of_request(method, url, error) }
    }

    /// An answer that is an error.
    pub(crate) fn of_answer(answer: &ErrorAnswer<'_>, retry_after: Option<String>) -> Self {
        let status = answer.status.as_u16();
        let kind = match status {
            429 => FailureKind::RateLimited,
            401 | 403 => FailureKind::Unauthorized,
            404 => FailureKind::NotFound,
            _ => FailureKind::Status,
        };
        let failure = PullFailure { status: Some(status), ..failure(kind, answer.message()) };
        Self { failure, cause: Cause::Status(status), retry_after }
    }

    /// The bytes have another digest. `subject` says which bytes.
    pub(crate) fn digest(subject: &str, expected: &Digest, actual: &Digest) -> Self {
        let message = format!("{subject}: digest mismatch: expected {expected}, received {actual}");
        Self { failure: failure(FailureKind::DigestMismatch, message), cause: Cause::Digest, retry_after: None }
    }
}

/// What is left of an answer with an error status.
pub(crate) struct ErrorAnswer<'a> {
    pub(crate) status: StatusCode,
    pub(crate) is_json: bool,
    pub(crate) challenges: &'a [Challenge],
    pub(crate) body: &'a [u8],
}

impl ErrorAnswer<'_> {
    fn message(&self) -> String {
        if !self.status.is_client_error() {
            return format!("received unexpected HTTP status: {}", self.status);
        }
        // What the challenge says about the token comes before the body.
        let verdict = self.challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { error: Some(error), .. } if error == "invalid_token" => Some(ErrorCode::Unauthorized),
            Challenge::Bearer { error: Some(error), .. } if error == "insufficient_scope" => Some(ErrorCode::Denied),
            _ => None,
        });
        match verdict {
            Some(code) => told(&code, code.default_message()),
            None => self.body_message(),
        }
    }

    fn body_message(&self) -> String {
        let text = bounded(&String::from_utf8_lossy(self.body));
        let code = match self.status.as_u16() {
            401 => ErrorCode::Unauthorized,
            403 => ErrorCode::Denied,
            404 if text.is_empty() => ErrorCode::ManifestUnknown,
            429 => ErrorCode::TooManyRequests,
            _ => ErrorCode::Unknown,
        };
        let parsed = ErrorBody::parse(self.body);
        if let Some(first) = parsed.as_ref().and_then(ErrorBody::first) {
            return told(&first.code, &bounded(&first.message));
        }
        match () {
            () if text.is_empty() => told(&code, code.default_message()),
            () if !self.is_json || self.status == StatusCode::UNAUTHORIZED => told(&code, &text),
            () => format!("error parsing HTTP {} response body: {text}", self.status.as_u16()),
        }
    }
}

/// `manifest unknown: manifest unknown`: docker writes the code in lower case and with blanks.
fn told(code: &ErrorCode, message: &str) -> String {
    format!("{}: {message}", code.as_str().to_ascii_lowercase().replace('_', " "))
}

/// A failure without a status.
pub(crate) fn failure(kind: FailureKind, message: impl Into<String>) -> PullFailure {
    PullFailure { kind, status: None, message: message.into(), n_retries: 0 }
}

/// The local side failed while it did `what`.
pub(crate) fn local(what: &str, error: &io::Error) -> PullFailure {
    failure(FailureKind::Local, format!("{what}: {}", chain(error)))
}

/// The index has nothing for the platform, in docker's words.
pub(crate) fn no_platform(image: &ImageReference, platform: &Platform) -> PullFailure {
    let message = format!("{image}: no matching manifest for {platform} in the manifest list entries");
    failure(FailureKind::NotFound, message)
}

/// A URL without its query, which may be a signature, and without user and password.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// An error and its causes, as one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Libraries like to repeat themselves.
        let part = error.to_string();
        if !text.contains(&part) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {part}");
        }
        cause = error.source();
    }
    text
}

/// `text` trimmed, on one line, and not too long.
fn bounded(text: &str) -> String {
    let text = text.trim();
    let short = &text[..text.floor_char_boundary(MAX_TEXT_BYTES)];
    let line: Vec<_> = short.split_whitespace().collect();
    let ellipsis = if short.len() < text.len() { "…" } else { "" };
    line.join(" ") + ellipsis
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(status: u16, is_json: bool, body: &str) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        ErrorAnswer { status, is_json, challenges: &[], body: body.as_bytes() }.message()
    }

    #[test]
    fn answers_are_told_as_docker_tells_them() {
        let check = |status, is_json, body, expected: &str| assert_eq!(message(status, is_json, body), expected);
        let limit = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
        check(429, true, limit, "toomanyrequests: You have reached your pull rate limit.");
        check(429, false, "Too Many Requests\n", "toomanyrequests: Too Many Requests");
        check(429, false, "<html>\n <p>slow down</p>\n</html>", "toomanyrequests: <html> <p>slow down</p> </html>");
        check(429, true, "<html>", "error parsing HTTP 429 response body: <html>");
        check(429, true, "", "toomanyrequests: too many requests");
        check(401, false, "Not Authorized\n", "unauthorized: Not Authorized");
        check(401, true, r#"{"message":"Unauthorized"}"#, r#"unauthorized: {"message":"Unauthorized"}"#);
        check(403, true, r#"{"errors":[{"code":"DENIED","message":"no"}]}"#, "denied: no");
        let unknown = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        check(404, true, unknown, "manifest unknown: manifest unknown");
        check(503, false, "busy", "received unexpected HTTP status: 503 Service Unavailable");
    }

    #[test]
    fn the_challenge_says_what_is_wrong_with_the_token() {
        let challenges = Challenge::parse_all(r#"Bearer realm="https://a/t",error="insufficient_scope""#);
        let answer =
            ErrorAnswer { status: StatusCode::UNAUTHORIZED, is_json: false, challenges: &challenges, body: b"" };
        assert_eq!(answer.message(), "denied: requested access to the resource is denied");
    }

    proptest! {
        #[test]
        fn a_foreign_text_is_bounded(text in ".{0,3000}") {
            prop_assert!(bounded(&text).len() <= MAX_TEXT_BYTES + "…".len());
        }
    }
}
