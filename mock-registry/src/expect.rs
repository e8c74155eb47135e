//! What a test expects to be asked of a registry, verified when the registry is dropped, in the manner of wiremock.

use std::{
    fmt::{self, Write as _},
    ops::{Bound, RangeBounds},
    sync::{Arc, Mutex, PoisonError},
};

use http::Method;
use oci::EndpointKind;
use testbed::{
    Journal,
    journal::{Event, Exchange, Subject},
};

/// How many requests are shown when an expectation was not met.
const N_SHOWN: usize = 20;

/// A kind of request, and how often it is expected. Without a number: at least once.
///
/// ```
/// use mock_registry::Expect;
///
/// let once = Expect::pulls("team/app").times(1);
/// let no_listing = Expect::requests("tag lists", |asked| asked.target.ends_with("/tags/list")).times(0);
/// let few = Expect::requests("refusals", |asked| asked.status == Some(429)).between(1..=3);
/// ```
#[derive(Clone)]
#[must_use = "hand it to `MockRegistry::expect`"]
pub struct Expect {
    what: String,
    admits: Arc<dyn Fn(&Exchange) -> bool + Send + Sync>,
    times: (Bound<usize>, Bound<usize>),
}

impl Expect {
    /// Pulls from `repository`, as the registry names it: GETs of its manifests that were answered with one.
    pub fn pulls(repository: &str) -> Self {
        let wanted = repository.to_owned();
        Self::requests(format!("pulls from {repository}"), move |asked| {
            let is_there = matches!(&asked.subject, Subject::Registry { endpoint: EndpointKind::Manifest, repository, .. }
                if repository.as_ref().is_some_and(|repository| repository.as_str() == wanted));
            is_there && asked.method == Method::GET && asked.status == Some(200)
        })
    }

    /// Requests that `admits` accepts; `what` names them in a failure.
    pub fn requests(what: impl Into<String>, admits: impl Fn(&Exchange) -> bool + Send + Sync + 'static) -> Self {
        Self { what: what.into(), admits: Arc::new(admits), times: (Bound::Included(1), Bound::Unbounded) }
    }

    /// Exactly `n` of them.
    pub fn times(self, n: usize) -> Self {
        self.between(n..=n)
    }

    /// As many as the range has: `2..`, `..=3`.
    pub fn between(self, times: impl RangeBounds<usize>) -> Self {
        Self { times: (times.start_bound().cloned(), times.end_bound().cloned()), ..self }
    }

    /// What is wrong, if something is.
    fn complain(&self, seen: &[Exchange]) -> Option<String> {
        let n = seen.iter().filter(|asked| (self.admits)(asked)).count();
        (!self.times.contains(&n)).then(|| format!("{}: expected {}, saw {n}", self.what, Times(self.times)))
    }
}

impl fmt::Debug for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expect({}: {})", self.what, Times(self.times))
    }
}

struct Times((Bound<usize>, Bound<usize>));

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = match self.0.0 {
            Bound::Included(n) => n,
            Bound::Excluded(n) => n + 1,
            Bound::Unbounded => 0,
        };
        let most = match self.0.1 {
            Bound::Included(n) => Some(n),
            Bound::Excluded(n) => Some(n.saturating_sub(1)),
            Bound::Unbounded => None,
        };
        match most {
            Some(most) if most == least => write!(f, "{least}"),
            Some(most) => write!(f, "{least} to {most}"),
            None => write!(f, "at least {least}"),
        }
    }
}

/// Everything that is expected of one registry. Verified when it is dropped, unless the test fails already.
#[derive(Debug)]
pub(crate) struct Expectations {
    journal: Journal,
    name: String,
    expected: Mutex<Vec<Expect>>,
}

impl Expectations {
    /// Nothing yet of the registry called `name`, whose requests `journal` tells.
    pub(crate) fn new(journal: Journal, name: &str) -> Self {
        Self { journal, name: name.to_owned(), expected: Mutex::default() }
    }

    pub(crate) fn add(&self, expect: Expect) {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).push(expect);
    }

    /// The requests that the registry was sent, oldest first.
    pub(crate) fn received(&self) -> Vec<Exchange> {
        let entries = self.journal.entries();
        let exchanges = entries.iter().filter_map(|entry| match &entry.event {
            Event::Exchange(exchange) if *exchange.actor == *self.name => Some(exchange),
            _ => None,
        });
        exchanges.map(|exchange| (**exchange).clone()).collect()
    }

    /// Panics if something is not as expected; what was expected is settled then.
    pub(crate) fn verify(&self) {
        let expected = std::mem::take(&mut *self.expected.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(complaint) = complain(&self.name, &expected, &self.received()) {
            panic!("{complaint}");
        }
    }
}

impl Drop for Expectations {
    fn drop(&mut self) {
        // A second panic would end the process, and hide the first.
        if !std::thread::panicking() {
            self.verify();
        }
    }
}

/// Everything that is wrong, in one text, with the newest requests; none if nothing is.
fn complain(name: &str, expected: &[Expect], seen: &[Exchange]) -> Option<String> {
    let complaints: Vec<_> = expected.iter().filter_map(|expect| expect.complain(seen)).collect();
    if complaints.is_empty() {
        return None;
    }
    let mut text = format!("registry `{name}` was not asked as expected");
    for complaint in complaints {
        // Writing to a text does not fail.
        let _ = write!(text, "\n  {complaint}");
    }
    let newest = &seen[seen.len().saturating_sub(N_SHOWN)..];
    let _ = write!(text, "\nit was asked {} times{}", seen.len(), if seen.is_empty() { "" } else { ":" });
    if newest.len() < seen.len() {
        let _ = write!(text, " (the newest {N_SHOWN})");
    }
    for asked in newest {
        let status = asked.status.map_or_else(|| String::from("no answer"), |status| status.to_string());
        let _ = write!(text, "\n  {} {} {status}", asked.method, asked.target);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expect: Expect, shown: &str) {
        assert_eq!(expect.complain(&[]).unwrap_or_default(), shown);
    }

    #[test]
    fn a_complaint_says_what_was_expected_and_seen() {
        let any = || Expect::requests("requests", |_| true);
        check(any(), "requests: expected at least 1, saw 0");
        check(any().times(0), "");
        check(any().times(2), "requests: expected 2, saw 0");
        check(any().between(1..3), "requests: expected 1 to 2, saw 0");
        check(any().between(..=3), "");
        check(Expect::pulls("a/b").between(2..), "pulls from a/b: expected at least 2, saw 0");
    }
}
