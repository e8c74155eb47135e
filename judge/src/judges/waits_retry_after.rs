//! Whether a client that is told to wait does.
//!
//! `Retry-After` is read in its two lawful forms, seconds and an HTTP date, on policy time. What must wait is
//! whatever asks for the same thing again, by `HEAD` or by `GET`, in the same pull: other requests may be under way
//! already. A client that gives up has waited.
//!
//! Source: RFC 9110, "Retry-After".

use std::time::Duration;

use testbed::Timestamp;

use crate::{
    case::{Case, ms_between, print_ms},
    reading::Seen,
    verdict::{Finding, Judge, Verdict},
};

/// So much sooner is not too soon: clocks and their timers are not exact.
const TOLERANCE_MS: u64 = 100;
/// The same for dates, which have no fractions of a second.
const DATE_TOLERANCE_MS: u64 = 1000;

pub(crate) fn waits_retry_after(case: &Case<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (caller, places) in case.callers() {
        let mut told = Vec::new();
        let mut wrong = None;
        for (nth, place) in places.iter().enumerate() {
            let seen = case.seen(*place);
            let Some((wait_ms, tolerance_ms)) = asked_wait(seen) else { continue };
            told.push(seen);
            let is_same = |later: &&usize| {
                let later_seen = case.seen(**later);
                case.group(**later) == case.group(*place)
                    && later_seen.path() == seen.path()
                    && later_seen.exchange.actor == seen.exchange.actor
            };
            let Some(next) = places[nth + 1..].iter().find(is_same).map(|place| case.seen(*place)) else { continue };
            let waited_ms = ms_between(seen.at, next.at);
            if waited_ms + tolerance_ms < wait_ms && wrong.is_none() {
                wrong = Some((seen, next, waited_ms, wait_ms));
            }
        }
        let Some(first) = told.first() else { continue };
        verdicts.push(match wrong {
            Some((seen, next, waited_ms, wait_ms)) => {
                let told = seen.exchange.retry_after.as_deref().unwrap_or_default();
                let sentence = format!(
                    "#{} was answered `Retry-After: {told}`, and #{} asked for the same {}",
                    seen.seq,
                    next.seq,
                    if waited_ms == 0 { String::from("at once") } else { format!("{} later", print_ms(waited_ms)) },
                );
                let should = format!("wait {} after #{}", print_ms(wait_ms), seen.seq);
                case.verdict(Judge::WaitsRetryAfter, caller, Finding::Failed, sentence).should(should)
            }
            None => {
                let sentence = match told.len() {
                    1 => format!("told to wait by #{}, it did not ask sooner", first.seq),
                    n => format!("told to wait {n} times, first by #{}, it never asked sooner", first.seq),
                };
                case.verdict(Judge::WaitsRetryAfter, caller, Finding::Passed, sentence)
            }
        });
    }
    verdicts
}

/// How long the answer asks to wait, and how much sooner is not too soon.
fn asked_wait(seen: &Seen<'_>) -> Option<(u64, u64)> {
    if !matches!(seen.status(), 429 | 503) {
        return None;
    }
    let text = seen.exchange.retry_after.as_deref()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some((u64::from(seconds) * 1000, TOLERANCE_MS)).filter(|_| seconds > 0);
    }
    let wait = until(text, seen.at)?;
    Some((u64::try_from(wait.as_millis()).ok()?, DATE_TOLERANCE_MS))
}

/// How long it is until an HTTP date; none if that is past.
fn until(date: &str, now: Timestamp) -> Option<Duration> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Duration::try_from(at.duration_since(now)).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_on_policy_time() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(until("Thu, 01 Jan 2026 00:00:30 GMT", now), Some(Duration::from_secs(30)));
        for past_or_none in ["Wed, 31 Dec 2025 00:00:00 GMT", "soon", "1767225630"] {
            assert_eq!(until(past_or_none, now), None, "{past_or_none}");
        }
    }
}
