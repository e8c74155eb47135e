//! Checks of what judges found.

use judge::{Finding, Verdict, finding};
use testbed::yaml::Spanned;

use super::Checks;
use crate::format::Entries;

/// Notes a check for each judge that something is expected of. What it saw is told in the judge's words.
pub(crate) fn verdicts(wanted: &Entries<Spanned<Finding>>, verdicts: &[Verdict], checks: &mut Checks) {
    for (name, want) in wanted.iter() {
        // The plan knows every name.
        let Ok(judge) = name.value.parse() else { continue };
        let found = finding(verdicts, judge);
        let passed = found == want.value;
        let said = verdicts.iter().filter(|verdict| verdict.judge == judge && verdict.finding == found);
        let said: Vec<_> = said.map(Verdict::reason).collect();
        let seen = format!("{found}: {}", said.join("; "));
        checks.note(format!("verdict of {judge}"), want.value, seen, passed, want.span);
    }
}

#[cfg(test)]
mod tests {
    use judge::Judge;
    use testbed::{diagnostic::Source, yaml};

    use super::*;

    fn verdict(judge: Judge, finding: Finding, sentence: &str) -> Verdict {
        Verdict { judge, finding, client: None, sentence: String::from(sentence), should: None }
    }

    /// Holds what was found against `text`, and gives what false checks saw.
    fn check(text: &str, expect: &[&str]) {
        let wanted: Entries<Spanned<Finding>> = yaml::from_str(&Source::new("x.yaml", text)).unwrap();
        let found = [
            verdict(Judge::WaitsRetryAfter, Finding::Passed, "it waited"),
            verdict(Judge::WaitsRetryAfter, Finding::Failed, "#7 did not wait"),
            verdict(Judge::TokenReuse, Finding::Passed, "one token"),
            verdict(Judge::MirrorOrder, Finding::Nothing, "no mirror"),
        ];
        let mut checks = Checks::from_entries(0, 9);
        verdicts(&wanted, &found, &mut checks);
        let seen: Vec<_> = checks.done().into_iter().filter(|check| !check.passed).map(|check| check.seen).collect();
        assert_eq!(seen, expect, "{text}");
    }

    #[test]
    fn every_finding_can_be_expected_and_missed() {
        check("{ waits-retry-after: failed, token-reuse: passed, mirror-order: nothing }", &[]);
        check("waits-retry-after: passed", &["failed: #7 did not wait"]);
        check("{ token-reuse: failed, mirror-order: passed }", &["passed: one token", "nothing: no mirror"]);
    }
}
