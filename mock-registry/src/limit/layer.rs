//! The layer that asks the limits: once before a client is identified, as a load balancer does, and once behind that; and the
//! refusal that comes of it.
//!
//! A GET of a manifest that does not exist counts too, and a refused request does not, unless the limit says so: neither is
//! documented anywhere.
//!
//! Source: facts/registry A4, A5, A7, A8.

use std::net::IpAddr;

use axum::{extract::Request, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use oci::{EndpointKind, MediaType};
use testbed::{
    clock::{Timestamp, after, http_date},
    dialect::Facts,
};

use super::{Asked, Permits, Ruling, Settled, Standing, told::seconds};
use crate::{
    Protocol, RetryAfterForm,
    api::UpstreamSaid,
    auth::{Identity, Proof},
    dialects::compose,
    exchange::Resolved,
    state::App,
};

/// What the limits said of a request that is not refused so far, or was.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) ruling: Ruling,
    permits: Option<Permits>,
}

/// Asks the limits of one place; returns the answer of the first that refuses, if one does.
pub(crate) fn pass(
    app: &App,
    resolved: &Resolved,
    identity: &Identity,
    request: &Request,
    before_auth: bool,
    passed: &mut Passed,
) -> Option<Response> {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let account_name = identity.principal().account();
    let (account, account_limit) = match account_name {
        Some(name) => app.accounts.limit_of(name),
        None => (None, None),
    };
    let asked = Asked {
        kind: resolved.kind(),
        method: request.method(),
        repository: resolved.repository.as_ref(),
        account_name,
        account,
        account_limit,
        source: resolved.source,
        forwarded_for: forwarded_for(headers),
        connection: resolved.connection,
        protocol: if request.version() == Version::HTTP_2 { Protocol::Http2 } else { Protocol::Http1 },
        token: identity.token_id(),
        authorization: text(header::AUTHORIZATION),
    };
    let now = app.clock.now();
    app.limiter.pass(&asked, before_auth, now, &mut passed.ruling);
    if passed.permits.is_none() {
        passed.permits = Permits::of(&app.limiter, &passed.ruling);
    }
    passed.ruling.refusal().map(|standing| refuse(standing, identity, now))
}

/// Settles what only the answer tells, and writes the headers into it.
pub(crate) fn settle(
    app: &App,
    resolved: &Resolved,
    identity: &Identity,
    method: &Method,
    passed: Passed,
    response: &mut Response,
) -> Ruling {
    let Passed { mut ruling, permits } = passed;
    if let Some(UpstreamSaid(mut said)) = response.extensions_mut().remove::<UpstreamSaid>() {
        ruling.standings.append(&mut said.standings);
    }
    if ruling.standings.is_empty() {
        return ruling;
    }
    let now = app.clock.now();
    let is_token = resolved.kind() == EndpointKind::Token;
    let status = response.status();
    let is_refused = status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN;
    let shows_password = matches!(identity.proof(), Proof::Password) || (is_token && *method == Method::POST);
    let answer = Settled {
        n_bytes: http_body::Body::size_hint(response.body())
            .exact()
            .filter(|_| *method != Method::HEAD)
            .unwrap_or_default(),
        is_index: is_index(response.headers()),
        is_failed_login: matches!(identity.proof(), Proof::WrongPassword) || (is_token && is_refused && shows_password),
        is_login: shows_password && status.is_success(),
    };
    app.limiter.settle(&mut ruling, answer, now);
    ruling.write_headers(now, response.headers_mut());
    if let Some(permits) = permits {
        response.extensions_mut().insert(permits);
    }
    ruling
}

fn is_index(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type
        .and_then(|text| text.parse::<MediaType>().ok())
        .is_some_and(|media_type| media_type == MediaType::OCI_INDEX || media_type == MediaType::DOCKER_MANIFEST_LIST)
}

/// The refusal, in the dialect of the limit.
fn refuse(standing: &Standing, identity: &Identity, now: Timestamp) -> Response {
    let facts = Facts {
        account: identity.principal().account().map(ToString::to_string),
        token_id: identity.token_id().map(str::to_owned),
        name: Some(standing.name.to_string()),
        retry_after: Some(standing.wait),
        limit: standing.window.map(|window| (standing.units, window)),
        now,
    };
    let mut response = compose(&standing.config.answer, &facts);
    if let Some(value) = retry_after(&standing.config.retry_after, standing, now) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn retry_after(form: &RetryAfterForm, standing: &Standing, now: Timestamp) -> Option<HeaderValue> {
    let until = || after(now, std::time::Duration::from_secs(seconds(standing.wait)));
    match form {
        RetryAfterForm::None => None,
        RetryAfterForm::Seconds => Some(seconds(standing.wait).into()),
        RetryAfterForm::HttpDate => HeaderValue::try_from(http_date(until())).ok(),
        RetryAfterForm::Epoch => Some(until().as_second().into()),
        RetryAfterForm::Text(text) => HeaderValue::try_from(text).ok(),
    }
}

/// The first address that proxies tell of.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("x-forwarded-for")?.to_str().ok()?.split(',').next()?.trim().parse().ok()
}
