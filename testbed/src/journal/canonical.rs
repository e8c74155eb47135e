//! The canonical form of a journal: what a seed decides and nothing else, so that the same seed gives the same lines.
//!
//! Left out are the numbers of entries and connections, and the ports of listeners; tokens and executions are numbered in
//! the order in which they are first told. The end of a body tells how many lines above its exchange stands.
//!
//! Requests that are under way at the same time reach a registry in an order that the machine decides. So within one
//! instant of policy time the layers of an image stand in the order of the image; and within a `parallel` step all that
//! happens in one instant is sorted: what begins, requests by client and what they are for, waits, what ends. All else
//! stays in the order in which it happened. What wire time decides alone cannot be hidden: who of a herd gets the last pull,
//! what the other layers had received when one failed, which of them a token that expires still served, a client that asks
//! twice after a timeout, a connection test that Harness makes in the background while the next steps are carried out, and
//! the hour that a client tells when it finds a certificate expired.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use oci::EndpointKind;
use serde_json::{Value, json};

use super::{Entry, Event, Exchange, Subject};

/// The canonical lines of a journal, in order.
///
/// # Errors
/// An entry cannot be written as JSON.
pub fn canonical<E: Borrow<Entry>>(entries: &[E]) -> serde_json::Result<Vec<Value>> {
    let entries: Vec<&Entry> = entries.iter().map(Borrow::borrow).collect();
    let mut lines = write(&entries)?;
    let layers = Layers::of(&entries);
    let mut order = Vec::with_capacity(entries.len());
    for segment in segments(&entries) {
        let mut places: Vec<usize> = segment.places.collect();
        match segment.kind {
            SegmentKind::Parallel => {
                sort_parallel(&entries, &lines, &mut places);
                share_out(&places, &mut lines);
            }
            SegmentKind::Single => sort_layers(&layers, &entries, &mut lines, &mut places),
        }
        order.extend(without_polls(&entries, places));
    }
    number_tokens(&order, &mut lines);
    point_back(&entries, &order, &mut lines);
    Ok(order.into_iter().map(|place| std::mem::take(&mut lines[place])).collect())
}

/// The journal that canonical lines tell, for whoever judges it. Entries are numbered as they stand.
///
/// # Errors
/// A line is none, or points above the first one.
pub fn read_canonical(text: &str) -> serde_json::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut line: Value = serde_json::from_str(line)?;
        let seq = entries.len() as u64 + 1;
        if let Some(entry) = line.as_object_mut() {
            entry.insert(String::from("seq"), json!(seq));
            if let Some(above) = entry.shift_remove(ABOVE) {
                let above = above.as_u64().unwrap_or(0);
                entry.insert(String::from("exchange"), json!(seq.saturating_sub(above)));
            }
        }
        entries.push(serde_json::from_value(line)?);
    }
    Ok(entries)
}

/// How many lines above the end of a body its exchange stands.
const ABOVE: &str = "exchange_above";

