//! Checks of what a registry saw, read off the journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use oci::EndpointKind;
use testbed::{
    journal::{Entry, Event, Exchange, Subject},
    rule::{Call, Occasion},
};

use super::{Checks, list};
use crate::{
    format::{Count, RegistryExpect, Seen},
    outcome::Tally,
};

/// Notes the checks of what the registry called `name` saw.
pub(crate) fn registry(expect: &RegistryExpect, name: &str, entries: &[&Entry], checks: &mut Checks) {
    checks.about(name);
    let exchanges: Vec<_> =
        exchanges(entries).filter(|exchange| *exchange.actor == *name && endpoint(exchange).is_some()).collect();
    let manifests: Vec<_> = exchanges.iter().copied().filter(|exchange| is_manifest_get(exchange)).collect();
    let count =
        |admits: &dyn Fn(&Exchange) -> bool| exchanges.iter().filter(|exchange| admits(exchange)).count() as u64;
    let counts = [
        ("pulls answered", &expect.pulls, count(&is_pull)),
        ("pulls refused", &expect.refused, count(&is_refused)),
        ("requests seen", &expect.requests, exchanges.len() as u64),
        ("tokens asked", &expect.tokens, count(&|exchange| endpoint(exchange) == Some(EndpointKind::Token))),
    ];
    for (what, want, is) in counts {
        if let Some(want) = want {
            checks.note(format!("{what} by {name}"), want.value, is, want.value.admits(is), want.span);
        }
    }
    if let Some(want) = &expect.principals {
        let is: BTreeSet<_> = manifests.iter().map(|exchange| exchange.principal.clone()).collect();
        let passed = want.value.iter().cloned().collect::<BTreeSet<_>>() == is;
        checks.note(format!("principals seen by {name}"), list(&want.value), list(&is), passed, want.span);
    }
    if let Some(want) = &expect.sources {
        let is: BTreeSet<_> = manifests.iter().map(|exchange| exchange.source).collect();
        let passed = want.value.iter().copied().collect::<BTreeSet<_>>() == is;
        checks.note(format!("addresses seen by {name}"), list(&want.value), list(&is), passed, want.span);
    }
    if let Some(want) = &expect.keys {
        let is: BTreeSet<_> =
            manifests.iter().filter_map(|exchange| Some(exchange.counted.as_ref()?.key.to_string())).collect();
        let passed = want.value.iter().cloned().collect::<BTreeSet<_>>() == is;
        checks.note(format!("keys counted by {name}"), list(&want.value), list(&is), passed, want.span);
    }
    for want in &expect.seen {
        let is = n_seen(&want.value, &exchanges);
        let times = want.value.times.unwrap_or(Count::SOME);
        let what = serde_json::to_string(&want.value.when).unwrap_or_default();
        checks.note(format!("exchanges seen by {name} when {what}"), times, is, times.admits(is), want.span);
    }
}

/// The numbers of a scenario.
pub(crate) fn tally(entries: &[&Entry]) -> Tally {
    let mut tally = Tally::default();
    for entry in entries {
        match &entry.event {
            Event::Exchange(exchange) => {
                tally.n_requests += 1;
                tally.n_pulls += u64::from(is_pull(exchange));
                tally.n_refused += u64::from(is_refused(exchange));
            }
            Event::ClockMoved(step) => tally.policy_time_ms += step.by_ms,
            _ => {}
        }
    }
    tally
}

