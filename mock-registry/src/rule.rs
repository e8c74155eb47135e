//! The layer that performs rules: who asks what for the how-manieth time, and what a rule does about it.
//!
//! Deciding is the rule book's; here are the doing and the counting of attempts. A rule sees a repository as the registry
//! names it, without the registry's URL path. Rules come before authentication, so they see requests that will be refused,
//! and a ready-made answer uses no pull.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body::Body as _;
use oci::Principal;
use testbed::{
    rule::{Action, Answer, Call, Fired, Occasion},
    server::End,
};

use crate::{auth::Identity, body::BodyFault, error::AnsweredError, exchange::Resolved, state::App};

/// When there are this many different requests, counting begins anew: a bound on memory.
const MAX_COUNTED: usize = 100_000;

/// The name of the rule that was applied, left on the response.
#[derive(Clone, Debug)]
pub(crate) struct AppliedRule {
    /// The rule's name.
    pub(crate) name: String,
    /// Whether it gave the answer, which is then sent as it was written.
    pub(crate) is_answer: bool,
}

/// How often each principal at each address asked exactly the same, by a hash of all that. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(Arc<Mutex<HashMap<u64, u32>>>);

impl Attempts {
    /// Counts this request, and returns how many there were with it.
    fn count(&self, principal: &Principal, source: IpAddr, method: &Method, path: &str) -> u32 {
        // Always the same hash: it decides nothing of value, and one seed gives one journal.
        let mut hasher = DefaultHasher::new();
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

/// Identifies who asks, and performs the first rule that applies.
pub(crate) async fn rule(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let identity = Identity::read(&app, &head.headers);
    let fired = head.extensions.get::<Resolved>().and_then(|resolved| decide(&app, resolved, &identity, &head));
    head.extensions.insert(identity.clone());
    let request = Request::from_parts(head, body);

    let mut response = match fired.as_ref().map(|fired| &fired.action) {
        None => next.run(request).await,
        Some(Action::Answer(answer)) => compose_answer(answer),
        Some(Action::Delay(delay)) => {
            tokio::time::sleep(delay.duration).await;
            next.run(request).await
        }
        Some(Action::ExpireToken) => {
            if let Some(token) = identity.token_id() {
                app.tokens.revoke(token);
            }
            next.run(request).await
        }
        Some(Action::Cut(cut)) => spoil(next.run(request).await, |length| BodyFault {
            cut: Some((cut.after.in_body(length), End::Close)),
            ..BodyFault::default()
        }),
        Some(Action::Reset(cut)) => spoil(next.run(request).await, |length| BodyFault {
            cut: Some((cut.after.in_body(length), End::Reset)),
            ..BodyFault::default()
        }),
        Some(Action::Corrupt(corrupt)) => spoil(next.run(request).await, |length| BodyFault {
            // A place at the end is the last byte: a rule that fires changes something.
            corrupt: Some(corrupt.at.in_body(length).min(length.saturating_sub(1))),
            ..BodyFault::default()
        }),
    };
    if let Some(fired) = fired {
        let is_answer = matches!(fired.action, Action::Answer(_));
        response.extensions_mut().insert(AppliedRule { name: fired.name, is_answer });
    }
    response.extensions_mut().insert(identity);
    response
}

fn decide(app: &App, resolved: &Resolved, identity: &Identity, head: &Parts) -> Option<Fired> {
    // Counted without rules too: one that is added later asks for all attempts. What is no endpoint is not counted: there
    // are no bounds on what such requests look like.
    let attempt = match resolved.endpoint {
        Ok(_) => app.attempts.count(identity.principal(), resolved.source, &head.method, &resolved.path),
        Err(_) => 1,
    };
    if app.rules.is_empty() {
        return None;
    }
    app.rules.decide(&occasion(app, resolved, identity, head, attempt))
}

fn occasion(app: &App, resolved: &Resolved, identity: &Identity, head: &Parts, attempt: u32) -> Occasion {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: BTreeMap<_, _> = head
        .headers
        .iter()
        .filter(|(name, _)| *name != header::AUTHORIZATION)
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    Occasion {
        call: Call::Registry(resolved.kind()),
        method: head.method.to_string(),
        repository: resolved.repository.clone(),
        reference: resolved.reference(),
        layer: resolved.layer_number(app),
        source: resolved.source,
        user_agent: head.headers.get(header::USER_AGENT).map(text),
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

fn spoil(mut response: Response, fault: impl FnOnce(u64) -> BodyFault) -> Response {
    let length = response.body().size_hint().exact().unwrap_or_default();
    response.extensions_mut().insert(fault(length));
    response
}
