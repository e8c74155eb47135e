//! Who may come in.
//!
//! On loopback everyone on this machine may, but no web page: a browser's request from another page names its `Origin`, and one
//! that was led here by a foreign name has that in `Host`. From elsewhere a token is needed.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, StatusCode, header};
use testbed::Secret;
use thiserror::Error;

use super::error::ApiError;

/// Who may use the control API.
#[derive(Clone, Debug)]
pub struct Guard {
    token: Option<Secret>,
}

/// A control API that everyone in the network could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the control API at {0} can be reached from other machines, and has no token")]
pub struct Unguarded(pub SocketAddr);

impl Guard {
    /// The guard of an API that listens `at`.
    ///
    /// # Errors
    /// Other machines reach it, and there is no token.
    pub fn new(at: SocketAddr, token: Option<Secret>) -> Result<Self, Unguarded> {
        let token = token.filter(|token| !token.expose().is_empty());
        if token.is_none() && !at.ip().is_loopback() {
            return Err(Unguarded(at));
        }
        Ok(Self { token })
    }

    /// Lets a request with `headers` in.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(token) = &self.token else {
            let host = text(header::HOST).unwrap_or_default();
            if !is_own_name(host) {
                let message = format!("`{host}` is no name of this machine");
                let error = ApiError::new(StatusCode::FORBIDDEN, "foreign-host", message);
                return Err(error.hint("ask by address, or start with a token"));
            }
            if text(header::ORIGIN).is_some_and(|origin| origin != format!("http://{host}")) {
                let error = ApiError::new(StatusCode::FORBIDDEN, "foreign-page", "web pages may not control this");
                return Err(error.hint("start with a token"));
            }
            return Ok(());
        };
        let given = text(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
        match given {
            Some((scheme, given)) if scheme.eq_ignore_ascii_case("bearer") && is_same(given.trim(), token.expose()) => {
                Ok(())
            }
            Some(_) => Err(unauthorized("this is not the token")),
            None => Err(unauthorized("a token is needed")),
        }
    }
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
        .hint("send `Authorization: Bearer TOKEN`, the token that `serve --control-token` was given")
}

/// Whether a client that writes `host` surely means this machine: an address, or `localhost`.
fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    // HTTP/1.0 has no such header, and browsers do not speak it.
    name.is_empty() || name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// Compares in a time that tells nothing but the length.
fn is_same(given: &str, token: &str) -> bool {
    let differences = given.bytes().zip(token.bytes()).fold(0, |sum, (given, token)| sum | (given ^ token));
    given.len() == token.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn admits(token: Option<&str>, headers: &[(&'static str, &'static str)]) -> bool {
        let guard = Guard::new(testbed::server::ANY_PORT, token.map(Secret::new)).unwrap();
        let headers =
            headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        guard.admit(&headers.collect()).is_ok()
    }

    #[test]
    fn other_machines_need_a_token() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 7878));
        assert_eq!(Guard::new(everywhere, None).unwrap_err(), Unguarded(everywhere));
        assert!(Guard::new(everywhere, Some(Secret::new(""))).is_err());
        assert!(Guard::new(everywhere, Some(Secret::new("x"))).is_ok());
        assert!(admits(Some("abc"), &[("authorization", "bearer abc")]));
        for wrong in ["Bearer abd", "Bearer ab", "Basic abc", "abc"] {
            assert!(!admits(Some("abc"), &[("authorization", wrong)]), "{wrong}");
        }
        assert!(!admits(Some("abc"), &[]));
    }

    #[test]
    fn web_pages_stay_out() {
        assert!(admits(None, &[("host", "127.0.0.1:7878")]));
        assert!(admits(None, &[("host", "[::1]:7878")]));
        assert!(admits(None, &[("host", "localhost")]));
        assert!(!admits(None, &[("host", "rebound.example:7878")]));
        assert!(!admits(None, &[("host", "localhost:7878"), ("origin", "https://evil.example")]));
    }
}
