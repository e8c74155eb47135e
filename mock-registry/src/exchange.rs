//! The outermost layer: what a request asks for, parsed once, and one journal event for its answer.
//!
//! Every layer below hands its decision up: the principal, the rule that fired, what the limit said, the error's code. Here
//! they become one [`Event::Exchange`], recorded when the head of the answer is ready. A streamed body adds
//! [`Event::BodyEnded`] when it ends, however it ends.

use std::net::IpAddr;

use axum::{extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use http_body::Body as _;
use oci::{Digest, Endpoint, EndpointError, EndpointKind, Reference, RegistryHost, RepositoryName};
use testbed::{
    journal::{Event, Exchange, Protocol, Subject},
    redact::fingerprint,
    rule::Action,
    server::Connection,
};

use crate::{
    app::{Answered, answer},
    body::{BodyFault, SentBody, Streamed},
    cdn::Ticket,
    dialects::FromOutside,
    error::{AnsweredError, RegistryError},
    limit::Permits,
    rule::{self, Sent},
    settings::Settings,
    state::App,
};

/// The most of a text from the client that the journal keeps: target, host, user agent, range.
const MAX_TEXT_BYTES: usize = 2048;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// What a request asks for, parsed once: layers and handlers read this.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The `Host` header as sent.
    pub(crate) host: String,
    /// Path and query as sent.
    uri: Uri,
    /// The endpoint, with the repository as the client names it.
    pub(crate) endpoint: Result<Endpoint, EndpointError>,
    /// The repository as the store names it: without the registry's path. `None`: it is not one of this registry's.
    pub(crate) repository: Option<RepositoryName>,
    /// Whether the endpoint was reached below the registry's path, without `/v2`.
    pub(crate) is_below_path: bool,
    /// The client's address.
    pub(crate) source: IpAddr,
    /// The connection's number.
    pub(crate) connection: u64,
}

/// Which endpoint `path` is under the settings; the second value tells whether it is below the registry's own path.
fn resolve_path(settings: &Settings, host: &str, path: &str) -> (Result<Endpoint, EndpointError>, bool) {
    if path == settings.token_path && settings.takes_tokens() {
        return (Ok(Endpoint::Token), false);
    }
    let below = settings.path.as_ref().and_then(|prefix| path.strip_prefix('/')?.strip_prefix(prefix.as_str()));
    match below {
        Some("/v2" | "/v2/") => (Ok(Endpoint::Ping), true),
        Some(below) if below.starts_with('/') => (Endpoint::parse_bare(below), true),
        _ => match Endpoint::parse(path) {
            // Some registries have their token endpoint there; this one has it elsewhere, or has none.
            Ok(Endpoint::Token) => (Err(not_found(path)), false),
            // The second host has no API, and without one its path leads nowhere.
            Ok(Endpoint::Cdn { .. }) if settings.api.redirect_blobs.is_none() => (Err(not_found(path)), false),
            Ok(endpoint) if settings.is_second_host(host) && endpoint.kind() != EndpointKind::Cdn => {
                (Err(not_found(path)), false)
            }
            parsed => (parsed, false),
        },
    }
}

fn not_found(path: &str) -> EndpointError {
    EndpointError::NotFound { path: path.to_owned() }
}

