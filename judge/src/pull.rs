//! What each pull came to.

use std::{borrow::Borrow, collections::BTreeMap, fmt, net::IpAddr};

use oci::{EndpointKind, Principal, Reference};
use schemars::JsonSchema;
use serde::Serialize;
use testbed::{Timestamp, journal::Entry};

use crate::{
    group::{Group, groups, is_complete},
    reading::{Caller, Reading, Seen},
};

/// Who pulls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Client {
    /// From which address.
    pub source: IpAddr,
    /// What it calls itself: its `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Who it turned out to be: `anonymous`, `account:ci`.
    #[schemars(with = "String")]
    pub principal: Principal,
}

/// One pull, put together from the exchanges that belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Pull {
    /// Its number, from 1, in the order in which pulls begin.
    pub number: usize,
    /// Who pulls.
    pub client: Client,
    /// What: repository, and tag or digest.
    pub image: String,
    /// The registries that were asked for it, the first one first.
    pub registries: Vec<String>,
    /// When its first request was answered, in policy time.
    #[schemars(with = "String")]
    pub began: Timestamp,
    /// When its last one was, or the last body ended.
    #[schemars(with = "String")]
    pub ended: Timestamp,
    /// The numbers of its first and its last exchange in the journal.
    pub exchanges: (u64, u64),
    /// How many requests it took.
    pub requests: u64,
    /// How many of them a limit counted.
    pub counted: u64,
    /// How many were refused: by a limit, or with a 429 of whatever origin.
    pub refused: u64,
    /// How many asked for a token.
    pub tokens: u64,
    /// Bytes of manifests and blobs that were sent.
    pub bytes: u64,
    /// Bytes of blobs that were sent more than once.
    pub wasted_bytes: u64,
    /// How often a blob was taken up again in its middle.
    pub resumed: u64,
    /// Whether every manifest and blob that was asked for was sent to its end.
    pub complete: bool,
}

/// The pulls that `entries` tell of, in the order in which they begin.
///
/// Of a journal that dropped its oldest entries, the first ones may lack their beginning.
pub fn pulls<E: Borrow<Entry>>(entries: &[E]) -> Vec<Pull> {
    let reading = Reading::of(entries);
    let groups = groups(&reading);
    groups.iter().enumerate().filter_map(|(index, group)| pull(&reading, group, index + 1)).collect()
}

fn pull(reading: &Reading<'_>, group: &Group<'_>, number: usize) -> Option<Pull> {
    let members: Vec<&Seen<'_>> = group.members.iter().map(|place| &reading.seen[*place]).collect();
    let (first, last) = (members.first()?, members.last()?);
    let count = |admits: &dyn Fn(&Seen<'_>) -> bool| members.iter().filter(|seen| admits(seen)).count() as u64;
    let mut registries: Vec<String> = Vec::new();
    for seen in members.iter().filter(|seen| seen.is_content()) {
        if !registries.iter().any(|known| **known == *seen.exchange.actor) {
            registries.push(seen.exchange.actor.to_string());
        }
    }
    let ends = members.iter().map(|seen| seen.ended.map_or(seen.at, |(at, _)| at));
    Some(Pull {
        number,
        client: client(group.caller, &members),
        image: image(group),
        registries,
        began: first.at,
        ended: ends.max().unwrap_or(last.at),
        exchanges: (first.seq, last.seq),
        requests: members.len() as u64,
        counted: count(&|seen| seen.exchange.counted.as_ref().is_some_and(|counted| counted.used)),
        refused: count(&|seen| seen.is_refused()),
        tokens: count(&|seen| seen.endpoint == EndpointKind::Token),
        bytes: members.iter().filter(|seen| seen.is_content()).map(|seen| seen.content_bytes()).sum(),
        wasted_bytes: wasted_bytes(&members),
        resumed: count(&|seen| seen.is_blob() && seen.is_get() && seen.status() == 206 && seen.first_byte() > 0),
        complete: is_complete(reading, group),
    })
}

/// Who `caller` is, who made these requests.
pub(crate) fn client((source, user_agent): Caller<'_>, theirs: &[&Seen<'_>]) -> Client {
    Client { source, user_agent: user_agent.map(String::from), principal: principal(theirs) }
}

fn image(group: &Group<'_>) -> String {
    let mark = if matches!(group.root, Reference::Digest(_)) { '@' } else { ':' };
    format!("{}{mark}{}", group.repository, group.root)
}

/// Who the client is once it has shown it: requests before that are nobody's.
fn principal(members: &[&Seen<'_>]) -> Principal {
    let known = members.iter().rev().map(|seen| &seen.exchange.principal);
    known.into_iter().find(|principal| **principal != Principal::Anonymous).cloned().unwrap_or(Principal::Anonymous)
}

/// What was sent of each blob beyond its bytes: each byte is needed once.
fn wasted_bytes(members: &[&Seen<'_>]) -> u64 {
    let mut parts: BTreeMap<&Reference, Vec<(u64, u64)>> = BTreeMap::new();
    for seen in members.iter().filter(|seen| seen.is_blob()) {
        let (first, n) = (seen.first_byte(), seen.content_bytes());
        if let Some(reference) = seen.reference.filter(|_| n > 0) {
            parts.entry(reference).or_default().push((first, first.saturating_add(n)));
        }
    }
    parts.into_values().map(overlap).sum()
}

/// How many bytes lie in more than one of `parts`, each time counted but the first.
fn overlap(mut parts: Vec<(u64, u64)>) -> u64 {
    parts.sort_unstable();
    let mut covered = 0;
    let mut twice = 0_u64;
    for (first, end) in parts {
        twice = twice.saturating_add(end.min(covered).saturating_sub(first));
        covered = covered.max(end);
    }
    twice
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        if let Some(user_agent) = &self.user_agent {
            write!(f, " {}", user_agent.split(' ').next().unwrap_or_default())?;
        }
        if self.principal != Principal::Anonymous {
            write!(f, " as {}", self.principal)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_sent_twice_are_wasted_once() {
        let check = |parts: &[(u64, u64)], expect| assert_eq!(overlap(parts.to_vec()), expect, "{parts:?}");
        check(&[(0, 10)], 0);
        check(&[(0, 5), (5, 10)], 0);
        check(&[(0, 5), (0, 10)], 5);
        check(&[(0, 10), (0, 10), (0, 10)], 20);
        check(&[(4, 10), (0, 5), (20, 30)], 1);
        check(&[(0, 20), (5, 10)], 5);
    }
}
