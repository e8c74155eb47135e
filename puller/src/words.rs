//! The words in which clients tell an answer that is an error.
//!
//! Source: facts/registry E8. Docker's classic client (distribution 2.8.3) shows an error body as `code: message`; a body
//! that does not claim to be JSON is shown whole; one that claims it and is not is reported.
//!
//! A refused login has words of its own in two of them: moby's daemon/internal/distribution/errors.go, and containerd's
//! core/remotes/docker.

use http::{Method, StatusCode};
use oci::{Challenge, ErrorBody, ErrorCode, ImageReference};
use testbed::task::PullFailure;
use url::Url;

use crate::{client::MessageStyle, failure::shown};

/// The most of a foreign text that a message carries, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// What is left of an answer with an error status.
pub(crate) struct ErrorAnswer<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    pub(crate) status: StatusCode,
    pub(crate) is_json: bool,
    pub(crate) challenges: &'a [Challenge],
    pub(crate) body: &'a [u8],
}

impl ErrorAnswer<'_> {
    /// The answer, as a client of that style tells it.
    pub(crate) fn message(&self, style: MessageStyle) -> String {
        let Self { method, url, status, .. } = self;
        let (parsed, text, at) = (self.parsed(), self.text(), shown(url));
        match (style, parsed) {
            (MessageStyle::Docker | MessageStyle::DockerPull, _) => self.docker(self.is_json),
            (MessageStyle::ContainersImage, _) => self.docker(true),
            (MessageStyle::DockerContainerd, Some((_, message))) => format!("error from registry: {message}"),
            (MessageStyle::Containerd, _) if self.token_error().is_some() => {
                let error = self.token_error().unwrap_or_default();
                let refused = format!("server message: {error}: authorization failed");
                if url.path().contains("/manifests/") {
                    format!("pull access denied, repository does not exist or may require authorization: {refused}")
                } else {
                    refused
                }
            }
            (MessageStyle::DockerContainerd | MessageStyle::Containerd, None) => {
                format!("unexpected status from {method} request to {at}: {status}")
            }
            (MessageStyle::Containerd, Some((code, message))) => {
                let code = told(&code, &message);
                format!("unexpected status from {method} request to {at}: {status}\n{code}")
            }
            (MessageStyle::Ggcr, Some((code, message))) => format!("{method} {at}: {}: {message}", code.as_str()),
            (MessageStyle::Ggcr, None) => format!("{method} {at}: unexpected status code {status}: {text}"),
            (MessageStyle::OciClient, Some((_, message))) => {
                format!("Registry error: url {at}, envelope: OCI API errors: [OCI API error: {message}]")
            }
            (MessageStyle::OciClient, None) => {
                format!("Server error: url {at}, code: {}, message: {text}", status.as_u16())
            }
        }
    }

    fn docker(&self, is_json: bool) -> String {
        if !self.status.is_client_error() {
            return format!("received unexpected HTTP status: {}", self.status);
        }
        // What the challenge says about the token comes before the body.
        let verdict = match self.token_error() {
            Some("invalid_token") => Some(ErrorCode::Unauthorized),
            Some("insufficient_scope") => Some(ErrorCode::Denied),
            _ => None,
        };
        if let Some(code) = verdict {
            return told(&code, code.default_message());
        }
        let text = self.text();
        let code = match self.status.as_u16() {
            401 => ErrorCode::Unauthorized,
            403 => ErrorCode::Denied,
            404 if text.is_empty() => ErrorCode::ManifestUnknown,
            429 => ErrorCode::TooManyRequests,
            _ => ErrorCode::Unknown,
        };
        if let Some((code, message)) = self.parsed() {
            return told(&code, &message);
        }
        match () {
            () if text.is_empty() => told(&code, code.default_message()),
            () if !is_json || self.status == StatusCode::UNAUTHORIZED => told(&code, &text),
            () => format!("error parsing HTTP {} response body: {text}", self.status.as_u16()),
        }
    }

    /// What the challenge says is wrong with the token.
    fn token_error(&self) -> Option<&str> {
        self.challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { error, .. } => error.as_deref(),
            _ => None,
        })
    }

    /// Code and text of the first error of an error body.
    fn parsed(&self) -> Option<(ErrorCode, String)> {
        let body = ErrorBody::parse(self.body)?;
        let first = body.first()?;
        Some((first.code.clone(), bounded(&first.message)))
    }

    fn text(&self) -> String {
        bounded(&String::from_utf8_lossy(self.body))
    }
}

/// What a client of that style says in the end, when the pull of `image` failed so.
pub(crate) fn of_pull(style: MessageStyle, image: &ImageReference, failure: PullFailure) -> PullFailure {
    if style != MessageStyle::DockerPull {
        return failure;
    }
    let tagged = image.familiar();
    let bare = tagged.split('@').next().unwrap_or_default();
    // A colon behind the last slash is the tag's, one before it a port's.
    let name = match bare.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => bare,
    };
    let told = match failure.message.split_once(": ").map(|(code, _)| code) {
        Some("denied") => {
            format!("pull access denied for {name}, repository does not exist or may require 'docker login'")
        }
        Some("manifest unknown") => format!("manifest for {tagged} not found"),
        Some("name unknown") => format!("repository {name} not found"),
        _ => return failure,
    };
    PullFailure { message: format!("{told}: {}", failure.message), ..failure }
}

/// `manifest unknown: manifest unknown`: docker writes the code in lower case and with blanks.
fn told(code: &ErrorCode, message: &str) -> String {
    format!("{}: {message}", code.as_str().to_ascii_lowercase().replace('_', " "))
}

/// How Docker Hub begins the id of a token. Source: facts/registry A7.
const TOKEN_ID: &str = "dckr_jti_";

