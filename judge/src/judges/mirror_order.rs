//! Whether mirrors are asked before the origin.
//!
//! A mirror is whoever is asked for an image that is at home elsewhere, as the image's name says, or `?ns=`. In one
//! pull the origin is not asked first where a mirror is asked at all, and no mirror is asked for what the origin was
//! asked for.

use std::collections::HashMap;

use oci::EndpointKind;

use crate::{
    case::Case,
    group::Group,
    reading::Seen,
    verdict::{Finding, Judge, Verdict},
};

pub(crate) fn mirror_order(case: &Case<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (caller, _) in case.callers() {
        let groups = case.groups.iter().filter(|group| group.caller == caller);
        let found: Vec<_> = groups.filter_map(|group| in_pull(case, group)).collect();
        let wrong = found.iter().find_map(|found| found.as_ref().err());
        verdicts.push(match (wrong, found.first()) {
            (Some((sentence, should)), _) => {
                case.verdict(Judge::MirrorOrder, caller, Finding::Failed, sentence.as_str()).should(should.as_str())
            }
            (None, Some(Ok(sentence))) => case.verdict(Judge::MirrorOrder, caller, Finding::Passed, sentence.as_str()),
            (None, _) => continue,
        });
    }
    verdicts
}

/// `None`: no mirror was asked. Else what is right, or what is wrong and what should be.
fn in_pull(case: &Case<'_>, group: &Group<'_>) -> Option<Result<String, (String, String)>> {
    let members = group.members.iter().map(|place| case.seen(*place));
    let is_asked =
        |seen: &&Seen<'_>| matches!(seen.endpoint, EndpointKind::Manifest | EndpointKind::Blob) && seen.status() != 401;
    let asked: Vec<(&Seen<'_>, bool)> = members
        .filter(is_asked)
        .filter_map(|seen| Some((seen, case.is_home(group, seen)?)))
        .filter(|(seen, is_home)| *is_home || !case.was_sent_to(seen))
        .collect();
    let (mirror, _) = asked.iter().find(|(_, is_home)| !is_home)?;
    let should = |mirror: &Seen<'_>| format!("ask {} before the origin", mirror.exchange.host);
    let mut of_origin: HashMap<(Option<&oci::Reference>, bool), &Seen<'_>> = HashMap::new();
    for (seen, is_home) in &asked {
        let what = (seen.reference, seen.is_blob());
        match of_origin.get(&what) {
            _ if *is_home => drop(of_origin.entry(what).or_insert(seen)),
            Some(origin) => {
                let sentence = format!("#{} asked the origin, and #{} a mirror after it", origin.seq, seen.seq);
                return Some(Err((sentence, should(seen))));
            }
            None => {}
        }
    }
    let (first, is_home) = asked.first()?;
    if *is_home {
        let sentence = format!("#{} asked the origin first, and #{} a mirror after it", first.seq, mirror.seq);
        return Some(Err((sentence, should(mirror))));
    }
    Some(Ok(match asked.iter().find(|(_, is_home)| *is_home) {
        Some((origin, _)) => format!("#{} asked a mirror, and #{} the origin after it", mirror.seq, origin.seq),
        None => format!("#{} asked a mirror, and nobody the origin", mirror.seq),
    }))
}