fn exchanges<'a>(entries: &'a [&'a Entry]) -> impl Iterator<Item = &'a Exchange> {
    entries.iter().filter_map(|entry| match &entry.event {
        Event::Exchange(exchange) => Some(&**exchange),
        _ => None,
    })
}

fn endpoint(exchange: &Exchange) -> Option<EndpointKind> {
    match &exchange.subject {
        Subject::Registry { endpoint, .. } => Some(*endpoint),
        Subject::Api { .. } => None,
    }
}

fn is_manifest_get(exchange: &Exchange) -> bool {
    endpoint(exchange) == Some(EndpointKind::Manifest) && exchange.method == "GET" && exchange.status != Some(401)
}

fn is_pull(exchange: &Exchange) -> bool {
    is_manifest_get(exchange) && exchange.status == Some(200)
}

fn is_refused(exchange: &Exchange) -> bool {
    exchange.counted.as_ref().is_some_and(|counted| counted.refused)
}

/// How many of `exchanges` are such. Attempts are counted as the rules count them: per client and request.
fn n_seen(seen: &Seen, exchanges: &[&Exchange]) -> u64 {
    let mut attempts = BTreeMap::new();
    let mut n = 0;
    for exchange in exchanges {
        let path = exchange.target.split('?').next().unwrap_or_default();
        let client = (exchange.principal.clone(), exchange.source, exchange.method.to_string(), String::from(path));
        let attempt = attempts.entry(client).or_insert(0_u32);
        *attempt += 1;
        let status_fits = seen.status.is_none_or(|status| exchange.status == Some(status));
        if status_fits && seen.when.admits(&occasion(exchange, *attempt), "") {
            n += 1;
        }
    }
    n
}

fn occasion(exchange: &Exchange, attempt: u32) -> Occasion {
    let (call, repository, reference, layer) = match &exchange.subject {
        Subject::Registry { endpoint, repository, reference, layer } => {
            (Call::Registry(*endpoint), repository.clone(), reference.clone(), *layer)
        }
        Subject::Api { .. } => (Call::Api(exchange.target.clone()), None, None, None),
    };
    let kept = [("range", &exchange.range), ("accept", &exchange.accept), ("authorization", &exchange.authorization)];
    let headers = kept.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
    let query = exchange.target.split_once('?').map_or("", |(_, query)| query);
    Occasion {
        call,
        method: exchange.method.clone(),
        repository,
        reference,
        layer,
        principal: exchange.principal.clone(),
        source: exchange.source,
        user_agent: exchange.user_agent.clone(),
        headers,
        attempt,
        connection: exchange.connection,
        host: exchange.host.clone(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        since_start: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use oci::Principal;
    use testbed::{
        Clock,
        diagnostic::Source,
        journal::{Counted, Protocol},
        yaml,
    };

    use super::*;

    fn exchange(actor: &str, endpoint: EndpointKind, status: u16, refused: bool) -> Entry {
        let counted = (endpoint == EndpointKind::Manifest).then(|| Counted {
            limit_name: "anonymous".into(),
            key: "127.0.0.1".into(),
            limit: 1,
            remaining: 0,
            used: !refused,
            refused,
        });
        let event = Event::Exchange(Box::new(Exchange {
            actor: actor.into(),
            host: String::from("hub.test"),
            source: IpAddr::from([127, 0, 0, 1]),
            connection: 1,
            method: "GET".parse().unwrap(),
            target: format!("/v2/{endpoint}?n=1"),
            subject: Subject::Registry { endpoint, repository: "library/a".parse().ok(), reference: None, layer: None },
            principal: Principal::Anonymous,
            authorization: None,
            token: None,
            user_agent: None,
            range: None,
            accept: None,
            protocol: Protocol::Http1,
            status: Some(status),
            error: None,
            length_bytes: None,
            retry_after: None,
            content_range: None,
            location_host: None,
            counted,
            rule: None,
        }));
        Entry { seq: 1, at: Clock::DEFAULT_START, event }
    }

    /// Evaluates the expectation `text` of a registry that was asked for a manifest twice and for a token once, and says
    /// which of its checks are false.
    fn check(text: &str, expect: &[&str]) {
        let expectation: RegistryExpect = yaml::from_str(&Source::new("x.yaml", text)).unwrap();
        let entries = [
            exchange("hub", EndpointKind::Token, 200, false),
            exchange("hub", EndpointKind::Manifest, 200, false),
            exchange("hub", EndpointKind::Manifest, 429, true),
            exchange("other", EndpointKind::Manifest, 200, false),
        ];
        let entries: Vec<_> = entries.iter().collect();
        let mut checks = Checks::from_entries(0, 0);
        registry(&expectation, "hub", &entries, &mut checks);
        let failed: Vec<_> = checks.done().into_iter().filter(|check| !check.passed).map(|check| check.what).collect();
        assert_eq!(failed, expect, "{text}");
    }

    #[test]
    fn every_expectation_of_a_registry_can_be_true_and_false() {
        check("{ pulls: 1, refused: 1, requests: 3, tokens: 1 }", &[]);
        check(
            "{ pulls: 2, refused: 0, requests: 4, tokens: 0 }",
            &["pulls answered by hub", "pulls refused by hub", "requests seen by hub", "tokens asked by hub"],
        );
        check("{ principals: [anonymous], sources: [127.0.0.1] }", &[]);
        check("principals: ['account:ci']", &["principals seen by hub"]);
        check("sources: [127.0.0.1, 127.0.0.2]", &["addresses seen by hub"]);
        check("keys: [127.0.0.1]", &[]);
        check("keys: ['2001:db8::']", &["keys counted by hub"]);
        check("seen: [{ when: { manifest: get, repository: library/* }, times: 2 }]", &[]);
        check("seen: [{ when: { manifest: get, attempt: 2 }, status: 429, times: 1 }]", &[]);
        check("seen: [{ when: { blob: get }, times: 0 }]", &[]);
        check("seen: [{ when: { blob: get } }]", &[r#"exchanges seen by hub when {"blob":"get"}"#]);
        check("seen: [{ when: { manifest: get }, times: 0 }]", &[r#"exchanges seen by hub when {"manifest":"get"}"#]);
    }
}
