//! When to try again, in the few words of a scenario's `retry:`. What is decided by it is told in `client/retries.rs`.
//!
//! Who sleeps, and what is sent again, is the business of `transport.rs` and `blob.rs`.
//!
//! Source: facts/registry E1, how real clients behave under 429 and 5xx; RFC 9110, "Retry-After".

use std::{num::NonZeroU32, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::{Beyond, Cause, HintForm, RetryAfterRule, RetryOn, RetryRule, Wait};

/// The longest `Retry-After` that is believed without a cap: registries have been seen to send the instant, in seconds since
/// 1970, where RFC 9110 has seconds to wait (facts/registry A9).
const MAX_HONOURED: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a request is made, and how long the client waits in between.
///
/// In a file: `retry: {attempts: 5, backoff: {first: 1s, factor: 2, max: 30s}, retry-after: honour}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// How often one request is made at most, the first time included; for a blob, since it last gained 64 KiB. Default 3.
    pub attempts: NonZeroU32,
    /// The waits between the attempts. Default 1s, doubled each time, at most 30s.
    pub backoff: Backoff,
    /// What a `Retry-After` header does. Default `honour`.
    pub retry_after: RetryAfter,
    /// Whether a 429 is tried again. Default false: a kubelet's pull fails at once, and tries again as a whole.
    pub too_many_requests: bool,
    /// Whether a connection that fails or ends too early is tried again. Default true.
    pub network: bool,
    /// Statuses that are tried again, 429 aside. Default 408, 500, 502, 503, 504.
    pub statuses: Vec<u16>,
}

/// Waits that grow: `first`, `first * factor`, `first * factor²`, …, never more than `max`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Backoff {
    /// The wait after the first failure: `250ms`. Default 1s.
    #[serde(with = "testbed::duration")]
    #[schemars(with = "String")]
    pub first: Duration,
    /// By how much each wait is longer than the one before it; 1 keeps them equal. Default 2.
    pub factor: NonZeroU32,
    /// The longest wait. Default 30s.
    #[serde(with = "testbed::duration")]
    #[schemars(with = "String")]
    pub max: Duration,
}

/// What a `Retry-After` header does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetryAfter {
    /// The wait is as long as the registry says, in place of the back-off. More than 24 hours is taken for a mistake, such
    /// as an instant in seconds since 1970 where seconds to wait are meant, and ignored.
    #[default]
    Honour,
    /// Nothing, as in most clients: docker, containerd, BuildKit, crane.
    Ignore,
    /// As `honour`, but never longer than this: `cap: 60s` is what podman and skopeo do.
    Cap(
        #[serde(with = "testbed::duration")]
        #[schemars(with = "String")]
        Duration,
    ),
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::MIN.saturating_add(2),
            backoff: Backoff::default(),
            retry_after: RetryAfter::default(),
            too_many_requests: false,
            network: true,
            statuses: vec![408, 500, 502, 503, 504],
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), factor: NonZeroU32::MIN.saturating_add(1), max: Duration::from_secs(30) }
    }
}

impl RetryPolicy {
    /// The policy that never tries again.
    pub fn never() -> Self {
        Self { attempts: NonZeroU32::MIN, ..Self::default() }
    }

    /// The same as a rule of a client, for all its requests.
    pub fn rules(&self) -> Vec<RetryRule> {
        let statuses = self.statuses.iter().copied().filter(|status| *status != 429);
        let throttled = self.too_many_requests.then_some(429);
        let network = if self.network { &[Cause::Network, Cause::Cut][..] } else { &[] };
        let content = [Cause::Digest, Cause::Range];
        let causes = statuses.chain(throttled).map(Cause::Status).chain(network.iter().copied()).chain(content);
        vec![RetryRule {
            on: causes.map(RetryOn).collect(),
            requests: Vec::new(),
            attempts: self.attempts,
            waits: Vec::new(),
            backoff: Some(self.backoff.clone()),
            jitter_percent: 0,
            longest: None,
            retry_after: self.retry_after.rule(),
            only_if_asked: false,
            last_host_only: false,
        }]
    }
}

impl RetryAfter {
    fn rule(self) -> Option<RetryAfterRule> {
        let (most, beyond) = match self {
            Self::Honour => (MAX_HONOURED, Beyond::Ignore),
            Self::Ignore => return None,
            Self::Cap(most) => (most, Beyond::Cap),
        };
        let forms = vec![HintForm::Seconds, HintForm::Date];
        Some(RetryAfterRule { forms, most: Some(Wait(most)), beyond, shared: false, attempts: None })
    }
}

