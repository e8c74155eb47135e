//! One request: its URL, the proof of who asks, redirects, one answer to a 401, and the attempts of the client's rules.
//!
//! - Nothing is proved before the registry asks for it; what it asked for once is sent with every later request.
//! - A 401 is answered once per request: with a new token, or with the password if the challenge is `Basic`. A second 401
//!   is the outcome, so a registry that refuses every token costs one token request and no more.
//! - Redirects of reads are followed by hand, and `Authorization` goes to the registry's own origin only.
//!
//! How tokens are asked for is told in `login.rs`.
//!
//! Source: facts/registry C1, C2, E4, E5; RFC 9110, "Redirection 3xx".

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, Method, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, IF_NONE_MATCH, LOCATION, RANGE, RETRY_AFTER, USER_AGENT, WARNING,
        WWW_AUTHENTICATE,
    },
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
    client::RequestKind,
    decode::ENCODINGS,
    failure::{Trouble, shown},
    session::{Attempts, Session},
    token::Token,
    words::ErrorAnswer,
};

/// How long the head of an answer may take, in wire time, unless told otherwise.
const HEAD_DEADLINE: Duration = Duration::from_secs(60);
/// How long a body that is read as a whole may take, in wire time.
const BODY_DEADLINE: Duration = Duration::from_secs(60);
/// The most of an error's or a token's body that is read.
pub(crate) const MAX_SMALL_BODY_BYTES: usize = 64 * 1024;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) kind: RequestKind,
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Values of `Accept`, each a line.
    pub(crate) accept: Vec<String>,
    pub(crate) range: Option<RangeRequest>,
    /// Whether the body may come compressed.
    pub(crate) takes_encoded: bool,
    /// The `ETag` of what is here already.
    pub(crate) unless: Option<String>,
    pub(crate) body: Option<(MediaType, Bytes)>,
}

impl Ask {
    /// Asks with `method` and nothing else.
    pub(crate) fn new(kind: RequestKind, method: Method, url: Url) -> Self {
        Self { kind, method, url, accept: Vec::new(), range: None, takes_encoded: false, unless: None, body: None }
    }

    /// Names the request for people: `GET /v2/…`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.url.path())
    }
}

/// What shows who asks.
#[derive(Clone)]
pub(crate) enum Proof {
    Nothing,
    Password,
    Token(Arc<Token>),
}

/// Where a request ended up.
pub(crate) struct Reached {
    pub(crate) response: Response,
    /// The URL that answered.
    pub(crate) url: Url,
    /// Not redirected to another origin.
    pub(crate) is_home: bool,
}

impl Session {
    /// Makes a request as often as the client's rules allow, and returns its successful answer.
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

    /// Makes a request once, authentication and redirects included. A 2xx is a success, a 416 if a range was asked for, and
    /// a 304 if there was something to compare with.
    pub(crate) async fn exchange(&self, participant: &Participant, ask: &Ask) -> Result<Response, Trouble> {
        let proof = self.known_proof(participant).await?;
        let reached = self.follow(participant, ask, &self.registry, &proof).await?;
        if reached.response.status() != StatusCode::UNAUTHORIZED {
            return self.check(ask, reached).await;
        }
        let challenges = challenges(reached.response.headers());
        let (home, url) = (reached.is_home, reached.url.clone());
        let refused = self.trouble(ask, reached).await;
        let (again, origin, proof) = if home {
            let Some(proof) = self.answer(participant, &challenges, &proof).await? else { return Err(refused) };
            (ask.clone(), self.registry.clone(), proof)
        } else {
            let Some(proof) = self.answer_elsewhere(participant, &challenges, &url).await? else { return Err(refused) };
            (Ask { url: url.clone(), ..ask.clone() }, url, proof)
        };
        let again = async { self.check(&again, self.follow(participant, &again, &origin, &proof).await?).await };
        again.await.map_err(|trouble| Trouble { was_challenged: true, ..trouble })
    }

