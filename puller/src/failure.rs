//! Failures in the words of a container runtime: `toomanyrequests: You have reached your pull rate limit…`.
//!
//! [`Trouble`] is one failed attempt: the failure as it will be told, and what the retry policy needs to know about it.
//!
//! How an answer that is an error is told, is told in `words.rs`.

use std::{error::Error, fmt::Write as _, io};

use oci::{Digest, ImageReference, Platform};
use testbed::{
    net::DialError,
    task::{Effort, FailureKind, PullFailure},
    tls::is_certificate_refused,
};
use url::Url;

use crate::{
    client::{Cause, ClientProfile},
    words::{ErrorAnswer, without_account},
};

/// One failed attempt.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// How it is told if it is the last one.
    pub(crate) failure: PullFailure,
    /// What it means to the retry policy.
    pub(crate) cause: Cause,
    /// The answer's `Retry-After`.
    pub(crate) retry_after: Option<String>,
    /// Whether a 401 that asked for a token came first, and was a request too.
    pub(crate) was_challenged: bool,
}

impl Trouble {
    pub(crate) fn new(failure: PullFailure, cause: Cause) -> Self {
        Self { failure, cause, retry_after: None, was_challenged: false }
    }

    /// Trying again cannot help.
    pub(crate) fn last(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::new(failure(kind, message), Cause::Final)
    }

    /// The connection, or what should have come through it.
    pub(crate) fn network(message: impl Into<String>) -> Self {
        Self::new(failure(FailureKind::Network, message), Cause::Network)
    }

    /// The body ended too early.
    pub(crate) fn cut(message: impl Into<String>) -> Self {
        Self { cause: Cause::Cut, ..Self::network(message) }
    }

    /// Another range than the one asked for.
    pub(crate) fn range(message: impl Into<String>) -> Self {
        Self::new(failure(FailureKind::Protocol, message), Cause::Range)
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
    pub(crate) fn of_answer(answer: &ErrorAnswer<'_>, retry_after: Option<String>, profile: &ClientProfile) -> Self {
        let status = answer.status.as_u16();
        let kind = match status {
            429 => FailureKind::RateLimited,
            401 | 403 => FailureKind::Unauthorized,
            404 => FailureKind::NotFound,
            _ => FailureKind::Status,
        };
        let message = answer.message(profile.messages);
        let message = if profile.redacts { without_account(&message) } else { message };
        let failure = PullFailure { status: Some(status), ..failure(kind, message) };
        Self { retry_after, ..Self::new(failure, Cause::Status(status)) }
    }

    /// The bytes have another digest. `subject` says which bytes.
    pub(crate) fn digest(subject: &str, expected: &Digest, actual: &Digest) -> Self {
        let message = format!("{subject}: digest mismatch: expected {expected}, received {actual}");
        Self::new(failure(FailureKind::DigestMismatch, message), Cause::Digest)
    }
}

/// A failure without a status.
pub(crate) fn failure(kind: FailureKind, message: impl Into<String>) -> PullFailure {
    PullFailure {
        kind,
        status: None,
        of_token: false,
        message: message.into(),
        n_retries: 0,
        effort: Effort::default(),
    }
}

/// Why a round ended, as far as rounds care. A token service that throttles is nothing to begin anew for: facts/registry E1.
pub(crate) fn round_cause(failure: &PullFailure) -> Cause {
    match failure.kind {
        FailureKind::RateLimited if failure.of_token => Cause::Final,
        kind => Cause::of(kind, failure.status),
    }
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
