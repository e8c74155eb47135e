//! Step 2 of a test: are the credentials right? Two rounds, `/v2` and then `/v2/`, at the root of the host: the URL's path
//! is dropped. The second round decides.
//!
//! Source: facts/harness B7, steps 2a to 2c.

use std::time::Duration;

use hyper::ext::ReasonPhrase;
use reqwest::{Method, RequestBuilder, StatusCode, Version, header::WWW_AUTHENTICATE};
use serde_json::Value;
use testbed::{net::Vantage, task::Credentials};
use url::Url;

use super::{challenge::understand, reach::TIMEOUT};

/// How often a token is asked for while the connection fails.
const TOKEN_TRIES: u32 = 5;
/// The pause after the first failed try; it doubles. Wire time, because who asked for the test waits in wire time.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// A round that failed without a status: the connection failed, or the body was no JSON.
#[derive(Clone, Debug)]
pub(super) struct IoFailure(pub(super) String);

/// What a round ended with: the status, and the words that the registry put beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) status: StatusCode,
    /// The reason phrase as it was sent; none where there was none, and HTTP/2 has none.
    pub(super) reason: Option<String>,
}

impl Ended {
    fn of(answer: &reqwest::Response) -> Self {
        let status = answer.status();
        let sent = match answer.extensions().get::<ReasonPhrase>() {
            Some(phrase) => Some(String::from_utf8_lossy(phrase.as_bytes()).into_owned()),
            // The client keeps a phrase only where it is not the usual one.
            None if answer.version() <= Version::HTTP_11 => status.canonical_reason().map(String::from),
            None => None,
        };
        Self { status, reason: sent.filter(|phrase| !phrase.is_empty()) }
    }
}

/// The answer that decides.
///
/// # Errors
/// The second round ended without a status.
pub(super) async fn check(url: &Url, login: &Credentials, from: &Vantage) -> Result<Ended, IoFailure> {
    let check = Check { url, login, from, host: url.host_str().unwrap_or_default() };
    match check.round("/v2", true).await {
        Ok(ended) if ended.status.is_success() => Ok(ended),
        // Refused, unreachable or not understood: once more with a slash.
        Ok(_) | Err(_) => check.round("/v2/", false).await,
    }
}

/// The answer to `GET <url>/api/v2.0/projects`, and whether the list is empty.
///
/// # Errors
/// The connection failed.
pub(super) async fn check_harbor(base: &str, login: &Credentials, from: &Vantage) -> Result<(Ended, bool), IoFailure> {
    let url = Url::parse(&format!("{base}api/v2.0/projects")).map_err(|error| IoFailure(error.to_string()))?;
    let request = from.request(Method::GET, &url).map_err(|error| IoFailure(error.to_string()))?;
    let answer = basic(request, login).timeout(TIMEOUT).send().await.map_err(|error| io_failure(&error))?;
    let ended = Ended::of(&answer);
    let list: Value = answer.json().await.unwrap_or_default();
    Ok((ended, list.as_array().is_some_and(Vec::is_empty)))
}

struct Check<'a> {
    url: &'a Url,
    login: &'a Credentials,
    from: &'a Vantage,
    host: &'a str,
}

impl Check<'_> {
    /// One round: Basic, and if that is refused a token and Bearer. `wants_json` holds a good answer to being JSON.
    async fn round(&self, path: &str, wants_json: bool) -> Result<Ended, IoFailure> {
        let mut ping = self.url.clone();
        ping.set_path(path);
        ping.set_query(None);
        let is_acr = self.host.ends_with(".azurecr.io");
        let first = self.request(&ping)?;
        let first = if is_acr { first } else { basic(first, self.login) };
        let answer = send(first).await?;
        let ended = Ended::of(&answer);
        let is_refused = ended.status == StatusCode::UNAUTHORIZED
            || (ended.status == StatusCode::FORBIDDEN && self.host == "ghcr.io");
        if !is_refused {
            return settle(answer, wants_json).await;
        }
        let header = answer.headers().get(WWW_AUTHENTICATE).and_then(|header| header.to_str().ok()).unwrap_or_default();
        let Some(token_url) = self.token_url(header) else { return Ok(ended) };
        let Some(token) = self.fetch_token(&token_url, is_acr).await? else { return Ok(ended) };
        let answer = send(self.request(&ping)?.bearer_auth(token)).await?;
        settle(answer, wants_json).await
    }

    fn token_url(&self, header: &str) -> Option<Url> {
        let Some(challenge) = understand(header) else {
            let mut url = self.url.clone();
            url.set_path("/token");
            return (self.host == "ghcr.io").then_some(url);
        };
        let mut url = Url::parse(&challenge.realm).ok()?;
        url.query_pairs_mut().append_pair("service", &challenge.service);
        if let Some(scope) = &challenge.scope {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        Some(url)
    }

    /// The token; none if the endpoint refuses. Only failures of the connection are tried again.
    async fn fetch_token(&self, url: &Url, is_acr: bool) -> Result<Option<String>, IoFailure> {
        let mut pause = FIRST_PAUSE;
        for n in 1.. {
            match send(basic(self.request(url)?, self.login)).await {
                Ok(answer) if !answer.status().is_success() => return Ok(None),
                Ok(answer) => {
                    let body: Value = answer.json().await.map_err(|error| io_failure(&error))?;
                    let text = |key: &str| body.get(key).and_then(Value::as_str).map(String::from);
                    return Ok(text("token").or_else(|| if is_acr { text("access_token") } else { None }));
                }
                Err(failure) if n == TOKEN_TRIES => return Err(failure),
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
        Ok(None)
    }

    fn request(&self, url: &Url) -> Result<RequestBuilder, IoFailure> {
        self.from.request(Method::GET, url).map_err(|error| IoFailure(error.to_string()))
    }
}

fn basic(request: RequestBuilder, login: &Credentials) -> RequestBuilder {
    request.basic_auth(login.username.as_str(), Some(login.password.expose()))
}

async fn send(request: RequestBuilder) -> Result<reqwest::Response, IoFailure> {
    request.timeout(TIMEOUT).send().await.map_err(|error| io_failure(&error))
}

async fn settle(answer: reqwest::Response, wants_json: bool) -> Result<Ended, IoFailure> {
    let ended = Ended::of(&answer);
    if ended.status.is_success() && wants_json {
        answer.json::<Value>().await.map_err(|error| io_failure(&error))?;
    }
    Ok(ended)
}

/// The innermost cause, which is what an I/O exception says.
fn io_failure(error: &reqwest::Error) -> IoFailure {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    IoFailure(innermost.to_string())
}