impl Backoff {
    /// The wait after attempt number `attempt`, from 1.
    pub fn after(&self, attempt: u32) -> Duration {
        let growth = self.factor.get().checked_pow(attempt.saturating_sub(1));
        let wait = growth.and_then(|growth| self.first.checked_mul(growth));
        // A wait too long to be written down is longer than any maximum; none at all stays none.
        if self.first.is_zero() { Duration::ZERO } else { wait.unwrap_or(Duration::MAX).min(self.max) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use testbed::{Seed, diagnostic::Source};

    use super::*;
    use crate::client::{ClientProfile, Decision, Failure, Retries};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_policy_is_read_as_people_write_it() {
        let read = |text| testbed::yaml::from_str::<RetryPolicy>(&Source::new("retry.yaml", text)).ok();
        let policy = read("{attempts: 5, backoff: {first: 250ms, factor: 2, max: 30s}, retry-after: honour}").unwrap();
        assert_eq!(policy.attempts.get(), 5);
        assert_eq!(policy.backoff.first, Duration::from_millis(250));
        let policy = read("{retry-after: {cap: 1m}, too-many-requests: true}").unwrap();
        assert_eq!(policy.retry_after, RetryAfter::Cap(60 * SECOND));
        assert!(policy.too_many_requests);
        assert_eq!(policy.attempts, RetryPolicy::default().attempts);
        assert_eq!(read("{attempts: 0}"), None);
        assert_eq!(read("{backoff: {factor: 0}}"), None);
        assert_eq!(read("{atempts: 3}"), None);
    }

    #[test]
    fn waits_double_up_to_the_maximum() {
        let waits: Vec<_> = (1..=7).map(|attempt| Backoff::default().after(attempt).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }

    /// What `policy` does after a first attempt that was answered with 429.
    fn first(policy: &RetryPolicy, retry_after: Option<&str>) -> Decision {
        let profile = ClientProfile { retry: policy.rules(), ..ClientProfile::default() };
        let failure = Failure { retry_after: retry_after.map(String::from), ..Failure::status(429) };
        Retries::new(&profile, Seed(1)).after(&failure, 1)
    }

    #[test]
    fn a_429_is_final_unless_the_policy_says_otherwise() {
        let policy = RetryPolicy::default();
        assert_eq!(first(&policy, Some("1")), Decision::GiveUp);
        let policy = RetryPolicy { too_many_requests: true, ..policy };
        assert_eq!(first(&policy, Some("7")), Decision::RetryAfter(7 * SECOND));
        let policy = RetryPolicy { retry_after: RetryAfter::Ignore, ..policy };
        assert_eq!(first(&policy, Some("7")), Decision::RetryAfter(SECOND));
    }

    #[test]
    fn a_retry_after_of_more_than_a_day_is_a_mistake() {
        let check = |retry_after, asked: u64, expected| {
            let policy = RetryPolicy { retry_after, too_many_requests: true, ..RetryPolicy::default() };
            let decision = first(&policy, Some(&asked.to_string()));
            assert_eq!(decision, Decision::RetryAfter(Duration::from_secs(expected)), "{asked}");
        };
        check(RetryAfter::Honour, 86_400, 86_400);
        check(RetryAfter::Honour, 86_401, 1);
        // The instant in place of the wait.
        check(RetryAfter::Honour, 1_767_225_660, 1);
        check(RetryAfter::Cap(60 * SECOND), 1_767_225_660, 60);
        check(RetryAfter::Honour, 0, 1);
    }

    prop_compose! {
        fn policies()(
            attempts in 1_u32..20,
            first_ms in 0_u64..100_000,
            factor in 1_u32..10,
            max_ms in 0_u64..1_000_000,
            cap in proptest::option::of(1_u64..1000),
        ) -> RetryPolicy {
            RetryPolicy {
                attempts: NonZeroU32::new(attempts).unwrap(),
                backoff: Backoff {
                    first: Duration::from_millis(first_ms),
                    factor: NonZeroU32::new(factor).unwrap(),
                    max: Duration::from_millis(max_ms),
                },
                retry_after: cap.map_or(RetryAfter::Honour, |seconds| RetryAfter::Cap(Duration::from_secs(seconds))),
                too_many_requests: true,
                ..RetryPolicy::default()
            }
        }
    }

    proptest! {
        #[test]
        fn waits_never_shrink_and_never_pass_the_maximum(policy in policies(), attempt in 1_u32..u32::MAX) {
            let (wait, next) = (policy.backoff.after(attempt), policy.backoff.after(attempt + 1));
            prop_assert!(wait <= next);
            prop_assert!(next <= policy.backoff.max);
        }

        #[test]
        fn a_wait_that_was_asked_for_is_kept_up_to_the_cap(policy in policies(), seconds in 1_u64..u64::MAX) {
            let asked = Duration::from_secs(seconds);
            match (first(&policy, Some(&seconds.to_string())), policy.retry_after) {
                (Decision::RetryAfter(wait), RetryAfter::Cap(cap)) => {
                    prop_assert_eq!(wait, asked.min(cap));
                }
                (Decision::RetryAfter(wait), _) if seconds <= 86_400 => prop_assert_eq!(wait, asked),
                (Decision::RetryAfter(wait), _) => prop_assert_eq!(wait, policy.backoff.after(1)),
                (_, _) => prop_assert_eq!(policy.attempts.get(), 1),
            }
        }
    }
}
