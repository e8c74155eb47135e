//! The journal as it is judged: the exchanges with registries, each with the end of its body.

use std::{borrow::Borrow, collections::HashMap, net::IpAddr};

use http::Method;
use oci::{ContentRange, EndpointKind, RangeRequest, Reference, RepositoryName, Scope};
use testbed::{
    Timestamp,
    journal::{BodyEnd, BodyEnded, Entry, Event, Exchange, Subject},
};

/// One exchange with a registry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) exchange: &'a Exchange,
    pub(crate) endpoint: EndpointKind,
    pub(crate) repository: Option<&'a RepositoryName>,
    pub(crate) reference: Option<&'a Reference>,
    /// How its body ended, and when. None: it is under way, or was no stream.
    pub(crate) ended: Option<(Timestamp, &'a BodyEnded)>,
}

/// Who asks, as far as it can be told from the first request on: an address and what the client calls itself.
pub(crate) type Caller<'a> = (IpAddr, Option<&'a str>);

impl<'a> Seen<'a> {
    pub(crate) fn caller(&self) -> Caller<'a> {
        (self.exchange.source, self.exchange.user_agent.as_deref())
    }

    pub(crate) fn is_get(&self) -> bool {
        self.exchange.method == Method::GET
    }

    /// Whether it only reads.
    pub(crate) fn reads(&self) -> bool {
        self.is_get() || self.exchange.method == Method::HEAD
    }

    pub(crate) fn is_blob(&self) -> bool {
        matches!(self.endpoint, EndpointKind::Blob | EndpointKind::Cdn)
    }

    /// Whether it is about what a pull is for.
    pub(crate) fn is_content(&self) -> bool {
        self.endpoint == EndpointKind::Manifest || self.is_blob()
    }

    pub(crate) fn status(&self) -> u16 {
        self.exchange.status.unwrap_or(0)
    }

    /// Whether the answer was what was asked for, or that nothing has changed.
    pub(crate) fn succeeded(&self) -> bool {
        matches!(self.status(), 200..=299 | 304)
    }

    /// Whether the limit or a rule said that it is too much.
    pub(crate) fn is_refused(&self) -> bool {
        self.status() == 429 || self.exchange.counted.as_ref().is_some_and(|counted| counted.refused)
    }

    /// Bytes of content that were sent: bodies of errors are none.
    pub(crate) fn content_bytes(&self) -> u64 {
        match self.ended {
            _ if !self.is_get() || !matches!(self.status(), 200 | 206) => 0,
            Some((_, ended)) => ended.sent_bytes,
            None => self.exchange.length_bytes.unwrap_or(0),
        }
    }

    /// Whether the body was sent to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.ended.is_none_or(|(_, ended)| ended.end == BodyEnd::Complete)
    }

    /// The byte that the content begins with: not 0 in a 206.
    pub(crate) fn first_byte(&self) -> u64 {
        match self.exchange.content_range.as_deref().map(str::parse) {
            Some(Ok(ContentRange::Part { range, .. })) if self.status() == 206 => range.first,
            _ => 0,
        }
    }

    /// The byte that the client wants first, if it asks for one range.
    pub(crate) fn asked_from(&self) -> Option<u64> {
        match self.exchange.range.as_deref()?.parse().ok()? {
            RangeRequest::From { first } | RangeRequest::Between { first, .. } => Some(first),
            RangeRequest::Suffix { .. } => None,
        }
    }

    /// The path alone.
    pub(crate) fn path(&self) -> &'a str {
        self.exchange.target.split('?').next().unwrap_or_default()
    }

    /// Whether the answer was a failure that may pass. A limit that ends the connection answers nothing.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.status(), 0 | 408 | 429 | 499 | 500..=599)
    }

    /// The value of a parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.exchange.target.split_once('?')?;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// The repository that a token is asked for, if the query says it.
    pub(crate) fn token_repository(&self) -> Option<String> {
        let scope: Scope = self.parameter("scope")?.split(' ').next()?.parse().ok()?;
        Some(scope.name).filter(|_| scope.resource_type == "repository")
    }
}

/// What else is told of pulls: the builtin client says when it begins and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told<'a> {
    /// A request and its answer; the place among [`Reading::seen`].
    Seen(usize),
    /// This image is pulled from now on.
    Started(&'a str),
    /// This image is here, or was given up.
    Finished(&'a str),
}

/// The exchanges of a journal.
#[derive(Debug, Default)]
pub(crate) struct Reading<'a> {
    pub(crate) seen: Vec<Seen<'a>>,
    pub(crate) order: Vec<Told<'a>>,
}

impl<'a> Reading<'a> {
    pub(crate) fn of<E: Borrow<Entry>>(entries: &'a [E]) -> Self {
        let mut reading = Self::default();
        let mut places: HashMap<u64, usize> = HashMap::new();
        for entry in entries {
            let Entry { seq, at, event } = entry.borrow();
            match event {
                Event::Exchange(exchange) => {
                    let Subject::Registry { endpoint, repository, reference, .. } = &exchange.subject else { continue };
                    places.insert(*seq, reading.seen.len());
                    reading.order.push(Told::Seen(reading.seen.len()));
                    reading.seen.push(Seen {
                        seq: *seq,
                        at: *at,
                        exchange,
                        endpoint: *endpoint,
                        repository: repository.as_ref(),
                        reference: reference.as_ref(),
                        ended: None,
                    });
                }
                Event::BodyEnded(ended) => {
                    if let Some(place) = places.get(&ended.exchange) {
                        reading.seen[*place].ended = Some((*at, ended));
                    }
                }
                Event::PullStarted(started) => reading.order.push(Told::Started(&started.image)),
                Event::PullFinished(finished) => reading.order.push(Told::Finished(&finished.image)),
                _ => {}
            }
        }
        reading
    }
}
