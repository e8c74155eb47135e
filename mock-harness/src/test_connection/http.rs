//! Requests of a test: any certificate is taken, redirects are followed, and what fails is told by its innermost cause.
//!
//! Source: facts/harness B7 (15 s timeouts, any TLS certificate). The platform's two HTTP clients follow redirects, the one
//! of step 1 only where the scheme stays; a login does not go along to another host.

use std::time::Duration;

use hyper::ext::ReasonPhrase;
use reqwest::{
    Method, Response, StatusCode, Version,
    header::{AUTHORIZATION, HeaderValue, LOCATION},
};
use testbed::{net::Vantage, task::Credentials};
use url::Url;

/// How long a request of a test may take, in wire time.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How often a request is sent on.
const MAX_REDIRECTS: usize = 20;

/// What failed without a status: the connection, or the body was not what it should be.
#[derive(Clone, Debug)]
pub(super) struct IoFailure(pub(super) String);

/// What a request ended with: the status, and the words that the registry put beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) status: StatusCode,
    /// The reason phrase as it was sent; none where there was none, and HTTP/2 has none.
    pub(super) reason: Option<String>,
}

/// Which redirects are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// All.
    Everywhere,
    /// Those that keep the scheme.
    WithinScheme,
}

impl Ended {
    pub(super) fn of(answer: &Response) -> Self {
        let status = answer.status();
        let sent = match answer.extensions().get::<ReasonPhrase>() {
            Some(phrase) => Some(String::from_utf8_lossy(phrase.as_bytes()).into_owned()),
            // The client keeps a phrase only where it is not the usual one.
            None if answer.version() <= Version::HTTP_11 => status.canonical_reason().map(String::from),
            None => None,
        };
        Self { status, reason: sent.filter(|phrase| !phrase.trim().is_empty()) }
    }
}

/// Asks for `url`, with `authorization` if there is one, and for what it is redirected to.
pub(super) async fn get(
    from: &Vantage,
    url: &Url,
    authorization: Option<&HeaderValue>,
    follow: Follow,
) -> Result<Response, IoFailure> {
    let mut url = url.clone();
    let mut authorization = authorization;
    for _ in 0..=MAX_REDIRECTS {
        let request = from.request_of_anybody(Method::GET, &url).map_err(|error| IoFailure(error.to_string()))?;
        let request = match authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let answer = request.timeout(TIMEOUT).send().await.map_err(|error| io_failure(&error))?;
        let Some(next) = location(&url, &answer) else { return Ok(answer) };
        if follow == Follow::WithinScheme && next.scheme() != url.scheme() {
            return Ok(answer);
        }
        let origin = |url: &Url| (String::from(url.scheme()), url.host_str().map(String::from), url.port());
        if origin(&next) != origin(&url) {
            authorization = None;
        }
        url = next;
    }
    Err(IoFailure(format!("Too many follow-up requests: {}", MAX_REDIRECTS + 1)))
}

/// Where an answer sends on to.
fn location(url: &Url, answer: &Response) -> Option<Url> {
    if !matches!(answer.status().as_u16(), 300..=303 | 307 | 308) {
        return None;
    }
    let next = url.join(answer.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

/// The `Authorization` of a login.
pub(super) fn basic(login: &Credentials) -> Option<HeaderValue> {
    use base64::Engine as _;
    let pair = format!("{}:{}", login.username.as_str(), login.password.expose());
    sensitive(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

/// The `Authorization` of a token; none if it cannot be sent.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The innermost cause, which is what an I/O exception says.
pub(super) fn io_failure(error: &reqwest::Error) -> IoFailure {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    IoFailure(innermost.to_string())
}