impl Resolved {
    /// Reads the head of a request that came on `connection`.
    fn read(settings: &Settings, request: &Request, connection: &Connection) -> Self {
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| request.uri().authority().map(|authority| authority.as_str()))
            .map(str::to_owned)
            // HTTP/1.0 knows no host; then it is the address that was reached.
            .unwrap_or_else(|| connection.local.to_string());
        let path = request.uri().path();
        let (endpoint, is_below_path) = resolve_path(settings, &host, path);
        let named = endpoint.as_ref().ok().and_then(Endpoint::repository);
        let repository = match named {
            Some(named) if !is_below_path => settings.stored_name(named),
            Some(named) => Some(named.clone()),
            // The second host is told of it in the query.
            None if matches!(endpoint, Ok(Endpoint::Cdn { .. })) => {
                request.uri().query().and_then(Ticket::read).map(|ticket| ticket.repository().clone())
            }
            None => None,
        };
        Self {
            host,
            uri: request.uri().clone(),
            repository,
            is_below_path,
            source: connection.peer.ip().to_canonical(),
            connection: connection.id,
            endpoint,
        }
    }

    /// The path as sent, which links to further pages repeat.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// What kind of endpoint it is; `other` if it is none.
    pub(crate) fn kind(&self) -> EndpointKind {
        self.endpoint.as_ref().map_or(EndpointKind::Other, Endpoint::kind)
    }

    /// Whether it is about the registry itself, rather than its token service or its second host.
    pub(crate) fn is_api(&self) -> bool {
        !matches!(self.kind(), EndpointKind::Token | EndpointKind::Cdn)
    }

    /// The repository as the client names it.
    pub(crate) fn named_repository(&self) -> Option<&RepositoryName> {
        self.endpoint.as_ref().ok().and_then(Endpoint::repository)
    }

    /// The tag or digest, if the endpoint has one.
    pub(crate) fn reference(&self) -> Option<Reference> {
        match self.endpoint.as_ref().ok()? {
            Endpoint::Manifest { reference, .. } => Some(reference.clone()),
            Endpoint::Blob { digest, .. } | Endpoint::Referrers { digest, .. } | Endpoint::Cdn { digest } => {
                Some(Reference::Digest(digest.clone()))
            }
            _ => None,
        }
    }

    /// The blob's digest, if it is about a blob.
    pub(crate) fn blob(&self) -> Option<&Digest> {
        match self.endpoint.as_ref().ok()? {
            Endpoint::Blob { digest, .. } | Endpoint::Cdn { digest } => Some(digest),
            _ => None,
        }
    }

    /// Which layer of its manifest the blob is, from 1, if it is about a blob and that is known.
    pub(crate) fn layer_number(&self, app: &App) -> Option<usize> {
        app.store.layer_number(self.repository.as_ref()?, self.blob()?)
    }

    fn subject(&self, app: &App) -> Subject {
        Subject::Registry {
            endpoint: self.kind(),
            repository: self.repository.clone().or_else(|| self.named_repository().cloned()),
            reference: self.reference(),
            layer: self.layer_number(app),
        }
    }
}

/// Resolves the request, has it answered, dates the answer, and records both. An answer that is left with
/// [`Sent::Nothing`] is not to be sent.
pub(crate) async fn exchange(app: &App, mut request: Request, connection: Connection) -> Response {
    let resolved = Resolved::read(&app.settings, &request, &connection);
    let asked = app.journal.is_on().then(|| Asked::read(&request));
    let is_head = request.method() == Method::HEAD;

    let Answered { mut response, principal, rule, counted } = if RegistryHost::is_authority(&resolved.host) {
        answer(app, &resolved, &mut request).await
    } else {
        // What is no host name must not come back in a challenge.
        Answered::refuse(RegistryError::HostInvalid)
    };

    let is_ready_made = response.extensions().get::<FromOutside>().is_some()
        || rule.as_ref().is_some_and(|rule| rule.actions.iter().any(|action| matches!(action, Action::Answer(_))));
    write_headers(app, &resolved, is_ready_made, response.headers_mut());
    let body_bytes = response.body().size_hint().exact();
    let fault = rule.as_ref().and_then(|rule| BodyFault::of(&rule.actions, body_bytes));
    if let Some(rule) = &rule {
        rule::change(rule, is_head, &mut response);
    }
    let length_bytes = content_length(&response).filter(|_| !fault.as_ref().is_some_and(|fault| fault.is_chunked));
    let sent = response.extensions_mut().remove::<Sent>();
    let number = asked.map(|asked| {
        app.journal.record(Event::Exchange(Box::new(Exchange {
            actor: app.name.clone(),
            subject: resolved.subject(app),
            host: shorten(resolved.host),
            source: resolved.source,
            connection: connection.id,
            method: asked.method,
            target: asked.target,
            principal,
            authorization: asked.authorization,
            token: asked.token,
            user_agent: asked.user_agent,
            range: asked.range,
            accept: asked.accept,
            protocol: asked.protocol,
            status: match sent {
                None => Some(response.status().as_u16()),
                Some(Sent::Raw(status)) => status,
                Some(Sent::Nothing | Sent::End) => None,
            },
            error: response.extensions().get::<AnsweredError>().map(|error| error.0.to_string()),
            length_bytes,
            retry_after: text_of(response.headers(), &header::RETRY_AFTER),
            content_range: text_of(response.headers(), &header::CONTENT_RANGE),
            location_host: redirect_host(&response),
            counted,
            rule: rule.map(|rule| rule.name),
        })))
    });

    if let Some(silence @ Sent::Nothing) = sent {
        response.extensions_mut().insert(silence);
        return response;
    }
    let is_streamed = response.extensions_mut().remove::<Streamed>().is_some();
    if is_head {
        return head_alone(response, length_bytes);
    }
    let held = response.extensions_mut().remove::<Permits>();
    let response = match held {
        Some(permits) => response.map(|body| axum::body::Body::new(permits.hold(body))),
        None => response,
    };
    if !is_streamed && fault.is_none() {
        return response;
    }
    response.map(|body| {
        let sent = SentBody::new(body, fault.unwrap_or_default(), connection, body_bytes);
        axum::body::Body::new(match number {
            Some(number) => sent.journaled(&app.journal, &app.name, number),
            None => sent,
        })
    })
}

