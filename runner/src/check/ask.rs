//! Checks of the steps `tags`, `head`, `referrers` and `push`.

use std::time::Duration;

use oci::Digest;
use puller::Looked;
use testbed::{
    diagnostic::Span,
    task::{Effort, PullFailure},
    yaml::Spanned,
};

use super::{Checks, pull::check_failure};
use crate::format::{Count, FailureExpect, HeadExpect, ListExpect, PushExpect, TimeRange};

/// What came of asking.
pub(crate) struct Seen<T> {
    /// What was found, or the failure.
    pub(crate) outcome: Result<Looked<T>, PullFailure>,
    /// In how much policy time.
    pub(crate) took: Duration,
}

/// What is expected of all of them.
struct Common<'a> {
    failure: Option<&'a FailureExpect>,
    requests: Option<&'a Spanned<Count>>,
    tokens: Option<&'a Spanned<Count>>,
    takes: Option<&'a Spanned<TimeRange>>,
}

/// Notes the checks of one list, called `name`.
pub(crate) fn listed<T>(expect: &ListExpect, name: &str, seen: &Seen<Vec<T>>, step: Span, checks: &mut Checks) {
    let common = Common {
        failure: expect.failure.as_ref(),
        requests: expect.requests.as_ref(),
        tokens: expect.tokens.as_ref(),
        takes: expect.takes.as_ref(),
    };
    let told = |found: &Vec<T>| format!("{} listed", found.len());
    common.note(name, "found", seen, told, step, checks);
    if let Some(want) = &expect.n {
        let n = seen.outcome.as_ref().ok().map(|looked| looked.found.len() as u64);
        let told = n.map_or_else(|| String::from("no list"), |n| n.to_string());
        checks.note(format!("number of {name}"), want.value, told, n.is_some_and(|n| want.value.admits(n)), want.span);
    }
}

/// Notes the checks of one `head`, called `name`.
pub(crate) fn resolved(expect: &HeadExpect, name: &str, seen: &Seen<Digest>, step: Span, checks: &mut Checks) {
    let common = Common {
        failure: expect.failure.as_ref(),
        requests: expect.requests.as_ref(),
        tokens: expect.tokens.as_ref(),
        takes: expect.takes.as_ref(),
    };
    common.note(name, "found", seen, ToString::to_string, step, checks);
    if let Some(want) = &expect.digest {
        let digest = seen.outcome.as_ref().ok().map(|looked| &looked.found);
        let told = digest.map_or_else(|| String::from("no digest"), ToString::to_string);
        checks.note(format!("digest of {name}"), &want.value, told, digest == Some(&want.value), want.span);
    }
}

/// Notes the checks of one push, called `name`.
pub(crate) fn pushed(expect: &PushExpect, name: &str, seen: &Seen<Digest>, step: Span, checks: &mut Checks) {
    let common = Common {
        failure: expect.failure.as_ref(),
        requests: expect.requests.as_ref(),
        tokens: expect.tokens.as_ref(),
        takes: expect.takes.as_ref(),
    };
    common.note(name, "pushed", seen, |digest| format!("pushed as {digest}"), step, checks);
}

impl Common<'_> {
    /// Notes whether it succeeded, which `success` names, and what it took.
    fn note<T>(
        &self,
        name: &str,
        success: &str,
        seen: &Seen<T>,
        tell: impl Fn(&T) -> String,
        step: Span,
        checks: &mut Checks,
    ) {
        let want = if self.failure.is_some() { "failed" } else { success };
        let (told, effort) = match &seen.outcome {
            Ok(looked) => (tell(&looked.found), &looked.effort),
            Err(failure) => (format!("failed: {failure}"), &failure.effort),
        };
        checks.note(name, want, told, seen.outcome.is_err() == self.failure.is_some(), step);
        if let (Some(want), Err(failure)) = (self.failure, &seen.outcome) {
            check_failure(want, name, failure, checks);
        }
        effort_checks(name, effort, self.requests, self.tokens, checks);
        if let Some(want) = self.takes {
            let (passed, is) = (want.value.admits(seen.took), testbed::duration::print(seen.took));
            checks.note(format!("policy time of {name}"), want.value, is, passed, want.span);
        }
    }
}

