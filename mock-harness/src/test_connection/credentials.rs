//! Step 2 of a test: are the credentials right? Two rounds, `/v2` and then `/v2/`, at the root of the host: the URL's path
//! is dropped. The second round decides.
//!
//! Source: facts/harness B7, steps 2a to 2c.

use std::time::Duration;

use reqwest::{Response, StatusCode, header::WWW_AUTHENTICATE};
use serde_json::Value;
use testbed::{net::Vantage, task::Credentials};
use url::Url;

use super::{
    challenge::understand,
    http::{Ended, Follow, IoFailure, basic, bearer, get, io_failure},
};

/// How often a token is asked for while the connection fails.
const TOKEN_TRIES: u32 = 5;
/// The pause after the first failed try; it doubles. Wire time, because who asked for the test waits in wire time.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// The answer that decides.
///
/// # Errors
/// The second round ended without a status.
pub(super) async fn check(url: &Url, login: &Credentials, from: &Vantage) -> Result<Ended, IoFailure> {
    let check = Check { url, login, from };
    match check.round("/v2", true).await {
        Ok(ended) if ended.status.as_u16() < 400 => Ok(ended),
        // Refused, unreachable or not understood: once more with a slash.
        Ok(_) | Err(_) => check.round("/v2/", false).await,
    }
}

/// The answer to `GET <url>/api/v2.0/projects`, and whether the list is empty.
///
/// # Errors
/// The connection failed, or a good answer is no list.
pub(super) async fn check_harbor(base: &str, login: &Credentials, from: &Vantage) -> Result<(Ended, bool), IoFailure> {
    let url = Url::parse(&format!("{base}api/v2.0/projects")).map_err(|error| IoFailure(error.to_string()))?;
    let answer = get(from, &url, basic(login).as_ref(), Follow::Everywhere).await?;
    let ended = Ended::of(&answer);
    if !ended.status.is_success() {
        return Ok((ended, false));
    }
    let list: Vec<Value> = answer.json().await.map_err(|error| io_failure(&error))?;
    Ok((ended, list.is_empty()))
}

struct Check<'a> {
    url: &'a Url,
    login: &'a Credentials,
    from: &'a Vantage,
}

impl Check<'_> {
    /// One round: Basic, and if that is refused a token and Bearer. `wants_json` holds a good answer to being JSON.
    async fn round(&self, path: &str, wants_json: bool) -> Result<Ended, IoFailure> {
        let ping = self.at_the_root(path);
        // Azure's registries tell how to log in only to those who do not try.
        let login = if self.is_acr() { None } else { basic(self.login) };
        let answer = get(self.from, &ping, login.as_ref(), Follow::Everywhere).await?;
        let is_refused =
            answer.status() == StatusCode::UNAUTHORIZED || (answer.status() == StatusCode::FORBIDDEN && self.is_ghcr());
        if !is_refused {
            return settle(answer, wants_json).await;
        }
        let token = self.fetch_token(&answer).await;
        let Some(authorization) = token.and_then(|token| bearer(&token)) else { return Ok(Ended::of(&answer)) };
        settle(get(self.from, &ping, Some(&authorization), Follow::Everywhere).await?, wants_json).await
    }

    /// The token that a refusal leads to; none if the challenge is not understood or nothing comes of it. Only what fails
    /// without a status is tried again.
    async fn fetch_token(&self, refusal: &Response) -> Option<String> {
        let header = refusal.headers().get(WWW_AUTHENTICATE).and_then(|header| header.to_str().ok());
        let Some(challenge) = header.and_then(understand) else {
            let url = self.at_the_root("/token");
            return if self.is_ghcr() { self.ask_for_token(&url).await.ok().flatten() } else { None };
        };
        let mut url = self.url.join(&challenge.realm).ok()?;
        url.query_pairs_mut().append_pair("service", &challenge.service);
        if let Some(scope) = &challenge.scope {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        let mut pause = FIRST_PAUSE;
        for n in 1..=TOKEN_TRIES {
            match self.ask_for_token(&url).await {
                Ok(token) => return token,
                Err(_) if n == TOKEN_TRIES => {}
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
        None
    }

    /// The token of an answer. An object without one gives the word `null`, as the original has it.
    async fn ask_for_token(&self, url: &Url) -> Result<Option<String>, IoFailure> {
        let answer = get(self.from, url, basic(self.login).as_ref(), Follow::Everywhere).await?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        let body: Value = answer.json().await.map_err(|error| io_failure(&error))?;
        if body.is_null() {
            return Ok(None);
        }
        let body = body.as_object().ok_or_else(|| IoFailure(String::from("the token is no object")))?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let token = match text("token") {
            None if self.is_acr() => text("access_token"),
            token => token,
        };
        Ok(Some(String::from(token.unwrap_or("null"))))
    }

    fn at_the_root(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    // The original looks for these texts anywhere in the URL.
    fn is_ghcr(&self) -> bool {
        self.url.as_str().contains("ghcr.io")
    }

    fn is_acr(&self) -> bool {
        self.url.as_str().contains(".azurecr.")
    }
}

/// A good answer that should be JSON is read; one without content need not be any.
async fn settle(answer: Response, wants_json: bool) -> Result<Ended, IoFailure> {
    let ended = Ended::of(&answer);
    let has_content = !matches!(ended.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    if ended.status.is_success() && wants_json && has_content {
        answer.json::<Value>().await.map_err(|error| io_failure(&error))?;
    }
    Ok(ended)
}
