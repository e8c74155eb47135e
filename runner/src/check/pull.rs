//! Checks of a pull.

use std::time::Duration;

use testbed::{
    diagnostic::Span,
    task::{PullFailure, PulledImage},
};

use super::{Checks, ask::effort_checks};
use crate::format::{FailureExpect, PullExpect, PullResult};

/// Notes the checks of one pull of `image` that took `took` of policy time. The scenario's step stands at `step`, for
/// what a pull must be even if nothing is said: it must succeed.
pub(crate) fn pull(
    expect: &PullExpect,
    image: &str,
    seen: &Result<PulledImage, PullFailure>,
    took: Duration,
    step: Span,
    checks: &mut Checks,
) {
    let default = if expect.failure.is_some() { PullResult::Failed } else { PullResult::Pulled };
    let (want, span) = expect.result.as_ref().map_or((default, step), |want| (want.value, want.span));
    let (is, told) = match seen {
        Ok(_) => (PullResult::Pulled, String::from("pulled")),
        Err(failure) => (PullResult::Failed, format!("failed: {failure}")),
    };
    if want != PullResult::Either {
        checks.note(format!("pull of {image}"), want, told, want == is, span);
    }

    if let (Some(want), Err(failure)) = (&expect.failure, seen) {
        check_failure(want, image, failure, checks);
    }
    if let Some(want) = &expect.takes {
        let passed = want.value.admits(took);
        let is = testbed::duration::print(took);
        checks.note(format!("policy time of the pull of {image}"), want.value, is, passed, want.span);
    }
    if let Some(want) = &expect.digest {
        let is = seen.as_ref().map(|pulled| &pulled.digest);
        let passed = is == Ok(&want.value);
        checks.note(format!("digest of {image}"), &want.value, or_failed(is), passed, want.span);
    }
    check_effort(expect, image, seen, checks);
    let n_retries = seen.as_ref().map_or_else(|failure| failure.n_retries, |pulled| pulled.n_retries);
    let pulled = seen.as_ref();
    let counts = [
        ("layers", &expect.layers, pulled.map(|pulled| pulled.n_layers as u64)),
        ("resumed downloads", &expect.resumed, pulled.map(|pulled| u64::from(pulled.n_resumed))),
        ("retried requests", &expect.retries, Ok(u64::from(n_retries))),
    ];
    for (what, want, is) in counts {
        if let Some(want) = want {
            let passed = is.is_ok_and(|is| want.value.admits(is));
            checks.note(format!("{what} of {image}"), want.value, or_failed(is), passed, want.span);
        }
    }
}

/// Notes what a pull took, also one that failed.
fn check_effort(expect: &PullExpect, image: &str, seen: &Result<PulledImage, PullFailure>, checks: &mut Checks) {
    let effort = seen.as_ref().map_or_else(|failure| &failure.effort, |pulled| &pulled.effort);
    effort_checks(image, effort, expect.requests.as_ref(), expect.tokens.as_ref(), checks);
    if let Some(want) = &expect.warnings {
        let n = effort.warnings.len();
        checks.note(format!("warnings of {image}"), want.value, n, want.value.admits(n as u64), want.span);
    }
    if let Some(want) = &expect.waited {
        let passed = want.value.admits(effort.waited);
        let is = testbed::duration::print(effort.waited);
        checks.note(format!("waits of {image}"), want.value, is, passed, want.span);
    }
    if let Some(want) = &expect.up_to_date {
        let is = seen.as_ref().is_ok_and(|pulled| pulled.is_up_to_date);
        checks.note(format!("whether {image} was up to date"), want.value, is, want.value == is, want.span);
    }
}

fn or_failed(seen: Result<impl ToString, &PullFailure>) -> String {
    seen.map_or_else(|_| String::from("no image"), |seen| seen.to_string())
}

pub(super) fn check_failure(expect: &FailureExpect, image: &str, failure: &PullFailure, checks: &mut Checks) {
    if let Some(want) = &expect.kind {
        let (wanted, is) = (word(&want.value), word(&failure.kind));
        checks.note(format!("kind of failure of {image}"), wanted, is, want.value == failure.kind, want.span);
    }
    if let Some(want) = &expect.message {
        let passed = want.value.admits(&failure.message);
        let what = format!("message of the failure of {image}");
        checks.note(what, &want.value, format!("`{failure}`"), passed, want.span);
    }
}

