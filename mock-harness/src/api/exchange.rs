//! The outermost layer: who asks, what rules say, what is answered, one journal event per exchange.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderValue, StatusCode, header};
use oci::Principal;
use serde_json::Value;
use testbed::{
    Event,
    journal::{Exchange, Subject},
    rule::{Call, Occasion},
    server::Connection,
};

use super::{
    app::operation,
    auth::{Caller, identify},
    envelope::Reply,
    limit,
    params::Params,
    rule::{self, Instead},
};
use crate::platform::Platform;

pub(super) async fn around(State(platform): State<Platform>, mut request: Request, next: Next) -> Response {
    let params = Params::of(request.uri());
    let identified = identify(&platform, request.headers(), &params);
    let principal = match &identified {
        Ok(caller) => principal(caller),
        Err(_) => Principal::Anonymous,
    };
    let connection = request.extensions().get::<Connection>().cloned();
    let exchange = describe(&platform, &request, connection.as_ref(), principal);
    let occasion = occasion(&platform, &request, &exchange);
    request.extensions_mut().insert(identified);
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let key = platform.limits().key_of(request.headers());

    let fired = platform.rules().decide(&occasion);
    let mut under_way = UnderWay { platform: &platform, exchange };
    under_way.exchange.rule = fired.as_ref().map(|fired| fired.name.clone());
    let actions = fired.map(|fired| fired.actions);
    let actions = actions.as_deref().unwrap_or_default();
    rule::wait(actions).await;
    let response = match rule::instead(actions, &target) {
        Some(Instead::Answer(response)) => *response,
        Some(Instead::Bytes(bytes, status)) => {
            under_way.exchange.status = status;
            return rule::raw(bytes);
        }
        Some(Instead::Silence) => {
            // Journaled now; the client ends the wait.
            drop(under_way);
            return std::future::pending().await;
        }
        None => match platform.limits().take(key.as_ref(), under_way.exchange.source, platform.clock().now()) {
            Ok(()) => next.run(request).await,
            Err(limit) => limit::refuse(platform.account().behaviour().rate_limit_body, limit),
        },
    };
    let (mut response, code) = write(&platform, response).await;
    let date = testbed::clock::http_date(platform.clock().now());
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().entry(header::DATE).or_insert(date);
    }
    rule::change(actions, &mut response);
    under_way.exchange.status = Some(response.status().as_u16());
    under_way.exchange.error = code;
    under_way.exchange.length_bytes =
        response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    under_way.exchange.retry_after =
        response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(String::from);
    drop(under_way);
    response
}

/// An exchange that is journaled once, when it ends: with its answer, or without one if the client hangs up before.
struct UnderWay<'a> {
    platform: &'a Platform,
    exchange: Exchange,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.platform.journal().record(Event::Exchange(Box::new(self.exchange.clone())));
    }
}

fn principal(caller: &Caller) -> Principal {
    caller.principal().parse().map_or(Principal::Anonymous, Principal::Account)
}

fn describe(platform: &Platform, request: &Request, connection: Option<&Connection>, principal: Principal) -> Exchange {
    let text =
        |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok()).map(String::from);
    let bearer = |value: String| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| testbed::redact::fingerprint(token.trim().as_bytes()))
    };
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    Exchange {
        actor: Arc::clone(platform.actor()),
        host: text(header::HOST).unwrap_or_default(),
        source: connection.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |connection| connection.peer.ip()),
        connection: connection.map_or(0, |connection| connection.id),
        method: request.method().clone(),
        target: testbed::redact::target(request.uri().path_and_query().map_or("", |target| target.as_str())),
        subject: Subject::Api { operation: String::from(operation(request.method(), route)) },
        principal,
        authorization: text(header::AUTHORIZATION)
            .and_then(|value| value.split_whitespace().next().map(String::from))
            .filter(|scheme| matches!(scheme.to_ascii_lowercase().as_str(), "basic" | "bearer")),
        token: text(header::AUTHORIZATION).and_then(bearer),
        user_agent: text(header::USER_AGENT),
        range: None,
        accept: text(header::ACCEPT),
        protocol: request.version().into(),
        status: None,
        error: None,
        length_bytes: None,
        retry_after: None,
        content_range: None,
        location_host: None,
        counted: None,
        rule: None,
    }
}

fn occasion(platform: &Platform, request: &Request, exchange: &Exchange) -> Occasion {
    let path = request.uri().path();
    let is_secret = |name: &header::HeaderName| *name == header::AUTHORIZATION || name.as_str() == "x-api-key";
    let headers: BTreeMap<_, _> = request
        .headers()
        .iter()
        .filter(|(name, _)| !is_secret(name))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Occasion {
        call: Call::Api(String::from(path.strip_prefix("/gateway").unwrap_or(path))),
        method: exchange.method.clone(),
        repository: None,
        reference: None,
        layer: None,
        principal: exchange.principal.clone(),
        source: exchange.source,
        user_agent: exchange.user_agent.clone(),
        headers,
        attempt: platform.count_attempt((
            exchange.principal.to_string(),
            exchange.source,
            &exchange.method,
            &exchange.target,
        )),
        connection: exchange.connection,
        host: exchange.host.clone(),
        query: request.uri().query().map_or_else(Vec::new, read_query),
        since_start: platform.since_start(),
    }
}

fn read_query(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Gives a [`Reply`] its correlation id and its bytes. Other responses are rules' own.
async fn write(platform: &Platform, mut response: Response) -> (Response, Option<String>) {
    let Some(Reply { status, mut body, code }) = response.extensions_mut().remove::<Reply>() else {
        return (response, None);
    };
    // Some bodies have a null there, and some have none at all.
    if let Some(id) = body.get_mut("correlationId").filter(|id| !id.is_null()) {
        *id = Value::String(platform.next_uuid());
    }
    (json_response(status, &body), code)
}

pub(super) fn json_response(status: StatusCode, body: &Value) -> Response {
    let bytes = body.to_string();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    *response.body_mut() = Body::from(bytes);
    response
}
