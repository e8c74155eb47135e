//! `/v1/journal`: what happened, filtered, once or as it happens.

use std::{convert::Infallible, fmt::Write as _, net::IpAddr, str::FromStr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use oci::{EndpointKind, Principal};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use testbed::{
    Event, Journal,
    journal::{Entry, Subject},
};
use tokio::sync::watch;

use super::{
    body::{Asked, ok},
    error::ApiError,
    server::App,
};

/// How often a stream of events says that it is still there, in wire time.
const STILL_HERE_EVERY: Duration = Duration::from_secs(15);

/// Which entries, and how they are told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct JournalQuery {
    /// Only those of this actor: `hub`.
    actor: Option<String>,
    /// Only exchanges with this endpoint: `manifest`.
    endpoint: Option<EndpointKind>,
    /// Only exchanges with this status: `429`, `4xx`, or several: `401,403`.
    #[schemars(with = "Option<String>")]
    status: Option<Statuses>,
    /// Only exchanges of this principal: `anonymous`, `account:ci`.
    #[schemars(with = "Option<String>")]
    principal: Option<Principal>,
    /// Only exchanges from this address.
    #[schemars(with = "Option<String>")]
    source: Option<IpAddr>,
    /// Only those after this number.
    since: Option<u64>,
    /// At most so many: with `since` the first, without it the newest.
    limit: Option<usize>,
    /// Go on with what happens, until the client leaves or `limit` are told: one JSON value on each line, or server-sent
    /// events if `Accept` asks for `text/event-stream`.
    follow: bool,
    /// `text`: one line for each entry, for people. Default: `json`.
    #[serde(rename = "as")]
    form: Form,
}

/// How entries are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Form {
    #[default]
    Json,
    Text,
    /// Chosen by `Accept`.
    #[serde(skip)]
    Events,
}

/// Statuses: `429`, `4xx`, `401,403`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Statuses(Vec<(u16, u16)>);

/// Entries, oldest first.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Entries {
    /// Each with its number `seq`, its instant `at`, and what happened: `event` and its fields.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    entries: Vec<Arc<Entry>>,
    /// The number of the newest entry there is: `since` this, all is new.
    last: u64,
    /// How many older entries no longer fitted in the journal.
    dropped: u64,
}

pub(super) async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    Asked(mut asked): Asked<JournalQuery>,
) -> Result<Response, ApiError> {
    let wants_events = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/event-stream")));
    let journal = app.world.journal.clone();
    if asked.follow {
        if wants_events {
            asked.form = Form::Events;
        }
        let content_type = asked.form.content_type();
        let body = follow(journal, asked, app.stopping.clone());
        return Ok(([(header::CONTENT_TYPE, content_type)], body).into_response());
    }
    let last = journal.last_seq();
    let mut entries = journal.since(asked.since.unwrap_or(0));
    entries.retain(|entry| asked.admits(entry));
    if let Some(limit) = asked.limit {
        match asked.since {
            Some(_) => entries.truncate(limit),
            None => drop(entries.drain(..entries.len().saturating_sub(limit))),
        }
    }
    if asked.form == Form::Text {
        let mut text = String::new();
        for entry in &entries {
            asked.form.write(&mut text, entry);
        }
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response());
    }
    Ok(ok(&Entries { entries, last, dropped: journal.n_dropped() }))
}

/// Where a stream is.
struct Following {
    journal: Journal,
    asked: JournalQuery,
    stopping: watch::Receiver<()>,
    seen: u64,
    left: Option<usize>,
}

fn follow(journal: Journal, asked: JournalQuery, stopping: watch::Receiver<()>) -> Body {
    let (seen, left) = (asked.since.unwrap_or(0), asked.limit);
    let following = Following { journal, asked, stopping, seen, left };
    Body::from_stream(stream::unfold(following, |mut following| async move {
        let text = following.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), following))
    }))
}

impl Following {
    /// What is to be said next; `None`: it is over.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.left == Some(0) {
                return None;
            }
            let mut text = String::new();
            for entry in self.journal.since(self.seen) {
                if self.left == Some(0) {
                    break;
                }
                self.seen = entry.seq;
                if self.asked.admits(&entry) {
                    self.left = self.left.map(|left| left - 1);
                    self.asked.form.write(&mut text, &entry);
                }
            }
            if !text.is_empty() {
                return Some(text);
            }
            tokio::select! {
                // The client and the server are asked to part before anything else is told.
                biased;
                _ = self.stopping.changed() => return None,
                _ = self.journal.wait_for(self.seen, |_| true) => {}
                () = tokio::time::sleep(STILL_HERE_EVERY), if self.asked.form == Form::Events => {
                    return Some(String::from(": still here\n\n"));
                }
            }
        }
    }
}

impl JournalQuery {
    fn admits(&self, entry: &Entry) -> bool {
        let Event::Exchange(exchange) = &entry.event else {
            let is_about_exchanges =
                self.endpoint.is_some() || self.status.is_some() || self.principal.is_some() || self.source.is_some();
            return !is_about_exchanges
                && self.actor.as_deref().is_none_or(|actor| actor_of(&entry.event) == Some(actor));
        };
        let endpoint = match &exchange.subject {
            Subject::Registry { endpoint, .. } => Some(*endpoint),
            Subject::Api { .. } => None,
        };
        self.actor.as_deref().is_none_or(|actor| actor == &*exchange.actor)
            && self.endpoint.is_none_or(|asked| endpoint == Some(asked))
            && self.status.as_ref().is_none_or(|asked| exchange.status.is_some_and(|status| asked.contains(status)))
            && self.principal.as_ref().is_none_or(|principal| *principal == exchange.principal)
            && self.source.is_none_or(|source| source == exchange.source)
    }
}

fn actor_of(event: &Event) -> Option<&str> {
    match event {
        Event::Exchange(exchange) => Some(&exchange.actor),
        Event::BodyEnded(ended) => Some(&ended.actor),
        _ => None,
    }
}

impl Form {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/x-ndjson",
            Self::Text => "text/plain; charset=utf-8",
            Self::Events => "text/event-stream",
        })
    }

    fn write(self, text: &mut String, entry: &Entry) {
        let json = || serde_json::to_string(entry).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Json => writeln!(text, "{}", json()),
            Self::Text => writeln!(text, "{entry}"),
            Self::Events => write!(text, "id: {}\ndata: {}\n\n", entry.seq, json()),
        };
    }
}

impl Statuses {
    fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

impl FromStr for Statuses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |word: &str| {
            let class = word.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
            match class {
                Some(class @ 1..=5) => Some((class * 100, class * 100 + 99)),
                _ => word
                    .parse::<u16>()
                    .ok()
                    .filter(|status| (100..1000).contains(status))
                    .map(|status| (status, status)),
            }
        };
        let statuses = text.split(',').map(|word| one(word.trim())).collect::<Option<_>>();
        statuses.map(Self).ok_or_else(|| format!("`{text}` is no status; write `429`, `4xx` or `401,403`"))
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Statuses>().ok();
        assert!(read("429").is_some_and(|read| read.contains(429) && !read.contains(428)));
        assert!(read("4xx").is_some_and(|read| read.contains(499) && !read.contains(500)));
        assert!(read("401, 403").is_some_and(|read| read.contains(403)));
        for wrong in ["", "teapot", "9xx", "4", "401,"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
