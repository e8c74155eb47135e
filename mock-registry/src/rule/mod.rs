//! The layer that performs rules: who asks what for the how-manieth time, and what a rule does about it.
//!
//! Deciding is the rule book's; here are the counting of attempts and the doing: `before` there is an answer, and to
//! the `answer`. What is done to a body on its way is in [`body`](crate::body). A rule sees a repository as the registry
//! names it, without the registry's URL path. Rules come before authentication, so they see requests that will be refused,
//! and a ready-made answer uses no pull.

mod answer;
mod before;

use std::{
    collections::BTreeMap,
    hash::{Hash as _, Hasher as _},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

pub(crate) use answer::{Sent, change};
pub(crate) use before::begin;

use axum::extract::Request;
use http::{HeaderValue, Method, header};
use oci::Principal;
use rustc_hash::{FxHashMap, FxHasher};
use testbed::rule::{Call, Fired, Occasion};

use crate::{api::query, auth::Identity, exchange::Resolved, state::App};

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

fn occasion(app: &App, resolved: &Resolved, identity: &Identity, request: &Request, attempt: u32) -> Occasion {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: BTreeMap<_, _> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let text = text(value);
            let shown = if name == header::AUTHORIZATION { scheme(&text) } else { &text };
            (name.as_str().to_owned(), shown.to_owned())
        })
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
        connection: resolved.connection,
        host: resolved.host.clone(),
        query: query(request.uri()),
        since_start: app.clock.now().duration_since(app.start).try_into().unwrap_or_default(),
    }
}

/// What of the `Authorization` header is no secret. Without a blank there is no telling where that ends.
fn scheme(authorization: &str) -> &str {
    authorization.split_once(' ').map_or("other", |(scheme, _)| scheme)
}
