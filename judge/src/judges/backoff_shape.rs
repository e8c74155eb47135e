//! Whether a client that tries again waits longer each time.
//!
//! Only waits of its own count: what follows a `Retry-After` does not. One wait has no shape, but it is seen whether
//! there was any. Jitter may shorten a wait, and a cap may end the growth, so it is enough that some wait is half as
//! long again as the first.

use crate::{
    case::{Case, Series, ms_between, numbers, print_ms},
    verdict::{Finding, Judge, Verdict},
};

/// What is shorter is no wait: the way to a registry on the same machine takes less.
const AT_ONCE_MS: u64 = 20;

enum Shape {
    Growing,
    Constant,
    AtOnce,
}

pub(crate) fn backoff_shape(case: &Case<'_>) -> Vec<Verdict> {
    let series = case.series();
    let mut verdicts = Vec::new();
    for (caller, _) in case.callers() {
        let theirs = series.iter().filter(|series| series.caller == caller);
        let shaped = theirs.filter_map(|series| {
            let waits = own_waits(series);
            Some((series, shape(&waits)?, waits))
        });
        let shaped: Vec<_> = shaped.collect();
        let wrong = shaped.iter().find(|(_, shape, _)| !matches!(shape, Shape::Growing));
        let Some((series, shape, waits)) = wrong.or(shaped.first()) else { continue };
        let seqs: Vec<_> = series.attempts.iter().map(|seen| seen.seq).collect();
        let told: Vec<_> = waits.iter().take(5).map(|wait| print_ms(*wait)).collect();
        let of = format!("between {} it waited {}", numbers(&seqs), told.join(", "));
        verdicts.push(match shape {
            Shape::Growing => case.verdict(Judge::BackoffShape, caller, Finding::Passed, of),
            Shape::Constant => case
                .verdict(Judge::BackoffShape, caller, Finding::Failed, format!("{of}: no longer than the first time"))
                .should("wait longer each time"),
            Shape::AtOnce => {
                let sentence = format!("{} asked for the same at once, although it had just failed", numbers(&seqs));
                case.verdict(Judge::BackoffShape, caller, Finding::Failed, sentence)
                    .should("wait before it asks again, and longer each time")
            }
        });
    }
    verdicts
}

/// The waits that nobody asked for, in milliseconds.
fn own_waits(series: &Series<'_, '_>) -> Vec<u64> {
    let pairs = series.attempts.windows(2);
    let own = pairs.filter(|pair| pair[0].exchange.retry_after.is_none());
    own.map(|pair| ms_between(pair[0].at, pair[1].at)).collect()
}

fn shape(waits: &[u64]) -> Option<Shape> {
    let (first, longest) = (*waits.first()?, *waits.iter().max()?);
    if waits.iter().any(|wait| *wait < AT_ONCE_MS) {
        return Some(Shape::AtOnce);
    }
    let grows = longest.saturating_mul(2) >= first.saturating_mul(3);
    match waits.len() {
        1 => None,
        _ if grows => Some(Shape::Growing),
        _ => Some(Shape::Constant),
    }
}
