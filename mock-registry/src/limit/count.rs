//! The layer that counts pulls: which requests count, and what the answer tells about it.
//!
//! Only `GET` of a manifest counts, one each; `HEAD` is told where it stands and never counts. Docker documents one pull for
//! an index and its child together, and its staff said that both are counted against a doubled allowance; here each GET is
//! one. A GET of a manifest that does not exist counts as well, and a refused one does not: neither is documented.
//!
//! Source: facts/registry A4, A5, A7.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method};
use oci::{EndpointKind, PullLimit};
use testbed::journal::Counted;

use super::Standing;
use crate::{auth::Identity, error::RegistryError, exchange::Resolved, state::App};

/// What the headers of an answer say about a limit.
#[derive(Clone, Debug)]
pub(crate) struct RateAnswer(Standing);

/// Counts the request if it is one that counts, and refuses it if nothing is left.
pub(crate) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(standing) = ask(&app, &request) else { return next.run(request).await };
    let mut response = if standing.refused {
        let identity = request.extensions().get::<Identity>();
        RegistryError::TooManyPulls {
            account: identity.and_then(|identity| identity.principal().account().cloned()),
            token: identity.and_then(Identity::token_id).map(str::to_owned),
        }
        .into_response()
    } else {
        next.run(request).await
    };
    response.extensions_mut().insert(standing.counted());
    RateAnswer(standing).write(&mut response);
    response
}

fn ask(app: &App, request: &Request) -> Option<Standing> {
    let resolved = request.extensions().get::<Resolved>()?;
    let identity = request.extensions().get::<Identity>()?;
    let wanted = match *request.method() {
        Method::GET => true,
        Method::HEAD => false,
        _ => return None,
    };
    if resolved.kind() != EndpointKind::Manifest {
        return None;
    }
    app.limiter.ask(&app.settings, identity.principal(), resolved.source, app.clock.now(), wanted)
}

impl Standing {
    fn counted(&self) -> Counted {
        Counted {
            key: self.key.to_string(),
            limit: self.limit.pulls().get(),
            remaining: self.remaining,
            used: self.used,
            refused: self.refused,
        }
    }
}

impl RateAnswer {
    /// `ratelimit-limit: 100;w=21600`, `ratelimit-remaining: 76;w=21600` and `docker-ratelimit-source`.
    fn write(self, response: &mut Response) {
        let Self(Standing { key, limit, remaining, .. }) = self;
        let fields = [
            ("ratelimit-limit", of_window(limit.pulls().get(), limit)),
            ("ratelimit-remaining", of_window(remaining, limit)),
            ("docker-ratelimit-source", key.to_string()),
        ];
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

fn of_window(n_pulls: u32, limit: PullLimit) -> String {
    format!("{n_pulls};w={}", limit.window().as_secs())
}
