//! Whether clients that fail at the same time try again at different ones.
//!
//! It takes three clients, and looks at the first retry of each. They bunch if three quarters of them ask within a
//! fiftieth of what they waited: so many requests in one instant are what made the registry refuse them.

use crate::{
    case::{Case, ms_between, numbers, print_ms},
    reading::{Caller, Seen},
    verdict::{Finding, Judge, Verdict},
};

/// How many clients make a crowd.
const CROWD: usize = 3;
/// Failures that lie no further apart are at the same time.
const SAME_TIME_MS: u64 = 1000;
/// Retries that lie no further apart are in one instant, however short the wait was.
const INSTANT_MS: u64 = 20;

/// A client's first failure, and what it did then.
struct Retry<'c, 'a> {
    caller: Caller<'a>,
    failed: &'c Seen<'a>,
    again: &'c Seen<'a>,
}

pub(crate) fn jitter(case: &Case<'_>) -> Vec<Verdict> {
    let series = case.series();
    let mut retries: Vec<Retry<'_, '_>> = Vec::new();
    for series in &series {
        if let [failed, again, ..] = series.attempts.as_slice() {
            retries.push(Retry { caller: series.caller, failed, again });
        }
    }
    retries.sort_by_key(|retry| (retry.failed.exchange.actor.clone(), retry.failed.at, retry.failed.seq));
    let mut verdicts = Vec::new();
    let mut rest = retries.as_slice();
    while let Some(first) = rest.first() {
        let is_same_time = |retry: &&Retry<'_, '_>| {
            retry.failed.exchange.actor == first.failed.exchange.actor
                && ms_between(first.failed.at, retry.failed.at) <= SAME_TIME_MS
        };
        let (crowd, later) = rest.split_at(rest.iter().take_while(is_same_time).count());
        rest = later;
        verdicts.extend(of_crowd(crowd));
    }
    // One crowd that bunched is worth more words than several that did not.
    let failed = verdicts.iter().position(|verdict| verdict.finding == Finding::Failed);
    verdicts.drain(..).nth(failed.unwrap_or(0)).into_iter().collect()
}

/// `None`: they are too few.
fn of_crowd(crowd: &[Retry<'_, '_>]) -> Option<Verdict> {
    let mut firsts: Vec<&Retry<'_, '_>> = Vec::new();
    for retry in crowd {
        if !firsts.iter().any(|known| known.caller == retry.caller) {
            firsts.push(retry);
        }
    }
    if firsts.len() < CROWD {
        return None;
    }
    let mut waits: Vec<u64> = firsts.iter().map(|retry| ms_between(retry.failed.at, retry.again.at)).collect();
    waits.sort_unstable();
    let instant_ms = (waits[waits.len() / 2] / 50).max(INSTANT_MS);
    firsts.sort_by_key(|retry| (retry.again.at, retry.again.seq));
    let within = |begin: usize| {
        firsts[begin..]
            .iter()
            .take_while(|retry| ms_between(firsts[begin].again.at, retry.again.at) <= instant_ms)
            .count()
    };
    let (begin, most) = (0..firsts.len()).map(|begin| (begin, within(begin))).max_by_key(|(_, n)| *n)?;
    let bunches = most * 4 >= firsts.len() * 3;
    let told = if bunches { &firsts[begin..begin + most] } else { &firsts[..] };
    let seqs: Vec<_> = told.iter().map(|retry| retry.again.seq).collect();
    let n = firsts.len();
    let spread = ms_between(told.first()?.again.at, told.last()?.again.at);
    let within = match if bunches { spread } else { instant_ms } {
        0 => String::from("in one instant"),
        ms => format!("within {}", print_ms(ms)),
    };
    let actor = &firsts[0].failed.exchange.actor;
    let sentence =
        format!("{n} clients failed at {actor}, and at most {most} tried again {within}: {}", numbers(&seqs));
    let (finding, should) = match bunches {
        true => (Finding::Failed, Some(String::from("spread retries by chance, each client for itself"))),
        false => (Finding::Passed, None),
    };
    Some(Verdict { judge: Judge::Jitter, finding, client: None, sentence, should })
}
