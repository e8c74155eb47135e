//! What to do after a failure: a pure state machine over a profile's rules.
//!
//! Its state is small: how often the host has failed, for clients that count by host, and the random numbers that jitter is
//! drawn from. Who sleeps, and what is sent again, is not its business.

use std::{collections::BTreeMap, time::Duration};

use rand::Rng as _;
use testbed::{Clock, Seed, Timestamp};

use super::{
    ClientProfile,
    hint::read_hint,
    rule::{Beyond, Cause, Counting, OuterRounds, RequestKind, RetryRule},
};

/// One failed attempt, as far as rules care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which kind of request.
    pub request: RequestKind,
    /// The request itself, where several are under way: each has jitter of its own.
    pub asked: String,
    /// How it failed.
    pub cause: Cause,
    /// The answer's `Retry-After`, as it was sent.
    pub retry_after: Option<String>,
    /// When, for a `Retry-After` that is a date.
    pub now: Timestamp,
    /// Whether no other host is left to ask. Default true.
    pub is_last_host: bool,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Wait that long in policy time, then try again.
    RetryAfter(Duration),
    /// The failure is the outcome.
    GiveUp,
    /// The registry asks for a wait of that long, which is longer than the client waits: the failure is the outcome, and
    /// tells it.
    TooLong(Duration),
}

impl Failure {
    /// A request for a manifest failed so.
    pub fn new(cause: Cause) -> Self {
        let now = Clock::DEFAULT_START;
        let request = RequestKind::Manifest;
        Self { request, asked: String::new(), cause, retry_after: None, now, is_last_host: true }
    }

    /// A request for a manifest was answered with this status.
    pub fn status(status: u16) -> Self {
        Self::new(Cause::Status(status))
    }

    /// With this `Retry-After`.
    #[must_use]
    pub fn retry_after(self, text: impl Into<String>) -> Self {
        Self { retry_after: Some(text.into()), ..self }
    }

    /// It was a request of another kind.
    #[must_use]
    pub fn of(self, request: RequestKind) -> Self {
        Self { request, ..self }
    }

    /// It happened at this time.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }
}

/// The retries of one client at one host.
#[derive(Clone, Debug)]
pub struct Retries {
    rules: Vec<RetryRule>,
    outer: Option<OuterRounds>,
    counting: Counting,
    jitter: Jitter,
    /// Waits that were the client's own, for those that count by host.
    n_host_failures: u32,
}

/// A stream of random numbers for each request, so that requests that are under way together do not draw each other's.
/// Cloning it repeats it.
#[derive(Clone, Debug)]
struct Jitter {
    seed: Seed,
    n_drawn: BTreeMap<String, u64>,
}

impl Retries {
    /// No attempt has failed yet. The same seed gives the same jitter.
    pub fn new(profile: &ClientProfile, seed: Seed) -> Self {
        Self {
            rules: profile.retry.clone(),
            outer: profile.outer.clone(),
            counting: profile.counting,
            jitter: Jitter { seed, n_drawn: BTreeMap::new() },
            n_host_failures: 0,
        }
    }

    /// What to do after attempt number `attempt` (from 1) of a request failed. Where the 401 that asked for a token counts
    /// as an attempt, it is the caller's to count it.
    pub fn after(&mut self, failure: &Failure, attempt: u32) -> Decision {
        let Some(rule) = self.rules.iter().find(|rule| rule.covers(failure.request, failure.cause)).cloned() else {
            return Decision::GiveUp;
        };
        if rule.last_host_only && !failure.is_last_host {
            return Decision::GiveUp;
        }
        let hint = rule.retry_after.as_ref();
        let asked = hint.zip(failure.retry_after.as_deref()).and_then(|(hint, text)| {
            let wait = read_hint(text, &hint.forms, failure.now)?;
            Some((wait, hint))
        });
        if let Some((wait, hint)) = asked {
            let attempts = hint.attempts.unwrap_or(rule.attempts);
            let most = hint.most.map_or(Duration::MAX, |most| most.0);
            match hint.beyond {
                Beyond::Fail if wait > most => return Decision::TooLong(wait),
                _ if attempt >= attempts.get() => return Decision::GiveUp,
                Beyond::Ignore if wait > most => {}
                _ => return Decision::RetryAfter(wait.min(most)),
            }
        } else if rule.only_if_asked {
            return Decision::GiveUp;
        }
        self.own_wait(&rule, failure, attempt)
    }

    /// What to do after round number `round` (from 1) of what [`OuterRounds::of`] says.
    pub fn after_round(&self, failure: &Failure, round: u32) -> Decision {
        let wait = self.outer.as_ref().and_then(|outer| outer.after(failure.cause, round));
        wait.map_or(Decision::GiveUp, Decision::RetryAfter)
    }

    /// A request succeeded: a client that counts by host forgives one failure.
    pub fn succeeded(&mut self) {
        self.n_host_failures = self.n_host_failures.saturating_sub(1);
    }

