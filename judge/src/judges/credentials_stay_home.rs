//! Whether credentials go only to whom they are meant for.
//!
//! They do not belong to the second host of a registry, whose addresses are signed. A password does not belong to a
//! mirror, to any other registry than the image's own, or to the token service of a registry that asked for nothing;
//! a token not to another registry than the one that it was first shown to. A password in the body of a request for a
//! token is not seen by the journal.

use std::collections::HashMap;

use oci::EndpointKind;

use crate::{
    case::Case,
    reading::Seen,
    verdict::{Finding, Judge, Verdict},
};

pub(crate) fn credentials_stay_home(case: &Case<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (caller, places) in case.callers() {
        let mut first_shown: HashMap<&str, &Seen<'_>> = HashMap::new();
        let mut n_sent = 0_usize;
        let mut wrong = None;
        for place in &places {
            let seen = case.seen(*place);
            let Some(scheme) = seen.exchange.authorization.as_deref() else { continue };
            n_sent += 1;
            let why = if seen.endpoint == EndpointKind::Cdn {
                Some(String::from("whose addresses are signed and need none"))
            } else if let Some(token) = seen.exchange.token.as_deref() {
                let home = *first_shown.entry(token).or_insert(seen);
                let is_elsewhere = home.exchange.actor != seen.exchange.actor;
                is_elsewhere.then(|| format!("although the token is one of {}: #{}", home.exchange.host, home.seq))
            } else {
                password_abroad(case, *place).or_else(|| unasked(case, &places, seen))
            };
            if let Some(why) = why.filter(|_| wrong.is_none()) {
                wrong = Some((
                    seen,
                    format!("#{} sent `Authorization: {scheme}` to {}, {why}", seen.seq, seen.exchange.host),
                ));
            }
        }
        verdicts.push(match wrong {
            Some((seen, sentence)) => case
                .verdict(Judge::CredentialsStayHome, caller, Finding::Failed, sentence)
                .should(format!("send #{} without `Authorization`", seen.seq)),
            None if n_sent > 0 => {
                let sentence = format!("{n_sent} requests carried credentials, each to whom they are meant for");
                case.verdict(Judge::CredentialsStayHome, caller, Finding::Passed, sentence)
            }
            None => continue,
        });
    }
    verdicts
}

/// Why a password does not belong where it was sent.
fn password_abroad(case: &Case<'_>, place: usize) -> Option<String> {
    let seen = case.seen(place);
    if seen.parameter("ns").is_some() {
        return Some(String::from("which is a mirror"));
    }
    let group = &case.groups[case.group(place)?];
    let home = group.home?;
    let is_abroad = case.is_home(group, seen) == Some(false);
    is_abroad.then(|| format!("although the image is one of {home}"))
}

/// Why a password does not belong to a token service: not its own registry asked for it.
fn unasked(case: &Case<'_>, theirs: &[usize], seen: &Seen<'_>) -> Option<String> {
    if seen.endpoint != EndpointKind::Token {
        return None;
    }
    let before = theirs.iter().map(|place| case.seen(*place)).take_while(|known| known.seq < seen.seq);
    let challenges = before.filter(|known| known.status() == 401 && known.endpoint != EndpointKind::Token);
    let challenges: Vec<_> = challenges.collect();
    let is_asked = challenges.iter().any(|known| known.exchange.actor == seen.exchange.actor);
    let other = challenges.last().filter(|_| !is_asked)?;
    Some(format!("although it was {} that had asked for it: #{}", other.exchange.host, other.seq))
}