/// Notes how many requests were sent, also for what failed.
pub(super) fn effort_checks(
    name: &str,
    effort: &Effort,
    requests: Option<&Spanned<Count>>,
    tokens: Option<&Spanned<Count>>,
    checks: &mut Checks,
) {
    for (what, want, is) in
        [("requests", requests, effort.n_requests), ("requests for tokens", tokens, effort.n_tokens)]
    {
        if let Some(want) = want {
            checks.note(format!("{what} of {name}"), want.value, is, want.value.admits(is.into()), want.span);
        }
    }
}

#[cfg(test)]
mod tests {
    use testbed::{diagnostic::Source, task::FailureKind, yaml};

    use super::*;

    fn effort() -> Effort {
        Effort { n_requests: 3, n_tokens: 1, ..Effort::default() }
    }

    fn failure() -> PullFailure {
        let message = String::from("toomanyrequests: slow down");
        let kind = FailureKind::RateLimited;
        PullFailure { kind, status: Some(429), of_token: false, message, n_retries: 0, effort: effort() }
    }

    fn false_checks(checks: Checks) -> Vec<String> {
        checks.done().into_iter().filter(|check| !check.passed).map(|check| check.what).collect()
    }

    #[test]
    fn every_expectation_of_a_list_can_be_true_and_false() {
        let check = |text: &str, is_found: bool, expected: &[&str]| {
            let expectation: ListExpect = yaml::from_str(&Source::new("x.yaml", text)).unwrap();
            let looked = Looked { found: vec![(), ()], effort: effort() };
            let outcome = if is_found { Ok(looked) } else { Err(failure()) };
            let mut checks = Checks::from_entries(0, 0);
            listed(&expectation, "tags", &Seen { outcome, took: Duration::ZERO }, Span::default(), &mut checks);
            assert_eq!(false_checks(checks), expected, "{text}");
        };
        check("{ n: 2, requests: 1..3, tokens: 1, takes: 0s }", true, &[]);
        check("n: 3", true, &["number of tags"]);
        check("requests: 2", true, &["requests of tags"]);
        check("tokens: 0", true, &["requests for tokens of tags"]);
        check("takes: 1s", true, &["policy time of tags"]);
        check("{}", false, &["tags"]);
        check("failure: { kind: rate-limited }", false, &[]);
        check("failure: { kind: network }", false, &["kind of failure of tags"]);
        check("failure: {}", true, &["tags"]);
    }

    #[test]
    fn every_expectation_of_a_head_can_be_true_and_false() {
        let digest = Digest::of(b"a");
        let check = |text: &str, is_found: bool, expected: &[&str]| {
            let expectation: HeadExpect = yaml::from_str(&Source::new("x.yaml", text)).unwrap();
            let looked = Looked { found: digest.clone(), effort: effort() };
            let outcome = if is_found { Ok(looked) } else { Err(failure()) };
            let mut checks = Checks::from_entries(0, 0);
            resolved(&expectation, "head", &Seen { outcome, took: Duration::ZERO }, Span::default(), &mut checks);
            assert_eq!(false_checks(checks), expected, "{text}");
        };
        check(&format!("digest: {digest}"), true, &[]);
        check(&format!("digest: {}", Digest::of(b"b")), true, &["digest of head"]);
        check("requests: 4..", true, &["requests of head"]);
        check("failure: { kind: rate-limited }", false, &[]);
        check("{}", false, &["head"]);
    }
    #[test]
    fn every_expectation_of_a_push_can_be_true_and_false() {
        let check = |text: &str, is_pushed: bool, expected: &[&str]| {
            let expectation: PushExpect = yaml::from_str(&Source::new("x.yaml", text)).unwrap();
            let looked = Looked { found: Digest::of(b"a"), effort: effort() };
            let outcome = if is_pushed { Ok(looked) } else { Err(failure()) };
            let mut checks = Checks::from_entries(0, 0);
            pushed(&expectation, "push", &Seen { outcome, took: Duration::ZERO }, Span::default(), &mut checks);
            assert_eq!(false_checks(checks), expected, "{text}");
        };
        check("{ requests: 3, tokens: 1, takes: 0s }", true, &[]);
        check(
            "{ requests: 2, tokens: 0, takes: 1s }",
            true,
            &["requests of push", "requests for tokens of push", "policy time of push"],
        );
        check("{}", false, &["push"]);
        check("{ requests: 3, failure: { kind: rate-limited } }", false, &[]);
        check("failure: { kind: network }", false, &["kind of failure of push"]);
        check("failure: { kind: network }", true, &["push"]);
    }
}
