//! The outermost layer: what a request asks for, parsed once, and one journal event for its answer.
//!
//! Every layer below leaves its decision on the response: the identity, the rule that fired, what the limit said, the
//! error's code. Here they become one [`Event::Exchange`], recorded when the head of the answer is ready. A streamed body
//! adds [`Event::BodyEnded`] when it ends, however it ends.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, header, request::Parts};
use http_body::Body as _;
use oci::{Digest, Endpoint, EndpointError, EndpointKind, Reference, RegistryHost, RepositoryName};
use testbed::{
    clock::http_date,
    journal::{Counted, Event, Exchange, Subject},
    server::Connection,
};

use crate::{
    auth::Identity,
    body::{BodyFault, SentBody, Streamed},
    error::{AnsweredError, RegistryError},
    rule::AppliedRule,
    settings::Settings,
    state::App,
};

/// The most of a text from the client that the journal keeps: target, host, user agent, range.
const MAX_TEXT_BYTES: usize = 2048;

/// What a request asks for, parsed once: layers and handlers read this.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The `Host` header as sent.
    pub(crate) host: String,
    /// The path as sent, which links to further pages repeat.
    pub(crate) path: String,
    /// The endpoint, with the repository as the client names it.
    pub(crate) endpoint: Result<Endpoint, EndpointError>,
    /// The repository as the store names it: without the registry's path. `None`: it is not one of this registry's.
    pub(crate) repository: Option<RepositoryName>,
    /// Whether the endpoint was reached below the registry's path, without `/v2`.
    pub(crate) is_below_path: bool,
    /// The client's address.
    pub(crate) source: IpAddr,
}

/// Which endpoint `path` is under the settings; the second value tells whether it is below the registry's own path.
fn resolve_path(settings: &Settings, path: &str) -> (Result<Endpoint, EndpointError>, bool) {
    if path == settings.token_path && settings.takes_tokens() {
        return (Ok(Endpoint::Token), false);
    }
    let below = settings.path.as_ref().and_then(|prefix| path.strip_prefix('/')?.strip_prefix(prefix.as_str()));
    match below {
        Some("/v2" | "/v2/") => (Ok(Endpoint::Ping), true),
        Some(below) if below.starts_with('/') => (Endpoint::parse_bare(below), true),
        _ => match Endpoint::parse(path) {
            // Some registries have their token endpoint there; this one has it elsewhere, or has none.
            Ok(Endpoint::Token) => (Err(EndpointError::NotFound { path: path.to_owned() }), false),
            parsed => (parsed, false),
        },
    }
}