/// A text without ids of tokens: Docker Hub's refusal of an account tells them to whoever reads the log.
pub(crate) fn without_token_ids(text: &str) -> String {
    let mut parts = text.split(TOKEN_ID);
    let mut clean = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let is_of_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '+' | '/');
        clean.push_str("[token id]");
        clean.push_str(part.trim_start_matches(is_of_id));
    }
    clean
}

/// The same, and without the account's name: `as 'jo'`.
pub(crate) fn without_account(text: &str) -> String {
    let clean = without_token_ids(text);
    let Some((before, after)) = clean.split_once(" as '") else { return clean };
    match after.split_once('\'') {
        Some((_, after)) => format!("{before} as '[account]'{after}"),
        None => clean,
    }
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
    use testbed::task::FailureKind;

    use super::*;
    use crate::failure::failure;

    const LIMIT: &str = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;

    fn message(style: MessageStyle, status: u16, is_json: bool, body: &str) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        let url = Url::parse("https://registry.test/v2/app/manifests/1?ns=docker.io").unwrap();
        let answer =
            ErrorAnswer { method: &Method::GET, url: &url, status, is_json, challenges: &[], body: body.as_bytes() };
        answer.message(style)
    }

    #[test]
    fn answers_are_told_as_docker_tells_them() {
        let check = |status, is_json, body, expected: &str| {
            assert_eq!(message(MessageStyle::Docker, status, is_json, body), expected);
        };
        check(429, true, LIMIT, "toomanyrequests: You have reached your pull rate limit.");
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
    fn each_client_has_its_words() {
        let check = |style, json: &str, text: &str| {
            assert_eq!(message(style, 429, true, LIMIT), json);
            assert_eq!(message(style, 429, false, "Slow down\n"), text);
        };
        let at = "https://registry.test/v2/app/manifests/1";
        let status = format!("unexpected status from GET request to {at}: 429 Too Many Requests");
        let limit = "You have reached your pull rate limit.";
        check(MessageStyle::Containerd, &format!("{status}\ntoomanyrequests: {limit}"), &status);
        check(MessageStyle::DockerContainerd, &format!("error from registry: {limit}"), &status);
        check(
            MessageStyle::ContainersImage,
            &format!("toomanyrequests: {limit}"),
            "error parsing HTTP 429 response body: Slow down",
        );
        check(
            MessageStyle::Ggcr,
            &format!("GET {at}: TOOMANYREQUESTS: {limit}"),
            &format!("GET {at}: unexpected status code 429 Too Many Requests: Slow down"),
        );
        check(
            MessageStyle::OciClient,
            &format!("Registry error: url {at}, envelope: OCI API errors: [OCI API error: {limit}]"),
            &format!("Server error: url {at}, code: 429, message: Slow down"),
        );
    }

    #[test]
    fn the_challenge_says_what_is_wrong_with_the_token() {
        let challenges = Challenge::parse_all(r#"Bearer realm="https://a/t",error="insufficient_scope""#);
        let check = |style, path: &str, expected: &str| {
            let url = Url::parse("https://registry.test/").unwrap().join(path).unwrap();
            let status = StatusCode::UNAUTHORIZED;
            let (method, challenges) = (&Method::GET, &challenges[..]);
            let answer = ErrorAnswer { method, url: &url, status, is_json: false, challenges, body: b"" };
            assert_eq!(answer.message(style), expected);
        };
        check(MessageStyle::Docker, "/", "denied: requested access to the resource is denied");
        let refused = "server message: insufficient_scope: authorization failed";
        check(MessageStyle::Containerd, "/v2/app/blobs/sha256:a", refused);
        let denied = "pull access denied, repository does not exist or may require authorization";
        check(MessageStyle::Containerd, "/v2/app/manifests/1", &format!("{denied}: {refused}"));
    }

    #[test]
    fn docker_pull_names_the_image_that_is_refused() {
        let check = |style, image: &str, message: &str, expected: &str| {
            let failure = failure(FailureKind::NotFound, message);
            assert_eq!(of_pull(style, &image.parse().unwrap(), failure).message, expected);
        };
        let style = MessageStyle::DockerPull;
        let login = "repository does not exist or may require 'docker login'";
        check(style, "acme/app:1", "denied: no", &format!("pull access denied for acme/app, {login}: denied: no"));
        let unknown = "manifest unknown: manifest unknown";
        check(style, "alpine:4", unknown, &format!("manifest for alpine:4 not found: {unknown}"));
        check(style, "hub.test:5000/a:1", "name unknown: b", "repository hub.test:5000/a not found: name unknown: b");
        check(style, "alpine", "toomanyrequests: slow down", "toomanyrequests: slow down");
        check(MessageStyle::Docker, "alpine", "denied: no", "denied: no");
    }

    #[test]
    fn neither_token_ids_nor_accounts_are_told() {
        let text = "You have reached your pull rate limit as 'jo': dckr_jti_aB-3_x=. You may increase the limit";
        let expected = "You have reached your pull rate limit as '[account]': [token id]. You may increase the limit";
        assert_eq!(without_account(text), expected);
        assert_eq!(without_token_ids("a dckr_jti_x b dckr_jti_"), "a [token id] b [token id]");
        assert_eq!(without_account("as it is"), "as it is");
    }

    proptest! {
        #[test]
        fn a_foreign_text_is_bounded(text in ".{0,3000}") {
            prop_assert!(bounded(&text).len() <= MAX_TEXT_BYTES + "…".len());
        }

        #[test]
        fn no_id_is_left(before in ".*", id in "[a-zA-Z0-9=_-]{1,40}", after in ".*") {
            let id = format!("dckr_jti_{id}");
            let clean = without_token_ids(&format!("{before}{id}{after}"));
            prop_assert!(!clean.contains(TOKEN_ID));
        }
    }
}