/// Entries that may change places with each other.
struct Segment {
    places: std::ops::Range<usize>,
    kind: SegmentKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SegmentKind {
    /// One thing at a time happens, but for the layers of an image.
    Single,
    /// Several things happen at the same time.
    Parallel,
}

fn segments(entries: &[&Entry]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    // The number of the outermost `parallel` step that is being carried out.
    let mut parallel: Option<&str> = None;
    let mut at_border = true;
    for (place, entry) in entries.iter().enumerate() {
        let ends_parallel = matches!(&entry.event, Event::StepFinished(step) if parallel == Some(&*step.step));
        let is_step = matches!(entry.event, Event::StepStarted(_) | Event::StepFinished(_));
        let stands_alone =
            matches!(entry.event, Event::ClockMoved(_)) || ends_parallel || is_step && parallel.is_none();
        let is_later = place > 0 && entries[place - 1].at != entry.at;
        let kind = if parallel.is_some() && !ends_parallel { SegmentKind::Parallel } else { SegmentKind::Single };
        match segments.last_mut().filter(|_| !at_border && !stands_alone && !is_later) {
            Some(segment) => segment.places.end = place + 1,
            None => segments.push(Segment { places: place..place + 1, kind }),
        }
        at_border = stands_alone;
        match &entry.event {
            Event::StepStarted(step) if step.kind == "parallel" && parallel.is_none() => parallel = Some(&step.step),
            Event::StepFinished(_) if ends_parallel => parallel = None,
            _ => {}
        }
    }
    segments
}

/// Puts what is about the layers of an image, where it stands together, in their order. What is about one layer stays in
/// its own.
fn sort_layers(layers: &Layers<'_>, entries: &[&Entry], lines: &mut [Value], places: &mut [usize]) {
    let mut rest = places;
    while let Some(begin) = rest.iter().position(|place| layers.of_event(&entries[*place].event).is_some()) {
        let (_, run) = std::mem::take(&mut rest).split_at_mut(begin);
        let n = run.iter().take_while(|place| layers.of_event(&entries[**place].event).is_some()).count();
        let (run, behind) = run.split_at_mut(n);
        run.sort_by_key(|place| layers.of_event(&entries[*place].event));
        share_out(run, lines);
        rest = behind;
    }
}

/// Which layer a digest is, and which exchange each number names.
struct Layers<'a> {
    numbers: HashMap<String, usize>,
    exchanges: HashMap<u64, &'a Exchange>,
}

