//! Whether a client gives up.
//!
//! A journal ends, so no number of attempts is proof of a client that never would; [`MOST`] is twice what the most
//! patient client that is known does in one go (facts/registry E1). Loops around loops multiply, and are counted as
//! what they come to.

use crate::{
    case::{Case, numbers},
    verdict::{Finding, Judge, Verdict},
};

/// How often one request is made in one pull at most.
const MOST: usize = 12;

pub(crate) fn bounded_retries(case: &Case<'_>) -> Vec<Verdict> {
    let series = case.series();
    let mut verdicts = Vec::new();
    for (caller, _) in case.callers() {
        let theirs = series.iter().filter(|series| series.caller == caller);
        let Some(longest) = theirs.max_by_key(|series| series.attempts.len()) else { continue };
        let n = longest.attempts.len();
        let seqs: Vec<_> = longest.attempts.iter().map(|seen| seen.seq).collect();
        let sentence = match n {
            1 => format!("it did not repeat #{}, which failed", seqs[0]),
            n => format!("it asked for the same {n} times in one pull: {}", numbers(&seqs)),
        };
        verdicts.push(match n > MOST {
            true => case
                .verdict(Judge::BoundedRetries, caller, Finding::Failed, sentence)
                .should(format!("give up after at most {MOST} attempts")),
            false => case.verdict(Judge::BoundedRetries, caller, Finding::Passed, sentence),
        });
    }
    verdicts
}
