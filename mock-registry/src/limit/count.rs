//! The layer that counts pulls: which requests count, and what the answer tells about it.
//!
//! Only `GET` of a manifest counts, one each; `HEAD` is told where it stands and never counts. Docker documents one pull for
//! an index and its child together, and its staff said that both are counted against a doubled allowance; here each GET is
//! one. A GET of a manifest that does not exist counts as well, and a refused one does not: neither is documented.
//!
//! Source: facts/registry A4, A5, A7.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use oci::{EndpointKind, PullLimit};
use testbed::journal::Counted;

use super::Standing;
use crate::{auth::Identity, exchange::Resolved, header::header_value, state::App};

/// Where the client stands after this request, which uses up a pull if it is one; `None`: it is about no limit.
pub(crate) fn limit(app: &App, resolved: &Resolved, identity: &Identity, method: &Method) -> Option<Standing> {
    if resolved.kind() != EndpointKind::Manifest {
        return None;
    }
    let wanted = match *method {
        Method::GET => true,
        Method::HEAD => false,
        _ => return None,
    };
    app.limiter.ask(&app.settings, identity.principal(), resolved.source, app.clock.now(), wanted)
}

impl Standing {
    /// Writes what the client is told, and returns what the journal is: `ratelimit-limit: 100;w=21600`,
    /// `ratelimit-remaining: 76;w=21600` and `docker-ratelimit-source`.
    pub(crate) fn tell(self, headers: &mut HeaderMap) -> Counted {
        const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
        const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
        const SOURCE: HeaderName = HeaderName::from_static("docker-ratelimit-source");

        let Self { limit_name, source, limit, remaining, used, refused } = self;
        headers.insert(LIMIT, of_window(limit.pulls().get(), limit));
        headers.insert(REMAINING, of_window(remaining, limit));
        headers.insert(SOURCE, header_value(&*source));
        Counted { limit_name, key: source, limit: limit.pulls().get(), remaining, used, refused }
    }
}

fn of_window(n_pulls: u32, limit: PullLimit) -> HeaderValue {
    let (mut pulls, mut seconds) = (itoa::Buffer::new(), itoa::Buffer::new());
    let text = [pulls.format(n_pulls), ";w=", seconds.format(limit.window().as_secs())].concat();
    // Digits and `;w=`.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