impl<'a> Layers<'a> {
    fn of(entries: &[&'a Entry]) -> Self {
        let mut layers = Self { numbers: HashMap::new(), exchanges: HashMap::new() };
        for entry in entries {
            if let Event::Exchange(exchange) = &entry.event {
                layers.exchanges.insert(entry.seq, exchange);
                if let Some((Some(layer), digest)) = blob(exchange) {
                    layers.numbers.insert(digest, layer);
                }
            }
        }
        layers
    }

    /// The layer that an event is about: its number, 0 for the config, and its digest.
    fn of_event(&self, event: &Event) -> Option<(usize, String)> {
        let digest = match event {
            Event::Exchange(exchange) => blob(exchange)?.1,
            Event::BodyEnded(ended) => blob(self.exchanges.get(&ended.exchange)?)?.1,
            Event::RetryWait(wait) => String::from(wait.request.split_once("/blobs/")?.1),
            _ => return None,
        };
        Some((self.numbers.get(&digest).copied().unwrap_or(0), digest))
    }
}

fn blob(exchange: &Exchange) -> Option<(Option<usize>, String)> {
    match &exchange.subject {
        Subject::Registry {
            endpoint: EndpointKind::Blob | EndpointKind::Cdn, reference: Some(digest), layer, ..
        } => Some((*layer, digest.to_string())),
        _ => None,
    }
}

/// Sorts what happens at the same time.
fn sort_parallel(entries: &[&Entry], lines: &[Value], places: &mut [usize]) {
    let by_number: HashMap<u64, usize> = places.iter().map(|place| (entries[*place].seq, *place)).collect();
    // An exchange is followed by the end of its body, so one is sorted by both.
    let mut ends: HashMap<usize, String> = HashMap::new();
    for place in places.iter() {
        if let Event::BodyEnded(ended) = &entries[*place].event
            && let Some(exchange) = by_number.get(&ended.exchange)
        {
            ends.insert(*exchange, format!("{:?} {}", ended.end, ended.sent_bytes));
        }
    }
    let key_of = |place: usize| -> Key {
        let owner = match &entries[place].event {
            Event::BodyEnded(ended) => by_number.get(&ended.exchange).copied(),
            _ => None,
        };
        let of = owner.unwrap_or(place);
        let Entry { event, seq, .. } = entries[of];
        let (rank, client) = rank(event);
        Key {
            rank,
            client,
            text: comparable(&lines[of]),
            end: ends.get(&of).cloned().unwrap_or_default(),
            number: *seq,
            is_end: owner.is_some(),
        }
    };
    places.sort_by_cached_key(|place| key_of(*place));
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    rank: u8,
    client: Client,
    text: String,
    end: String,
    /// Keeps the end of a body at its exchange where two are alike in all else.
    number: u64,
    is_end: bool,
}

/// Whose request it is, about what, and how far the pull has got with it.
type Client = Option<(IpAddr, Option<String>, Option<String>, u8)>;

fn rank(event: &Event) -> (u8, Client) {
    match event {
        Event::StepStarted(_) => (0, None),
        Event::PullStarted(_) | Event::StageResolved(_) | Event::DelegateSelected(_) => (1, None),
        Event::Exchange(exchange) => (2, Some(client(exchange))),
        Event::BodyEnded(_) => (3, None),
        Event::RetryWait(_) | Event::EgressRefused(_) => (4, None),
        Event::PullFinished(_) => (5, None),
        Event::ExecutionEnded(_) => (6, None),
        Event::StepFinished(_) | Event::ClockMoved(_) => (7, None),
    }
}

fn client(exchange: &Exchange) -> (IpAddr, Option<String>, Option<String>, u8) {
    let (endpoint, repository) = match &exchange.subject {
        Subject::Registry { endpoint, repository, .. } => (Some(*endpoint), repository.as_ref()),
        Subject::Api { .. } => (None, None),
    };
    let repository = match repository {
        Some(repository) => Some(repository.to_string()),
        None => scope_of(&exchange.target),
    };
    let stage = match (endpoint, exchange.status) {
        (Some(EndpointKind::Ping), _) => 0,
        (_, Some(401)) => 1,
        (Some(EndpointKind::Token), _) => 2,
        (Some(EndpointKind::Manifest), _) if !exchange.target.contains("sha256:") => 3,
        (Some(EndpointKind::Manifest), _) => 4,
        _ => 5,
    };
    (exchange.source, exchange.user_agent.clone(), repository, stage)
}

/// The repository that a token is asked for: `repository:library/alpine:pull` in the query.
fn scope_of(target: &str) -> Option<String> {
    let scope = target.split(['?', '&']).find_map(|part| part.strip_prefix("scope="))?;
    let scope = scope.replace("%3A", ":").replace("%2F", "/");
    Some(String::from(scope.strip_prefix("repository:")?.split(':').next()?))
}

/// A line without what a race decides.
fn comparable(line: &Value) -> String {
    let mut line = line.clone();
    if let Some(line) = line.as_object_mut() {
        line.shift_remove("token");
        line.shift_remove("exchange");
        if let Some(counted) = line.get_mut("counted").and_then(Value::as_object_mut) {
            counted.shift_remove("remaining");
        }
    }
    line.to_string()
}

/// Requests of one instant use up a shared allowance in the order of the machine: here, in that of the lines. Where they use
/// up more than one each, as bytes do, what was left in between depends on that order, and all tell what was left in the end.
fn share_out(places: &[usize], lines: &mut [Value]) {
    let mut of_limit: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for place in places {
        if let Some(counted) = lines[*place].get("counted") {
            let name = |key: &str| counted.get(key).map(Value::to_string).unwrap_or_default();
            let actor = lines[*place].get("actor").map(Value::to_string).unwrap_or_default();
            of_limit.entry([actor, name("limit_name"), name("key")].join(" ")).or_default().push(*place);
        }
    }
    for places in of_limit.into_values() {
        let left = |place: &usize| lines[*place].pointer("/counted/remaining").and_then(Value::as_u64).unwrap_or(0);
        let mut remaining: Vec<u64> = places.iter().map(left).collect();
        remaining.sort_unstable_by(|one, other| other.cmp(one));
        if remaining.windows(2).any(|pair| pair[0] - pair[1] > 1) {
            let lowest = remaining.last().copied().unwrap_or(0);
            remaining.fill(lowest);
        }
        for (place, remaining) in places.into_iter().zip(remaining) {
            if let Some(slot) = lines[place].pointer_mut("/counted/remaining") {
                *slot = json!(remaining);
            }
        }
    }
}

/// Without the answers that were asked for again because they were not yet what they must be: a step with `within` asks
/// as often as the machine lets it.
fn without_polls(entries: &[&Entry], places: Vec<usize>) -> Vec<usize> {
    let poll = |place: usize| match &entries[place].event {
        Event::Exchange(exchange) if exchange.method == "GET" && matches!(exchange.subject, Subject::Api { .. }) => {
            Some((exchange.source, exchange.target.clone()))
        }
        _ => None,
    };
    let last: HashMap<_, _> = places.iter().filter_map(|place| Some((poll(*place)?, *place))).collect();
    places.into_iter().filter(|place| poll(*place).is_none_or(|poll| last.get(&poll) == Some(place))).collect()
}

/// The entries as JSON, without what differs from run to run.
fn write(entries: &[&Entry]) -> serde_json::Result<Vec<Value>> {
    let mut executions: Vec<String> = Vec::new();
    for entry in entries {
        let execution = match &entry.event {
            Event::StageResolved(stage) => stage.execution.as_ref(),
            Event::DelegateSelected(selected) => selected.execution.as_ref(),
            Event::ExecutionEnded(ended) => Some(&ended.execution),
            _ => None,
        };
        if let Some(execution) = execution.filter(|id| !id.is_empty() && !executions.contains(id)) {
            executions.push(execution.clone());
        }
    }
    let mut lines = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut line = serde_json::to_value(entry)?;
        if let Some(line) = line.as_object_mut() {
            line.shift_remove("seq");
            line.shift_remove("connection");
        }
        clean(&mut line, &executions);
        lines.push(line);
    }
    Ok(lines)
}

