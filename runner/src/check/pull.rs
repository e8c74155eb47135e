//! Checks of a pull, and of a push.

use std::time::Duration;

use oci::Digest;
use testbed::{
    diagnostic::Span,
    task::{PullFailure, PulledImage},
};

use super::Checks;
use crate::format::{FailureExpect, PullExpect, PullResult, PushExpect};

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
    checks.note(format!("pull of {image}"), want, told, want == is, span);

    if let (Some(want), Err(failure)) = (&expect.failure, seen) {
        check_failure(want, image, failure, checks);
    }
    if let Some(want) = &expect.takes {
        let took_text = testbed::duration::print(took);
        let wanted = testbed::duration::print(want.value.0);
        checks.note(format!("policy time of the pull of {image}"), wanted, took_text, want.value.0 == took, want.span);
    }
    let Ok(pulled) = seen else { return };
    if let Some(want) = &expect.digest {
        checks.note(format!("digest of {image}"), &want.value, &pulled.digest, want.value == pulled.digest, want.span);
    }
    let counts = [
        ("layers", &expect.layers, pulled.n_layers as u64),
        ("resumed downloads", &expect.resumed, u64::from(pulled.n_resumed)),
        ("retried requests", &expect.retries, u64::from(pulled.n_retries)),
    ];
    for (what, want, is) in counts {
        if let Some(want) = want {
            checks.note(format!("{what} of {image}"), want.value, is, want.value.admits(is), want.span);
        }
    }
}

/// Notes the checks of one push of `image`. It must succeed unless the expectation says how it fails.
pub(crate) fn push(
    expect: &PushExpect,
    image: &str,
    seen: &Result<Digest, PullFailure>,
    step: Span,
    checks: &mut Checks,
) {
    let want = if expect.failure.is_some() { "failed" } else { "pushed" };
    let told = match seen {
        Ok(digest) => format!("pushed as {digest}"),
        Err(failure) => format!("failed: {failure}"),
    };
    checks.note(format!("push of {image}"), want, told, seen.is_err() == expect.failure.is_some(), step);
    if let (Some(want), Err(failure)) = (&expect.failure, seen) {
        check_failure(want, image, failure, checks);
    }
}

fn check_failure(expect: &FailureExpect, image: &str, failure: &PullFailure, checks: &mut Checks) {
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
