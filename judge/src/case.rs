//! What judges look at: exchanges by client, attempts at the same request, and whose an image is.

use std::{borrow::Borrow, collections::HashMap};

use http::Method;
use oci::EndpointKind;
use testbed::{Timestamp, journal::Entry};

use crate::{
    group::{Group, groups},
    pull::{Client, client},
    reading::{Caller, Reading, Seen},
    verdict::{Finding, Judge, Verdict},
};

/// A journal, ready to be judged.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) reading: Reading<'a>,
    pub(crate) groups: Vec<Group<'a>>,
    /// The pull that each exchange belongs to.
    group_of: Vec<Option<usize>>,
}

/// Requests for the same thing by one client in one pull: each but the last failed.
#[derive(Debug)]
pub(crate) struct Series<'c, 'a> {
    pub(crate) caller: Caller<'a>,
    pub(crate) attempts: Vec<&'c Seen<'a>>,
}

impl<'a> Case<'a> {
    pub(crate) fn of<E: Borrow<Entry>>(entries: &'a [E]) -> Self {
        let reading = Reading::of(entries);
        let groups = groups(&reading);
        let mut group_of = vec![None; reading.seen.len()];
        for (index, group) in groups.iter().enumerate() {
            for place in &group.members {
                group_of[*place] = Some(index);
            }
        }
        Self { reading, groups, group_of }
    }

    /// Each client with its exchanges, in the order in which they appear.
    pub(crate) fn callers(&self) -> Vec<(Caller<'a>, Vec<usize>)> {
        let mut callers: Vec<(Caller<'a>, Vec<usize>)> = Vec::new();
        let mut index: HashMap<Caller<'a>, usize> = HashMap::new();
        for (place, seen) in self.reading.seen.iter().enumerate() {
            let at = *index.entry(seen.caller()).or_insert_with(|| {
                callers.push((seen.caller(), Vec::new()));
                callers.len() - 1
            });
            callers[at].1.push(place);
        }
        callers
    }

    pub(crate) fn seen(&self, place: usize) -> &Seen<'a> {
        &self.reading.seen[place]
    }

    /// The number of the pull that an exchange belongs to.
    pub(crate) fn group(&self, place: usize) -> Option<usize> {
        self.group_of[place]
    }

    /// Requests that failed by their status, each with the attempts at it that followed. Challenges are no failures,
    /// nor are bodies that broke off: what follows them is another request, for the rest.
    pub(crate) fn series(&self) -> Vec<Series<'_, 'a>> {
        let mut series: Vec<Series<'_, 'a>> = Vec::new();
        type Request<'a> = (Caller<'a>, Option<usize>, &'a str, &'a Method, &'a str);
        let mut open: HashMap<Request<'a>, usize> = HashMap::new();
        for (place, seen) in self.reading.seen.iter().enumerate() {
            if seen.status() == 401 || !(seen.reads() || seen.endpoint == EndpointKind::Token) {
                continue;
            }
            let key = (seen.caller(), self.group(place), &*seen.exchange.actor, &seen.exchange.method, seen.path());
            let index = match open.get(&key) {
                Some(index) => *index,
                None if seen.failed() => {
                    series.push(Series { caller: seen.caller(), attempts: Vec::new() });
                    open.insert(key, series.len() - 1);
                    series.len() - 1
                }
                None => continue,
            };
            series[index].attempts.push(seen);
            if !seen.failed() {
                open.remove(&key);
            }
        }
        series
    }

    /// The exchanges with whom the image of a pull is at home, rather than with a mirror. None: that is not known.
    pub(crate) fn is_home(&self, group: &Group<'a>, seen: &Seen<'a>) -> Option<bool> {
        let named = || group.members.iter().find_map(|place| self.seen(*place).parameter("ns"));
        let home = group.home.map(String::from).or_else(named)?;
        let actor = self.reading.seen.iter().find(|seen| is_host_of(&home, &seen.exchange.host));
        let actor = actor.map(|known| &*known.exchange.actor);
        Some(actor == Some(&*seen.exchange.actor) || is_host_of(&home, &seen.exchange.host))
    }

    /// Whether a redirect led the client to the host of `seen`.
    pub(crate) fn was_sent_to(&self, seen: &Seen<'a>) -> bool {
        let host = Some(seen.exchange.host.as_str());
        let sent =
            |known: &Seen<'a>| known.caller() == seen.caller() && known.exchange.location_host.as_deref() == host;
        self.reading.seen.iter().take_while(|known| known.seq < seen.seq).any(sent)
    }

    /// A verdict of `judge` about a client.
    pub(crate) fn verdict(
        &self,
        judge: Judge,
        caller: Caller<'a>,
        finding: Finding,
        sentence: impl Into<String>,
    ) -> Verdict {
        Verdict { judge, finding, client: Some(self.client(caller)), sentence: sentence.into(), should: None }
    }

    fn client(&self, caller: Caller<'a>) -> Client {
        let theirs: Vec<_> = self.reading.seen.iter().filter(|seen| seen.caller() == caller).collect();
        client(caller, &theirs)
    }
}

impl Verdict {
    /// What the client should have done.
    pub(crate) fn should(mut self, should: impl Into<String>) -> Self {
        self.should = Some(should.into());
        self
    }
}

/// Whether the host that was asked is the one that an image names.
fn is_host_of(image: &str, asked: &str) -> bool {
    const HUB: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
    let is_hub = |host: &str| HUB.iter().any(|hub| hub.eq_ignore_ascii_case(host));
    image.eq_ignore_ascii_case(asked) || is_hub(image) && is_hub(asked)
}

/// Milliseconds from one instant to a later one.
pub(crate) fn ms_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond().saturating_sub(from.as_millisecond())).unwrap_or(0)
}

/// A time for people.
pub(crate) fn print_ms(ms: u64) -> String {
    testbed::duration::print(std::time::Duration::from_millis(ms))
}

/// `#3, #5 and #8`; of many, the first and the last.
pub(crate) fn numbers(seqs: &[u64]) -> String {
    let told = |seqs: &[u64]| seqs.iter().map(|seq| format!("#{seq}")).collect::<Vec<_>>().join(", ");
    match seqs {
        [] => String::new(),
        [one] => format!("#{one}"),
        [first @ .., last] if seqs.len() <= 6 => format!("{} and #{last}", told(first)),
        [first, .., last] => format!("#{first} … #{last}"),
    }
}
