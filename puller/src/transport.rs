//! One request: its URL, the proof of who asks, redirects, one answer to a 401, and the attempts of the retry policy.
//!
//! - Nothing is proved before the registry asks for it; what it asked for once is sent with every later request.
//! - A 401 is answered once per request: with a new token, or with the password if the challenge is `Basic`. A second 401
//!   is the outcome, so a registry that refuses every token costs one token request and no more.
//! - Redirects of reads are followed by hand, at most ten, and `Authorization` goes to the registry's own origin only.
//!
//! Source: facts/registry C1, C2, E4, E5; RFC 9110, "Redirection 3xx".

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, LOCATION, RANGE, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE},
};
use oci::{Challenge, MediaType, RangeRequest};
use reqwest::{RequestBuilder, Response};
use testbed::{
    clock::Participant,
    task::{FailureKind, PullFailure},
};
use tokio::time::timeout;
use url::Url;

use crate::{
    client::{Cause, RequestKind},
    failure::{ErrorAnswer, Trouble, shown},
    session::{Attempts, Login, Session},
    token::{Token, TokenKey, choose, may_send_credentials},
};

/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 10;
/// How long the head of an answer may take, in wire time.
const HEAD_DEADLINE: Duration = Duration::from_secs(60);
/// How long a body that is read as a whole may take, in wire time.
const BODY_DEADLINE: Duration = Duration::from_secs(60);
/// The most of an error's or a token's body that is read.
const MAX_SMALL_BODY_BYTES: usize = 64 * 1024;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) kind: RequestKind,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: Option<String>,
    pub(crate) range: Option<RangeRequest>,
    pub(crate) body: Option<(MediaType, Bytes)>,
}

impl Ask {
    /// Asks with `method` and nothing else.
    pub(crate) fn new(kind: RequestKind, method: Method, url: Url) -> Self {
        Self { kind, method, url, accept: None, range: None, body: None }
    }

    /// Names the request for people: `GET /v2/…`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.url.path())
    }
}

/// What shows who asks.
enum Proof {
    Nothing,
    Password,
    Token(Arc<Token>),
}

/// Where a request ended up.
struct Reached {
    response: Response,
    /// Not redirected to another origin.
    is_home: bool,
}

impl Session {
    /// Makes a request as often as the policy allows, and returns its successful answer.
    ///
    /// # Errors
    /// The last attempt's failure.
    pub(crate) async fn send(&self, participant: &Participant, ask: &Ask) -> Result<Response, PullFailure> {
        let mut attempts = Attempts::new(self, participant, ask);
        loop {
            match self.exchange(participant, ask).await {
                Ok(response) => return Ok(response),
                Err(trouble) => attempts.wait_after(trouble).await?,
            }
        }
    }

    /// Makes a request once, authentication and redirects included. A 2xx is a success, and a 416 if a range was asked
    /// for.
    pub(crate) async fn exchange(&self, participant: &Participant, ask: &Ask) -> Result<Response, Trouble> {
        let proof = self.known_proof(participant).await?;
        let Reached { response, is_home } = self.follow(ask, &self.registry, &proof).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !is_home {
            return self.check(ask, response).await;
        }
        let challenges = challenges(response.headers());
        let refused = self.trouble(response).await;
        let Some(proof) = self.answer(participant, &challenges, &proof).await? else { return Err(refused) };
        let Reached { response, .. } = self.follow(ask, &self.registry, &proof).await?;
        self.check(ask, response).await
    }

    /// The proof that the registry is known to want, renewed if it has expired.
    async fn known_proof(&self, participant: &Participant) -> Result<Proof, Trouble> {
        match self.login() {
            Login::Unasked => Ok(Proof::Nothing),
            Login::Basic => Ok(Proof::Password),
            Login::Bearer(key) => self.token(participant, &key, None).await.map(Proof::Token),
        }
    }

    /// What to send after a 401 to `sent`; nothing if there is no more to send.
    async fn answer(
        &self,
        participant: &Participant,
        challenges: &[Challenge],
        sent: &Proof,
    ) -> Result<Option<Proof>, Trouble> {
        let key = match (choose(challenges), self.login()) {
            (Some(Challenge::Bearer { realm, service, scope, .. }), _) => {
                TokenKey::of(realm, service.as_deref(), scope.as_deref(), &self.scope)?
            }
            (Some(_), _) if self.credentials.is_some() && !matches!(sent, Proof::Password) => {
                self.set_login(Login::Basic);
                return Ok(Some(Proof::Password));
            }
            // Some registries forget the challenge on a 401 for a token that has expired (facts/registry C2, gcr.io).
            (None, Login::Bearer(key)) => key,
            _ => return Ok(None),
        };
        self.set_login(Login::Bearer(key.clone()));
        let rejected = match sent {
            Proof::Token(token) => Some(&**token),
            Proof::Nothing | Proof::Password => None,
        };
        self.token(participant, &key, rejected).await.map(|token| Some(Proof::Token(token)))
    }

    async fn token(
        &self,
        participant: &Participant,
        key: &TokenKey,
        rejected: Option<&Token>,
    ) -> Result<Arc<Token>, Trouble> {
        let fetched = self.tokens.get(participant, key, rejected, self.fetch_token(participant, key)).await;
        // These were attempts of a request of their own: the one that needs the token must not repeat them.
        fetched.map_err(|failure| Trouble { failure, cause: Cause::Final, retry_after: None })
    }