/// A word of a closed list as files write it: `rate-limited`.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(String::from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use oci::Digest;
    use testbed::{
        diagnostic::Source,
        task::{Effort, FailureKind},
        yaml,
    };

    use super::*;

    fn pulled() -> PulledImage {
        PulledImage {
            digest: Digest::of(b"index"),
            manifest: Digest::of(b"manifest"),
            n_layers: 2,
            size_bytes: 10,
            received_bytes: 10,
            n_resumed: 1,
            n_retries: 3,
            is_up_to_date: false,
            effort: Effort::default(),
        }
    }

    fn throttled() -> PullFailure {
        let message = String::from("toomanyrequests: slow down");
        PullFailure {
            kind: FailureKind::RateLimited,
            status: Some(429),
            of_token: false,
            message,
            n_retries: 2,
            effort: Effort::default(),
        }
    }

    /// Evaluates the expectation `text`, and says which of its checks are false.
    fn check(text: &str, seen: Result<PulledImage, PullFailure>, expect: &[&str]) {
        let expectation: PullExpect = yaml::from_str(&Source::new("x.yaml", text)).unwrap();
        let mut checks = Checks::from_entries(0, 0);
        pull(&expectation, "alpine:3", &seen, Duration::from_secs(30), Span::default(), &mut checks);
        let failed: Vec<_> = checks.done().into_iter().filter(|check| !check.passed).map(|check| check.what).collect();
        assert_eq!(failed, expect, "{text}");
    }

    #[test]
    fn every_expectation_of_a_pull_can_be_true_and_false() {
        let digest = Digest::of(b"index");
        let other = Digest::of(b"manifest");
        check("{}", Ok(pulled()), &[]);
        check("{}", Err(throttled()), &["pull of alpine:3"]);
        check("result: failed", Ok(pulled()), &["pull of alpine:3"]);
        check("result: failed", Err(throttled()), &[]);
        check("{ result: either, retries: 0..3 }", Err(throttled()), &[]);
        check("{ result: either, retries: 0..2 }", Ok(pulled()), &["retried requests of alpine:3"]);
        check("failure: { kind: rate-limited, message: { contains: slow } }", Err(throttled()), &[]);
        check("failure: { kind: egress }", Err(throttled()), &["kind of failure of alpine:3"]);
        check("failure: { message: slow }", Err(throttled()), &["message of the failure of alpine:3"]);
        check("failure: { kind: rate-limited }", Ok(pulled()), &["pull of alpine:3"]);
        check(&format!("digest: {digest}"), Ok(pulled()), &[]);
        check(&format!("digest: {other}"), Ok(pulled()), &["digest of alpine:3"]);
        check("layers: 2", Ok(pulled()), &[]);
        check("layers: 3", Ok(pulled()), &["layers of alpine:3"]);
        check("resumed: 1..2", Ok(pulled()), &[]);
        check("resumed: 0", Ok(pulled()), &["resumed downloads of alpine:3"]);
        check("retries: 3", Ok(pulled()), &[]);
        check("retries: 4", Ok(pulled()), &["retried requests of alpine:3"]);
        check("{ result: failed, retries: 2 }", Err(throttled()), &[]);
        check("{ result: failed, retries: 0 }", Err(throttled()), &["retried requests of alpine:3"]);
        check("takes: 30s", Ok(pulled()), &[]);
        check("takes: 29s", Ok(pulled()), &["policy time of the pull of alpine:3"]);
        check("{ requests: 0, tokens: 0, warnings: 0, waited: 0s, up-to-date: false }", Ok(pulled()), &[]);
        check("requests: 1..", Err(throttled()), &["pull of alpine:3", "requests of alpine:3"]);
        check("tokens: 1", Ok(pulled()), &["requests for tokens of alpine:3"]);
        check("warnings: 1", Ok(pulled()), &["warnings of alpine:3"]);
        check("waited: 1s", Ok(pulled()), &["waits of alpine:3"]);
        check("up-to-date: true", Ok(pulled()), &["whether alpine:3 was up to date"]);
        check("layers: 2", Err(throttled()), &["pull of alpine:3", "layers of alpine:3"]);
    }
}