fn clean(value: &mut Value, executions: &[String]) {
    match value {
        Value::String(text) => {
            for colon in [":", "%3A"] {
                if text.contains(colon) {
                    *text = without_ports(text, colon);
                }
            }
            for (index, id) in executions.iter().enumerate() {
                if text.contains(id.as_str()) {
                    *text = text.replace(id.as_str(), &format!("execution-{}", index + 1));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| clean(item, executions)),
        Value::Object(fields) => fields.values_mut().for_each(|field| clean(field, executions)),
        _ => {}
    }
}

/// The text with `PORT` for the ports of this machine behind `colon`.
fn without_ports(text: &str, colon: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut told = 0;
    for (at, _) in text.match_indices(colon) {
        let port = at + colon.len();
        let n_digits = text[port..].bytes().take_while(u8::is_ascii_digit).count();
        if (1..=5).contains(&n_digits) && is_this_machine(&text[..at]) {
            cleaned.push_str(&text[told..port]);
            cleaned.push_str("PORT");
            told = port + n_digits;
        }
    }
    cleaned + &text[told..]
}

/// Whether the text ends with a name of this machine.
fn is_this_machine(text: &str) -> bool {
    let is_of_host = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-');
    let host = text.rsplit(|char| !is_of_host(char)).next().unwrap_or_default();
    let is_loopback = |host: &str| host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    host == "localhost" || is_loopback(host) || text.ends_with("[::1]")
}

/// Numbers tokens in the order in which they are first told.
fn number_tokens(order: &[usize], lines: &mut [Value]) {
    let mut tokens: HashMap<String, usize> = HashMap::new();
    for place in order {
        if let Some(Value::String(token)) = lines[*place].get_mut("token") {
            let n = tokens.len() + 1;
            let number = *tokens.entry(std::mem::take(token)).or_insert(n);
            *token = format!("token-{number}");
        }
    }
}

fn point_back(entries: &[&Entry], order: &[usize], lines: &mut [Value]) {
    let at: HashMap<u64, usize> = order.iter().enumerate().map(|(line, place)| (entries[*place].seq, line)).collect();
    for (line, place) in order.iter().enumerate() {
        if let Event::BodyEnded(ended) = &entries[*place].event
            && let Some(fields) = lines[*place].as_object_mut()
        {
            fields.shift_remove("exchange");
            let above = at.get(&ended.exchange).and_then(|exchange| line.checked_sub(*exchange));
            fields.insert(String::from(ABOVE), json!(above));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        Clock, Journal,
        journal::{PullStarted, RetryWait, StepFinished, StepStarted},
    };

    fn started(from: &str) -> Event {
        Event::PullStarted(PullStarted {
            from: from.to_owned(),
            image: "localhost:40123/a:1".to_owned(),
            account: None,
        })
    }

    fn wait(digest: &str) -> Event {
        let request = format!("GET /v2/a/blobs/sha256:{}", digest.repeat(64));
        let cause = "429".to_owned();
        Event::RetryWait(RetryWait { from: "client".to_owned(), request, attempt: 1, cause, wait_ms: 1000 })
    }

    fn step(step: &str, kind: &str) -> Event {
        Event::StepStarted(StepStarted { step: step.to_owned(), kind: kind.to_owned(), line: 1 })
    }

    fn done(step: &str) -> Event {
        Event::StepFinished(StepFinished { step: step.to_owned(), passed: true })
    }

    /// The canonical lines of a journal with these events; a none moves the clock.
    fn lines(events: Vec<Option<Event>>) -> Vec<String> {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let journal = Journal::new(&clock);
        for event in events {
            match event {
                Some(event) => drop(journal.record(event)),
                None => clock.advance(Duration::from_secs(1)),
            }
        }
        canonical(&journal.entries()).unwrap().iter().map(Value::to_string).collect()
    }

    #[test]
    fn layers_that_race_stand_in_one_order_and_what_follows_does_not_change_places() {
        let once = lines(vec![Some(started("a")), Some(wait("b")), Some(wait("a")), None, Some(wait("b"))]);
        let again = lines(vec![Some(started("a")), Some(wait("a")), Some(wait("b")), None, Some(wait("b"))]);
        assert_eq!(once, again);
        let other = lines(vec![Some(wait("a")), Some(started("a")), Some(wait("b")), None, Some(wait("b"))]);
        assert_ne!(once, other, "one thing after the other");
    }

    #[test]
    fn steps_that_are_carried_out_at_the_same_time_stand_in_one_order() {
        let run = |first: &str, second: &str| {
            let inner = |name: &str| [Some(step(name, "pull")), Some(started(name)), Some(done(name))];
            let mut events = vec![Some(step("1", "parallel"))];
            events.extend(inner(first).into_iter().chain(inner(second)));
            events.extend([Some(done("1")), Some(step("2", "pull")), Some(started("b"))]);
            lines(events)
        };
        assert_eq!(run("1.1", "1.2"), run("1.2", "1.1"));
    }

    #[test]
    fn ports_of_this_machine_are_accidents_and_others_are_not() {
        let check = |text: &str, expected: &str| {
            assert_eq!(without_ports(&without_ports(text, ":"), "%3A"), expected);
        };
        check("127.0.0.1:43210/a:1", "127.0.0.1:PORT/a:1");
        check("http://localhost:43210", "http://localhost:PORT");
        check("?service=localhost%3A43210&n=1", "?service=localhost%3APORT&n=1");
        check("[::1]:43210", "[::1]:PORT");
        check("hub.test:5000/a:17 sha256:12", "hub.test:5000/a:17 sha256:12");
    }

    #[test]
    fn canonical_lines_are_read_back_as_they_were() {
        let text =
            lines(vec![Some(step("1", "pull")), Some(started("a")), Some(wait("a")), None, Some(done("1"))]).join("\n");
        let entries = read_canonical(&text).unwrap();
        assert_eq!(entries.len(), 5);
        let again: Vec<_> = canonical(&entries).unwrap().iter().map(Value::to_string).collect();
        assert_eq!(again.join("\n"), text);
    }
}
