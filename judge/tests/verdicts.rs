//! Every judge is proven by runs of the real client, a guilty one and an innocent one:
//! `recorded/<judge>.<which>.yaml` is the scenario, and the journal lies beside it.

use std::{fs, path::Path};

use judge::{Finding, Judge, Verdict, finding, verdicts};
use testbed::journal::{Entry, read_canonical};

fn recorded(name: &str) -> Vec<Verdict> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded").join(format!("{name}.jsonl"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    verdicts(&read_canonical(&text).unwrap())
}

/// Holds what the judge in the name of a recording says against `expect`.
fn check(name: &str, expect: &str) {
    let verdicts = recorded(name);
    let judge = name.split('.').next().unwrap().parse().unwrap();
    let said: Vec<_> = verdicts.iter().filter(|verdict| verdict.judge == judge).map(ToString::to_string).collect();
    assert_eq!(said, [expect], "{name}");
}

#[test]
fn the_guilty_fail_and_are_told_why() {
    check(
        "backoff-shape.guilty",
        "backoff-shape failed: 127.0.0.1 containerd/v2.3.4: #3, #5, #7, #9 and #11 asked for the same at once, although it had just failed; it should wait before it asks again, and longer each time",
    );
    check(
        "bounded-retries.guilty",
        "bounded-retries failed: 127.0.0.1 libpod/5.7: it asked for the same 20 times in one pull: #4 … #61; it should give up after at most 12 attempts",
    );
    check(
        "credentials-stay-home.guilty",
        "credentials-stay-home failed: 127.0.0.1 docker/29.7.2: #4 sent `Authorization: Basic` to other.test, although it was own.test that had asked for it: #3; it should send #4 without `Authorization`",
    );
    check(
        "jitter.guilty",
        "jitter failed: 4 clients failed at mirror, and at most 4 tried again in one instant: #19, #20, #21 and #22; it should spread retries by chance, each client for itself",
    );
    check(
        "mirror-order.guilty",
        "mirror-order failed: 127.0.0.1 clumsy/1: #2 asked the origin, and #5 a mirror after it; it should ask mirror.acme.test before the origin",
    );
    check(
        "resume-offset.guilty",
        "resume-offset failed: 127.0.0.1 clumsy/1: #9 asked for a blob from byte 32768 on, and #5 had ended before byte 16384; it should ask from byte 16384 on",
    );
    check(
        "token-reuse.expired",
        "token-reuse failed: 127.0.0.1 crane/v0.21.9: #14 used a token that had been good, and has expired; it should ask for a new token before #14",
    );
    check(
        "token-reuse.guilty",
        "token-reuse failed: 127.0.0.1 docker/29.7.2: #5 asked for a token although #4 had been given one for the same 0s before, which nobody had refused; it should use the token of #4 as long as it is good",
    );
    check(
        "waits-retry-after.guilty",
        "waits-retry-after failed: 127.0.0.1 crane/v0.21.9: #4 was answered `Retry-After: 30`, and #7 asked for the same 1s 27ms later; it should wait 30s after #4",
    );
}

#[test]
fn the_innocent_pass() {
    check(
        "backoff-shape.innocent",
        "backoff-shape passed: 127.0.0.1 crane/v0.21.9: between #4, #7 and #10 it waited 1s 27ms, 2s 924ms",
    );
    check(
        "bounded-retries.innocent",
        "bounded-retries passed: 127.0.0.1 skopeo/1.22: it asked for the same 5 times in one pull: #4, #7, #10, #13 and #16",
    );
    check(
        "credentials-stay-home.innocent",
        "credentials-stay-home passed: 127.0.0.1 docker/29.7.2 as account:ci: 7 requests carried credentials, each to whom they are meant for",
    );
    check(
        "jitter.innocent",
        "jitter passed: 4 clients failed at mirror, and at most 2 tried again within 21ms: #19, #22, #25 and #28",
    );
    check(
        "mirror-order.innocent",
        "mirror-order passed: 127.0.0.1 containerd/v2.3.4: #3 asked a mirror, and #6 the origin after it",
    );
    check(
        "resume-offset.innocent",
        "resume-offset passed: 127.0.0.1 docker/29.7.2: a download was taken up where it had stopped",
    );
    check(
        "token-reuse.innocent",
        "token-reuse passed: 127.0.0.1 docker/29.7.2: 2 tokens were asked for, none too soon, and none used for too long",
    );
    check(
        "waits-retry-after.innocent",
        "waits-retry-after passed: 127.0.0.1 skopeo/1.22: told to wait 2 times, first by #4, it never asked sooner",
    );
}

#[test]
fn every_judge_has_its_guilty_and_its_innocent() {
    for judge in Judge::ALL {
        assert_eq!(finding(&recorded(&format!("{judge}.guilty")), judge), Finding::Failed, "{judge}");
        assert_eq!(finding(&recorded(&format!("{judge}.innocent")), judge), Finding::Passed, "{judge}");
        assert_eq!(judge.name().parse(), Ok(judge));
    }
    assert!("judge-dredd".parse::<Judge>().is_err());
}

#[test]
fn of_nothing_nothing_is_judged() {
    let verdicts = verdicts::<Entry>(&[]);
    assert_eq!(verdicts.len(), Judge::ALL.len());
    for judge in Judge::ALL {
        assert_eq!(finding(&verdicts, judge), Finding::Nothing, "{judge}");
    }
    assert_eq!(verdicts[0].to_string(), "waits-retry-after nothing: nobody was told to wait");
}
