//! The flow of a request, in the order in which it meets the layers.
//!
//! Plain functions rather than a stack of middleware: each layer hands its decision on as a value, and the path of a GET
//! boxes nothing and looks nothing up by type. The outermost layer is [`exchange`](crate::exchange), the innermost
//! [`api`](crate::api).

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http_body::Body as _;
use hyper::body::Incoming;
use oci::Principal;
use testbed::{
    journal::Counted,
    rule::Fired,
    server::{Connection, Serve},
};

use crate::{
    api::dispatch,
    auth::{Identity, authorize, compose_refusal},
    error::RegistryError,
    exchange::{Resolved, exchange},
    limit::{Passed, pass, settle},
    rule::{self, Sent},
    state::App,
};

/// The whole of a registry as a service, without a listener.
pub(crate) fn app(state: App) -> impl Serve {
    move |request: http::Request<Incoming>, connection: Connection| {
        let state = state.clone();
        async move {
            let response = exchange(&state, request.map(body), connection).await;
            if let Some(Sent::Nothing) = response.extensions().get() {
                // Until the client has had enough.
                std::future::pending::<()>().await;
            }
            Ok(response)
        }
    }
}

/// What is no body, as that of a GET, is not boxed either.
fn body(incoming: Incoming) -> Body {
    if incoming.is_end_stream() { Body::empty() } else { Body::new(incoming) }
}

/// An answer, and what was decided on the way to it.
pub(crate) struct Answered {
    pub(crate) response: Response,
    pub(crate) principal: Principal,
    pub(crate) rule: Option<Fired>,
    pub(crate) counted: Option<Counted>,
}

impl Answered {
    /// The refusal of a request that nobody looked at further.
    pub(crate) fn refuse(error: RegistryError) -> Self {
        Self { response: error.into_response(), principal: Principal::Anonymous, rule: None, counted: None }
    }
}

/// Identifies who asks, performs the first rule that applies, and lets the registry answer unless the rule does.
pub(crate) async fn answer(app: &App, resolved: &Resolved, request: &mut Request) -> Answered {
    let identity = Identity::read(app, request.headers());
    let rule = rule::decide(app, resolved, &identity, request);
    let ready_made = match &rule {
        // Boxed: what rules do needs no room in every exchange.
        Some(fired) => Box::pin(rule::begin(app, resolved, &identity, fired, request)).await,
        None => None,
    };
    let (response, counted) = match ready_made {
        Some(response) => (response, None),
        None => serve(app, resolved, &identity, request).await,
    };
    Answered { response, principal: identity.into_principal(), rule, counted }
}

/// What the registry itself answers: may the client, is anything left of its limit, and then the endpoint.
async fn serve(
    app: &App,
    resolved: &Resolved,
    identity: &Identity,
    request: &mut Request,
) -> (Response, Option<Counted>) {
    let method = request.method().clone();
    let mut passed = Passed::default();
    let answered = admit(app, resolved, identity, request, &mut passed);
    let mut response = match answered {
        Some(refused) => refused,
        None => match dispatch(app, resolved, identity, request).await {
            Ok(response) => response,
            Err(error) => compose_refusal(app, error),
        },
    };
    let ruling = settle(app, resolved, identity, &method, passed, &mut response);
    (response, ruling.counted())
}

/// Lets a request through to its endpoint: the limits in front, the proof of who asks, the limits behind. Returns the refusal
/// of the first that does not, if one does not.
fn admit(
    app: &App,
    resolved: &Resolved,
    identity: &Identity,
    request: &Request,
    passed: &mut Passed,
) -> Option<Response> {
    if let Some(refused) = pass(app, resolved, identity, request, true, passed) {
        return Some(refused);
    }
    if let Err(error) = authorize(app, resolved, identity, request) {
        return Some(compose_refusal(app, error));
    }
    pass(app, resolved, identity, request, false, passed)
}

#[cfg(test)]
mod tests {
    use testbed::{Clock, Journal, Seed};

    use super::*;
    use crate::{RegistryConfig, config::check, store::Store};

    #[test]
    fn an_exchange_takes_little_room_of_its_connection() {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let settings = check("hub", &RegistryConfig::default()).unwrap();
        let app =
            App::new("hub".into(), settings, Store::in_memory(Seed(1)), clock.clone(), Journal::new(&clock), Seed(1));
        // Thousands of connections that are idle keep this much each.
        let n_bytes = size_of_val(&exchange(&app, Request::default(), Connection::unconnected()));
        assert!(n_bytes <= 2176, "{n_bytes} bytes");
    }
}