    /// Whether a wait that an answer asked for holds for all requests to the host.
    pub fn is_shared(&self, failure: &Failure) -> bool {
        let rule = self.rules.iter().find(|rule| rule.covers(failure.request, failure.cause));
        let hint = rule.and_then(|rule| rule.retry_after.as_ref());
        hint.is_some_and(|hint| hint.shared && failure.retry_after.is_some())
    }

    fn own_wait(&mut self, rule: &RetryRule, failure: &Failure, attempt: u32) -> Decision {
        let n_failed = match self.counting {
            Counting::Request => attempt,
            Counting::Host => {
                self.n_host_failures = self.n_host_failures.saturating_add(1);
                self.n_host_failures.max(attempt)
            }
        };
        if n_failed >= rule.attempts.get() {
            return Decision::GiveUp;
        }
        let wait = self.jitter.of(rule.wait_after(n_failed), rule.jitter_percent, &failure.asked);
        Decision::RetryAfter(rule.longest.map_or(wait, |longest| wait.min(longest.0)))
    }
}

impl Jitter {
    fn of(&mut self, wait: Duration, percent: u32, asked: &str) -> Duration {
        if percent == 0 || wait.is_zero() {
            return wait;
        }
        let n_drawn = self.n_drawn.entry(asked.to_owned()).or_default();
        *n_drawn += 1;
        let draw = self.seed.stream(&format!("jitter {asked} {n_drawn}")).next_u32();
        // From 1 - percent to 1 + percent, in thousandths of a percent.
        let width = u64::from(percent.min(100)) * 2000;
        let share = 100_000 - width / 2 + u64::from(draw) * width / u64::from(u32::MAX);
        let nanos = wait.as_nanos().saturating_mul(u128::from(share)) / 100_000;
        u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;
    use crate::client::{HintForm, RetryAfterRule, RetryOn, Wait};

    const ALL: [HintForm; 3] = [HintForm::Seconds, HintForm::Date, HintForm::GoSeconds];

    /// The waits between attempts while the manifest is answered with 429 and `retry_after` for ever, in milliseconds.
    fn waits(client: &str, retry_after: Option<&str>) -> Vec<u128> {
        let mut retries = Retries::new(ClientProfile::find(client).unwrap(), Seed(1));
        let failure = Failure { retry_after: retry_after.map(String::from), ..Failure::status(429) };
        let mut waits = Vec::new();
        while let Decision::RetryAfter(wait) = retries.after(&failure, u32::try_from(waits.len()).unwrap() + 1) {
            waits.push(wait.as_millis());
        }
        waits
    }

    #[test]
    fn each_client_meets_an_endless_429_as_facts_say() {
        let check = |client, expected: &[u128]| assert_eq!(waits(client, None), expected, "{client}");
        check("docker", &[]);
        check("docker-containerd", &[0; 4]);
        check("containerd", &[0; 4]);
        check("containerd-2.3.0", &[0; 5]);
        check("buildkit", &[0; 4]);
        check("podman", &[2000, 4000, 8000, 16_000]);
        check("skopeo", &[2000, 4000, 8000, 16_000]);
        check("ggcr-old", &[]);
        check("kaniko", &[]);
        check("regclient", &[200, 400, 800, 1600]);
        check("oci-client", &[]);
        check("pullrig", &[]);
        let near = |client, expected: &[u128]| {
            let waits = waits(client, None);
            assert_eq!(waits.len(), expected.len(), "{client} {waits:?}");
            for (wait, middle) in waits.iter().zip(expected) {
                assert!(wait.abs_diff(*middle) <= middle / 10, "{client}: {wait}");
            }
        };
        near("crane", &[1000, 3000]);
        near("oras", &[250, 500, 1000, 2000, 3000]);
        // Four seconds and a tenth less are still more than three.
        assert_eq!(waits("oras", None).last(), Some(&3000));
    }

    #[test]
    fn each_client_takes_a_retry_after_as_facts_say() {
        let first = |client, text| waits(client, Some(text)).first().copied();
        let date = "Thu, 01 Jan 2026 00:00:07 GMT";
        let check = |client, seconds, at_date, fraction, epoch| {
            assert_eq!(first(client, "7"), seconds, "{client}");
            assert_eq!(first(client, date), at_date, "{client}");
            assert_eq!(first(client, "0.5"), fraction, "{client}");
            assert_eq!(first(client, "1767225600"), epoch, "{client}");
        };
        check("containerd", Some(0), Some(0), Some(0), Some(0));
        check("docker", None, None, None, None);
        check("podman", Some(7000), Some(7000), Some(2000), Some(60_000));
        check("regclient", Some(7000), Some(200), Some(500), Some(1_767_225_600_000));
        assert_eq!(first("oras", "7"), Some(3000));
        assert_eq!(first("oras", "2"), Some(2000));
        check("pullrig", Some(7000), Some(7000), None, None);
        assert_eq!(waits("regclient", Some("7")).len(), 5);
    }

    #[test]
    fn pullrig_says_how_long_it_would_have_been() {
        let mut retries = Retries::new(ClientProfile::find("pullrig").unwrap(), Seed(1));
        let decision = retries.after(&Failure::status(429).retry_after("86400"), 1);
        assert_eq!(decision, Decision::TooLong(Duration::from_secs(86_400)));
    }

    #[test]
    fn a_client_that_counts_by_host_gives_up_sooner_the_second_time() {
        let mut retries = Retries::new(ClientProfile::find("regclient").unwrap(), Seed(1));
        let failure = Failure::status(429);
        for attempt in 1..=4 {
            assert!(matches!(retries.after(&failure, attempt), Decision::RetryAfter(_)), "{attempt}");
        }
        assert_eq!(retries.after(&failure, 1), Decision::GiveUp);
    }

    #[test]
    fn a_mirror_is_not_retried_where_only_the_last_host_is() {
        let mut retries = Retries::new(ClientProfile::find("containerd").unwrap(), Seed(1));
        let failure = Failure { is_last_host: false, ..Failure::status(503) };
        assert_eq!(retries.after(&failure, 1), Decision::GiveUp);
        assert_eq!(retries.after(&Failure::status(503), 1), Decision::RetryAfter(Duration::ZERO));
        assert_eq!(retries.after(&Failure::status(503), 2), Decision::GiveUp);
        assert_eq!(retries.after(&Failure::status(502), 1), Decision::GiveUp);
    }

    #[test]
    fn podman_begins_three_rounds_more() {
        let retries = Retries::new(ClientProfile::find("podman").unwrap(), Seed(1));
        let goes_on =
            |status, round| matches!(retries.after_round(&Failure::status(status), round), Decision::RetryAfter(_));
        assert!(goes_on(429, 1) && goes_on(429, 3) && goes_on(503, 1));
        assert!(!goes_on(429, 4) && !goes_on(401, 1) && !goes_on(404, 1));
    }

    prop_compose! {
        fn profiles()(
            attempts in 1_u32..20,
            asked in proptest::option::of(1_u32..20),
            waits in proptest::collection::vec(0_u64..100_000, 0..6),
            jitter_percent in 0_u32..200,
            most in proptest::option::of(0_u64..100_000),
            beyond in prop_oneof![Just(Beyond::Cap), Just(Beyond::Fail), Just(Beyond::Ignore)],
            counting in prop_oneof![Just(Counting::Request), Just(Counting::Host)],
        ) -> ClientProfile {
            let rule = RetryRule {
                on: vec![RetryOn(Cause::Status(429))],
                requests: Vec::new(),
                attempts: NonZeroU32::new(attempts).unwrap(),
                waits: waits.into_iter().map(|ms| Wait(Duration::from_millis(ms))).collect(),
                backoff: None,
                jitter_percent,
                longest: None,
                retry_after: Some(RetryAfterRule {
                    forms: ALL.to_vec(),
                    most: most.map(|ms| Wait(Duration::from_millis(ms))),
                    beyond,
                    shared: false,
                    attempts: asked.and_then(NonZeroU32::new),
                }),
                only_if_asked: false,
                last_host_only: false,
            };
            ClientProfile { retry: vec![rule], counting, ..ClientProfile::default() }
        }
    }

    proptest! {
        #[test]
        fn no_request_is_made_more_often_than_its_rule_says(
            profile in profiles(), seed in 0_u64..100, headers in proptest::collection::vec("[0-9.]{0,6}|.*", 1..9),
        ) {
            let mut retries = Retries::new(&profile, Seed(seed));
            let mut attempt = 1;
            let rule = &profile.retry[0];
            let most = rule.attempts.max(rule.retry_after.as_ref().and_then(|hint| hint.attempts).unwrap_or(rule.attempts));
            loop {
                let header = &headers[usize::try_from(attempt).unwrap() % headers.len()];
                match retries.after(&Failure::status(429).retry_after(header), attempt) {
                    Decision::RetryAfter(_) => attempt += 1,
                    Decision::GiveUp | Decision::TooLong(_) => break,
                }
                prop_assert!(attempt <= most.get());
            }
        }

        #[test]
        fn a_cap_is_a_cap(profile in profiles(), header in "[0-9]{1,12}") {
            let rule = &profile.retry[0];
            let hint = rule.retry_after.as_ref().unwrap();
            let decision = Retries::new(&profile, Seed(1)).after(&Failure::status(429).retry_after(header), 1);
            if let (Decision::RetryAfter(wait), Some(most)) = (decision, hint.most) {
                let own = rule.wait_after(1) * 2;
                prop_assert!(wait <= most.0.max(own), "{wait:?}");
            }
        }

        #[test]
        fn the_same_seed_gives_the_same_waits(profile in profiles(), seed in 0_u64..100) {
            let run = || {
                let mut retries = Retries::new(&profile, Seed(seed));
                (1..10).map(|attempt| retries.after(&Failure::status(429), attempt)).collect::<Vec<_>>()
            };
            prop_assert_eq!(run(), run());
        }

        #[test]
        fn what_no_rule_is_for_is_never_tried_again(profile in profiles(), attempt in 1_u32..u32::MAX) {
            let decision = Retries::new(&profile, Seed(1)).after(&Failure::new(Cause::Final), attempt);
            prop_assert_eq!(decision, Decision::GiveUp);
        }
    }
}