    /// Asks the token service, with the credentials if there are any.
    async fn fetch_token(&self, participant: &Participant, key: &TokenKey) -> Result<Token, PullFailure> {
        let account = self.credentials.as_ref().map(|credentials| credentials.username.as_str());
        if account.is_some() && !may_send_credentials(&self.registry, &key.realm) {
            let message = format!(
                "unauthorized: the token service {} is plain http: the password for {} is not sent there",
                shown(&key.realm),
                self.registry.host_str().unwrap_or_default(),
            );
            return Err(Trouble::last(FailureKind::Unauthorized, message).failure);
        }
        let proof = if account.is_some() { Proof::Password } else { Proof::Nothing };
        let ask = Ask::new(RequestKind::Token, Method::GET, key.url(account));
        let mut attempts = Attempts::new(self, participant, &ask);
        loop {
            match self.try_token(&ask, &key.realm, &proof).await {
                Ok(token) => return Ok(token),
                Err(trouble) => attempts.wait_after(trouble).await?,
            }
        }
    }

    async fn try_token(&self, ask: &Ask, realm: &Url, proof: &Proof) -> Result<Token, Trouble> {
        let Reached { response, .. } = self.follow(ask, realm, proof).await?;
        let response = self.check(ask, response).await?;
        let body = read_whole(ask, response, MAX_SMALL_BODY_BYTES).await?;
        Token::parse(&body, self.clock.now())
    }

    /// Makes the request, and makes it again where a redirect points; `proof` goes to the origin of `home` only.
    async fn follow(&self, ask: &Ask, home: &Url, proof: &Proof) -> Result<Reached, Trouble> {
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let is_home = url.origin() == home.origin();
            let request = self.from.request(ask.method.clone(), &url).map_err(|error| Trouble::dial(&error))?;
            let request = headers(request, ask).header(USER_AGENT, &self.profile.user_agent);
            let request = if is_home { self.prove(request, proof) } else { request };
            let Ok(answered) = timeout(HEAD_DEADLINE, request.send()).await else {
                let message = format!("{} {}: no answer for {HEAD_DEADLINE:?}", ask.method, shown(&url));
                return Err(Trouble::network(message));
            };
            let response = answered.map_err(|error| Trouble::of_request(&ask.method, &url, error))?;
            match redirect_target(ask, &url, &response) {
                Some(target) => url = target,
                None => return Ok(Reached { response, is_home }),
            }
        }
        let message = format!("{} {}: stopped after {MAX_REDIRECTS} redirects", ask.method, shown(&ask.url));
        Err(Trouble::last(FailureKind::Protocol, message))
    }

    fn prove(&self, request: RequestBuilder, proof: &Proof) -> RequestBuilder {
        match (proof, &self.credentials) {
            (Proof::Token(token), _) => request.bearer_auth(token.value.expose()),
            (Proof::Password, Some(credentials)) => {
                request.basic_auth(&credentials.username, Some(credentials.password.expose()))
            }
            (Proof::Password, None) | (Proof::Nothing, _) => request,
        }
    }

    async fn check(&self, ask: &Ask, response: Response) -> Result<Response, Trouble> {
        let status = response.status();
        let is_unsatisfied_range = ask.range.is_some() && status == StatusCode::RANGE_NOT_SATISFIABLE;
        if status.is_success() || is_unsatisfied_range { Ok(response) } else { Err(self.trouble(response).await) }
    }

    /// Reads what an error answer has to say.
    async fn trouble(&self, mut response: Response) -> Trouble {
        let headers = response.headers();
        let retry_after = text(headers, RETRY_AFTER).map(String::from);
        let content_type = text(headers, CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        let challenges = challenges(headers);
        let mut body = BytesMut::new();
        // Half an error is told as far as it came.
        let _ = timeout(BODY_DEADLINE, async {
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk[..chunk.len().min(MAX_SMALL_BODY_BYTES - body.len())]);
                if body.len() == MAX_SMALL_BODY_BYTES {
                    break;
                }
            }
        })
        .await;
        let answer = ErrorAnswer {
            status: response.status(),
            is_json: content_type.contains("json"),
            challenges: &challenges,
            body: &body,
        };
        Trouble::of_answer(&answer, retry_after)
    }
}

/// Reads a body that has to fit into `max` bytes.
pub(crate) async fn read_whole(ask: &Ask, mut response: Response, max: usize) -> Result<Bytes, Trouble> {
    let too_large = || {
        let message = format!("{}: the answer has more than {max} bytes", ask.name());
        Trouble::last(FailureKind::Protocol, message)
    };
    if response.content_length().is_some_and(|n_bytes| n_bytes > max as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    let reading = async {
        while let Some(chunk) =
            response.chunk().await.map_err(|error| Trouble::of_request(&ask.method, &ask.url, error))?
        {
            if chunk.len() > max - body.len() {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match timeout(BODY_DEADLINE, reading).await {
        Ok(read) => read?,
        Err(_) => return Err(Trouble::network(format!("{}: no whole body for {BODY_DEADLINE:?}", ask.name()))),
    }
    Ok(body.freeze())
}

/// The value of a header, if it is text.
pub(crate) fn text(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn headers(mut request: RequestBuilder, ask: &Ask) -> RequestBuilder {
    if let Some(accept) = &ask.accept {
        request = request.header(ACCEPT, accept);
    }
    if let Some(range) = ask.range {
        request = request.header(RANGE, range.to_string());
    }
    if let Some((media_type, body)) = &ask.body {
        request = request.header(CONTENT_TYPE, media_type.as_str()).body(body.clone());
    }
    request
}

fn redirect_target(ask: &Ask, url: &Url, response: &Response) -> Option<Url> {
    let is_read = matches!(ask.method, Method::GET | Method::HEAD);
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = text(response.headers(), LOCATION).filter(|_| is_read && is_redirect)?;
    url.join(location).ok()
}

fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(Challenge::parse_all).collect()
}
