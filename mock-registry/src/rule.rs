//! The layer that performs rules: who asks what for the how-manieth time, and what a rule does about it.
//!
//! Deciding is the rule book's; here are the doing and the counting of attempts. A rule sees a repository as the registry
//! names it, without the registry's URL path. Rules come before authentication, so they see requests that will be refused,
//! and a ready-made answer uses no pull.

use std::{
    collections::BTreeMap,
    hash::{Hash as _, Hasher as _},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use oci::Principal;
use rustc_hash::{FxHashMap, FxHasher};
use testbed::rule::{Action, Answer, Call, Fired, Occasion};

use crate::{auth::Identity, error::AnsweredError, exchange::Resolved, state::App};

/// When there are this many different requests, counting begins anew: a bound on memory.
const MAX_COUNTED: usize = 100_000;

/// How often each principal at each address asked exactly the same, by a hash of all that. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(Arc<Mutex<FxHashMap<u64, u32>>>);

impl Attempts {
    /// Counts this request, and returns how many there were with it.
    fn count(&self, principal: &Principal, source: IpAddr, method: &Method, path: &str) -> u32 {
        // Always the same hash: it decides nothing of value, and one seed gives one journal.
        let mut hasher = FxHasher::default();
        (principal, source, method, path).hash(&mut hasher);
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() >= MAX_COUNTED {
            attempts.clear();
        }
        let n = attempts.entry(hasher.finish()).or_default();
        *n = n.saturating_add(1);
        *n
    }
}

/// The rule that applies to the request, if one does. Counts the attempt.
pub(crate) fn decide(app: &App, resolved: &Resolved, identity: &Identity, request: &Request) -> Option<Fired> {
    // Counted without rules too: one that is added later asks for all attempts. What is no endpoint is not counted: there
    // are no bounds on what such requests look like.
    let attempt = match resolved.endpoint {
        Ok(_) => app.attempts.count(identity.principal(), resolved.source, request.method(), resolved.path()),
        Err(_) => 1,
    };
    if app.rules.is_empty() {
        return None;
    }
    app.rules.decide(&occasion(app, resolved, identity, request, attempt))
}

/// Does what comes before the registry's own answer, and returns the rule's answer if that takes its place.
pub(crate) async fn begin(app: &App, identity: &Identity, fired: &Fired) -> Option<Response> {
    match &fired.action {
        Action::Answer(answer) => return Some(compose_answer(answer)),
        Action::Delay(delay) => tokio::time::sleep(delay.duration).await,
        Action::ExpireToken => {
            if let Some(token) = identity.token_id() {
                app.tokens.revoke(token);
            }
        }
        Action::Cut(_) | Action::Reset(_) | Action::Corrupt(_) => {}
    }
    None
}

fn occasion(app: &App, resolved: &Resolved, identity: &Identity, request: &Request, attempt: u32) -> Occasion {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: BTreeMap<_, _> = request
        .headers()
        .iter()
        .filter(|(name, _)| *name != header::AUTHORIZATION)
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    Occasion {
        call: Call::Registry(resolved.kind()),
        method: request.method().clone(),
        repository: resolved.repository.clone(),
        reference: resolved.reference(),
        layer: resolved.layer_number(app),
        source: resolved.source,
        user_agent: request.headers().get(header::USER_AGENT).map(text),
        headers,
        attempt,
        principal: identity.principal().clone(),
    }
}

fn compose_answer(answer: &Answer) -> Response {
    let body = match (&answer.body, &answer.json) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(json)) => json.to_string().into_bytes(),
        (None, None) => Vec::new(),
    };
    let code = oci::ErrorBody::parse(&body).and_then(|body| body.first().map(|entry| entry.code.clone()));
    let mut response = Response::new(Body::from(body));
    // The configuration was checked; the book can also be filled by hand.
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if answer.json.is_some() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(code) = code {
        response.extensions_mut().insert(AnsweredError(code));
    }
    response
}