/// What is told of the request in the journal, read before the layers take it.
struct Asked {
    method: Method,
    target: String,
    authorization: Option<String>,
    token: Option<String>,
    user_agent: Option<String>,
    range: Option<String>,
    accept: Option<String>,
    protocol: Protocol,
}

impl Asked {
    fn read(request: &Request) -> Self {
        let headers = request.headers();
        let (authorization, token) = read_authorization(headers).unzip();
        Self {
            method: request.method().clone(),
            target: shorten(testbed::redact::target(
                request.uri().path_and_query().map_or("", |target| target.as_str()),
            )),
            authorization,
            token: token.flatten(),
            user_agent: text_of(headers, &header::USER_AGENT),
            range: text_of(headers, &header::RANGE),
            accept: text_of(headers, &header::ACCEPT),
            protocol: request.version().into(),
        }
    }
}

/// The scheme of the `Authorization` header, and a bearer token's fingerprint. What follows the scheme is a secret, and a
/// value without a scheme may be one altogether.
fn read_authorization(headers: &HeaderMap) -> Option<(String, Option<String>)> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let Some(blank) = value.iter().position(|byte| *byte == b' ') else { return Some((String::from("other"), None)) };
    let (scheme, proof) = value.split_at(blank);
    let token = scheme.eq_ignore_ascii_case(b"bearer").then(|| fingerprint(proof.trim_ascii()));
    Some((shorten(String::from_utf8_lossy(scheme).into_owned()), token))
}

/// A header as the journal keeps it.
fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value: &HeaderValue = headers.get(name)?;
    Some(shorten(String::from_utf8_lossy(value.as_bytes()).into_owned()))
}

/// The host that a redirect leads to, if it is one that names a host.
fn redirect_host(response: &Response) -> Option<String> {
    if !response.status().is_redirection() {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    let location: Uri = location.parse().ok()?;
    let authority = location.authority()?.as_str();
    // Without the user and password that it may have.
    Some(shorten(authority.rsplit('@').next().unwrap_or(authority).to_owned()))
}

/// A text as the journal keeps it: a bound on memory.
fn shorten(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        text.push('…');
    }
    text
}

fn write_headers(app: &App, resolved: &Resolved, is_ready_made: bool, headers: &mut HeaderMap) {
    // hyper would date the answer by the machine's clock.
    headers.insert(header::DATE, app.date.at(app.clock.now()));
    if is_ready_made {
        return;
    }
    if resolved.is_api() {
        headers.entry(API_VERSION).or_insert(HeaderValue::from_static("registry/2.0"));
    }
    for (name, value) in &app.settings.headers {
        headers.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

/// What HEAD gets. An error has its body by now, and over HTTP/2 that would break the exchange.
fn head_alone(mut response: Response, length_bytes: Option<u64>) -> Response {
    if response.body().is_end_stream() {
        return response;
    }
    if let Some(n_bytes) = length_bytes {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(n_bytes.into());
    }
    response.map(|_| axum::body::Body::empty())
}

fn content_length(response: &Response) -> Option<u64> {
    let stated = response.headers().get(header::CONTENT_LENGTH);
    stated.and_then(|length| length.to_str().ok()?.parse().ok()).or_else(|| response.body().size_hint().exact())
}