    /// Makes the request, and makes it again where a redirect points; `proof` goes to the origin of `home` only.
    pub(crate) async fn follow(
        &self,
        participant: &Participant,
        ask: &Ask,
        home: &Url,
        proof: &Proof,
    ) -> Result<Reached, Trouble> {
        let redirects = &self.profile.redirects;
        let mut url = ask.url.clone();
        for _ in 0..=redirects.most {
            let is_home = url.origin() == home.origin();
            if is_home {
                self.wait_for_pause(participant).await;
            }
            let request = self.from.request(ask.method.clone(), &url).map_err(|error| Trouble::dial(&error))?;
            let request = headers(request, ask).header(USER_AGENT, &self.profile.user_agent);
            let request = if is_home { self.prove(request, proof) } else { request };
            self.cost.add_request(ask.kind);
            let deadline = self.timeout.unwrap_or(HEAD_DEADLINE);
            let Ok(answered) = timeout(deadline, request.send()).await else {
                let message = format!("{} {}: no answer for {deadline:?}", ask.method, shown(&url));
                return Err(Trouble::network(message));
            };
            let response = answered.map_err(|error| Trouble::of_request(&ask.method, &url, error))?;
            match redirect_target(ask, &url, &response) {
                Some(target) if url.scheme() == "https" && target.scheme() == "http" && !redirects.to_plain_http => {
                    let message = format!("{} {}: redirected to plain http", ask.method, shown(&url));
                    return Err(Trouble::last(FailureKind::Protocol, message));
                }
                Some(target) => url = target,
                None => return Ok(Reached { response, url, is_home }),
            }
        }
        let message = format!("{} {}: stopped after {} redirects", ask.method, shown(&ask.url), redirects.most);
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

    pub(crate) async fn check(&self, ask: &Ask, reached: Reached) -> Result<Response, Trouble> {
        let status = reached.response.status();
        let is_unsatisfied_range = ask.range.is_some() && status == StatusCode::RANGE_NOT_SATISFIABLE;
        let is_unchanged = ask.unless.is_some() && status == StatusCode::NOT_MODIFIED;
        if !(status.is_success() || is_unsatisfied_range || is_unchanged) {
            return Err(self.trouble(ask, reached).await);
        }
        self.succeeded();
        if self.profile.shows_warnings {
            for value in reached.response.headers().get_all(WARNING) {
                // Others than 299 are of caches, and long gone.
                if let Some(text) = value.to_str().ok().filter(|text| text.starts_with("299 ")) {
                    self.cost.add_warning(text);
                }
            }
        }
        Ok(reached.response)
    }

    /// Reads what an error answer has to say.
    pub(crate) async fn trouble(&self, ask: &Ask, reached: Reached) -> Trouble {
        let Reached { mut response, url, .. } = reached;
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
            method: &ask.method,
            url: &url,
            status: response.status(),
            is_json: content_type.contains("json"),
            challenges: &challenges,
            body: &body,
        };
        Trouble::of_answer(&answer, retry_after, &self.profile)
    }

    /// The `Accept` of this client.
    pub(crate) fn accept(&self) -> Vec<String> {
        let types = self.profile.accept.iter().map(ToString::to_string);
        let types: Vec<_> = types.chain(self.profile.accepts_anything.then(|| String::from("*/*"))).collect();
        if self.profile.joins_accept { vec![types.join(", ")] } else { types }
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
            response.chunk().await.map_err(|error| Trouble::of_body(&ask.method, &ask.url, error))?
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
        Err(_) => return Err(Trouble::cut(format!("{}: no whole body for {BODY_DEADLINE:?}", ask.name()))),
    }
    Ok(body.freeze())
}

/// The value of a header, if it is text.
pub(crate) fn text(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn headers(mut request: RequestBuilder, ask: &Ask) -> RequestBuilder {
    for accept in &ask.accept {
        request = request.header(ACCEPT, accept);
    }
    if let Some(range) = ask.range {
        request = request.header(RANGE, range.to_string());
    }
    if ask.takes_encoded {
        request = request.header(ACCEPT_ENCODING, ENCODINGS);
    }
    if let Some(tag) = &ask.unless {
        request = request.header(IF_NONE_MATCH, tag);
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

pub(crate) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(Challenge::parse_all).collect()
}
