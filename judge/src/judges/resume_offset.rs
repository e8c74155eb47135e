//! Whether a download is taken up where it had stopped.
//!
//! What is looked at is a `Range` for a blob, against what was sent of it before in the same pull. A body that was
//! cut off arrives up to its end; of one whose connection was reset, or that the client left, less may have arrived
//! than was sent, so that the client may ask for some of it again, and never for what lies behind.

use std::collections::HashMap;

use oci::Reference;
use testbed::journal::BodyEnd;

use crate::{
    case::Case,
    verdict::{Finding, Judge, Verdict},
};

/// How far a blob had come: the exchange that sent it, the byte behind its last one, and whether all of it arrived.
struct Sent {
    seq: u64,
    end: u64,
    is_exact: bool,
}

pub(crate) fn resume_offset(case: &Case<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (caller, places) in case.callers() {
        let mut sent: HashMap<(Option<usize>, &Reference), Sent> = HashMap::new();
        let mut n_ranges = 0_usize;
        let mut wrong = None;
        for place in &places {
            let seen = case.seen(*place);
            // What is redirected is judged where it arrives.
            let Some(reference) = seen.reference.filter(|_| seen.is_blob() && seen.is_get()) else { continue };
            if matches!(seen.status(), 300..=399 | 401) {
                continue;
            }
            let key = (case.group(*place), reference);
            if let Some(from) = seen.asked_from() {
                n_ranges += 1;
                let known = sent.get(&key);
                let (is_right, before) = match known {
                    None => (from == 0, String::from("nothing of it had been sent")),
                    Some(Sent { seq, end, is_exact }) => {
                        let is_right = if *is_exact { from == *end } else { from <= *end };
                        (is_right, format!("#{seq} had ended before byte {end}"))
                    }
                };
                if !is_right && wrong.is_none() {
                    let end = known.map_or(0, |sent| sent.end);
                    let sentence = format!("#{} asked for a blob from byte {from} on, and {before}", seen.seq);
                    wrong = Some((sentence, format!("ask from byte {end} on")));
                }
            }
            if let (200 | 206, Some((_, ended))) = (seen.status(), seen.ended) {
                let end = seen.first_byte().saturating_add(ended.sent_bytes);
                let is_exact = matches!(ended.end, BodyEnd::Complete | BodyEnd::Cut);
                sent.insert(key, Sent { seq: seen.seq, end, is_exact });
            }
        }
        verdicts.push(match wrong {
            Some((sentence, should)) => {
                case.verdict(Judge::ResumeOffset, caller, Finding::Failed, sentence).should(should)
            }
            None if n_ranges > 0 => {
                let sentence = match n_ranges {
                    1 => String::from("a download was taken up where it had stopped"),
                    n => format!("{n} downloads were taken up where they had stopped"),
                };
                case.verdict(Judge::ResumeOffset, caller, Finding::Passed, sentence)
            }
            None => continue,
        });
    }
    verdicts
}