impl Resolved {
    /// Reads the request's head.
    pub(crate) fn read(settings: &Settings, head: &Parts) -> Self {
        let connection = head.extensions.get::<Connection>();
        let host = head
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| head.uri.authority().map(|authority| authority.as_str()))
            .map(str::to_owned)
            // HTTP/1.0 knows no host; then it is the address that was reached.
            .or_else(|| connection.map(|connection| connection.local.to_string()))
            .unwrap_or_default();
        let path = head.uri.path();
        let (endpoint, is_below_path) = resolve_path(settings, path);
        let named = endpoint.as_ref().ok().and_then(Endpoint::repository);
        let repository =
            named.and_then(|named| if is_below_path { Some(named.clone()) } else { settings.stored_name(named) });
        Self {
            host,
            path: path.to_owned(),
            repository,
            is_below_path,
            source: connection
                .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |connection| connection.peer.ip().to_canonical()),
            endpoint,
        }
    }

    /// What kind of endpoint it is; `other` if it is none.
    pub(crate) fn kind(&self) -> EndpointKind {
        self.endpoint.as_ref().map_or(EndpointKind::Other, Endpoint::kind)
    }

    /// The repository as the client names it.
    pub(crate) fn named_repository(&self) -> Option<&RepositoryName> {
        self.endpoint.as_ref().ok().and_then(Endpoint::repository)
    }

    /// The tag or digest, if the endpoint has one.
    pub(crate) fn reference(&self) -> Option<Reference> {
        match self.endpoint.as_ref().ok()? {
            Endpoint::Manifest { reference, .. } => Some(reference.clone()),
            Endpoint::Blob { digest, .. } | Endpoint::Referrers { digest, .. } => {
                Some(Reference::Digest(digest.clone()))
            }
            _ => None,
        }
    }

    /// The blob's digest, if it is about a blob.
    pub(crate) fn blob(&self) -> Option<&Digest> {
        match self.endpoint.as_ref().ok()? {
            Endpoint::Blob { digest, .. } => Some(digest),
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

/// Resolves the request, dates the answer, and records both.
pub(crate) async fn exchange(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let resolved = Resolved::read(&app.settings, &head);
    let connection = head.extensions.get::<Connection>().cloned();
    let asked = Asked::read(&head);
    head.extensions.insert(resolved.clone());

    let mut response = if is_host(&resolved.host) {
        next.run(Request::from_parts(head, body)).await
    } else {
        // What is no host name must not come back in a challenge.
        RegistryError::HostInvalid.into_response()
    };

    write_headers(&app, &resolved, &mut response);
    let length_bytes = content_length(&response);
    let decided = response.extensions();
    let event = Event::Exchange(Box::new(Exchange {
        actor: app.name.clone(),
        host: shorten(resolved.host.clone()),
        source: resolved.source,
        connection: connection.as_ref().map_or(0, |connection| connection.id),
        method: asked.method.to_string(),
        target: asked.target,
        subject: resolved.subject(&app),
        principal: decided.get::<Identity>().map_or(oci::Principal::Anonymous, |identity| identity.principal().clone()),
        authorization: asked.authorization,
        user_agent: asked.user_agent,
        range: asked.range,
        status: Some(response.status().as_u16()),
        error: decided.get::<AnsweredError>().map(|error| error.0.to_string()),
        length_bytes,
        counted: decided.get::<Counted>().cloned(),
        rule: decided.get::<AppliedRule>().map(|rule| rule.name.clone()),
    }));
    let number = app.journal.record(event);

    let fault = response.extensions_mut().remove::<BodyFault>();
    let is_streamed = response.extensions_mut().remove::<Streamed>().is_some();
    if asked.method == Method::HEAD || !(is_streamed || fault.is_some()) {
        return response;
    }
    response.map(|body| {
        let sent = SentBody::new(body, fault.unwrap_or_default(), connection, length_bytes);
        axum::body::Body::new(sent.journaled(&app.journal, &app.name, number))
    })
}

/// Whether this is a host name or address, with or without a port. Names without a dot need no port here, unlike in image
/// references.
fn is_host(host: &str) -> bool {
    host.parse::<RegistryHost>().is_ok() || format!("{host}:80").parse::<RegistryHost>().is_ok()
}

/// What is told of the request in the journal, read before the layers take it.
struct Asked {
    method: Method,
    target: String,
    authorization: Option<String>,
    user_agent: Option<String>,
    range: Option<String>,
}

impl Asked {
    fn read(head: &Parts) -> Self {
        let text = |name| {
            let value: &HeaderValue = head.headers.get(name)?;
            Some(shorten(String::from_utf8_lossy(value.as_bytes()).into_owned()))
        };
        // Only the scheme: what follows it is a secret, and a value without scheme may be one altogether.
        let scheme = |value: String| match value.split_once(' ') {
            Some((scheme, _)) => scheme.to_owned(),
            None => String::from("other"),
        };
        Self {
            method: head.method.clone(),
            target: shorten(testbed::redact::target(head.uri.path_and_query().map_or("", |target| target.as_str()))),
            authorization: text(header::AUTHORIZATION).map(scheme),
            user_agent: text(header::USER_AGENT),
            range: text(header::RANGE),
        }
    }
}

/// A text as the journal keeps it: a bound on memory.
fn shorten(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        text.push('…');
    }
    text
}

fn write_headers(app: &App, resolved: &Resolved, response: &mut Response) {
    let is_ready_made = response.extensions().get::<AppliedRule>().is_some_and(|rule| rule.is_answer);
    let headers = response.headers_mut();
    // hyper would date the answer by the machine's clock.
    if let Ok(date) = HeaderValue::try_from(http_date(app.clock.now())) {
        headers.insert(header::DATE, date);
    }
    if is_ready_made {
        return;
    }
    if resolved.kind() != EndpointKind::Token {
        headers
            .entry(HeaderName::from_static("docker-distribution-api-version"))
            .or_insert(HeaderValue::from_static("registry/2.0"));
    }
    for (name, value) in &app.settings.headers {
        headers.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

fn content_length(response: &Response) -> Option<u64> {
    let stated = response.headers().get(header::CONTENT_LENGTH);
    stated.and_then(|length| length.to_str().ok()?.parse().ok()).or_else(|| response.body().size_hint().exact())
}
