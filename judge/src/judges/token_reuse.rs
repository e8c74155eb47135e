//! Whether a client uses its tokens as long as they are good, and no longer.
//!
//! In one pull, a token is not asked for again within [`LIFE_SECONDS`] unless one was refused; and one that was good
//! is not used after it has expired, as a 401 shows that no rule made. How long a token really lives is not in the
//! journal. Another pull may be another process, which cannot know the first one's tokens.
//!
//! Source: Docker token specification, "expires_in": no token lives for less than a minute.

use std::collections::{HashMap, HashSet};

use oci::EndpointKind;

use crate::{
    case::{Case, ms_between, print_ms},
    reading::Seen,
    verdict::{Finding, Judge, Verdict},
};

/// How long every token is good.
const LIFE_SECONDS: u64 = 60;

pub(crate) fn token_reuse(case: &Case<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (caller, places) in case.callers() {
        let is_token = |place: &&usize| {
            case.group(**place).is_some()
                && case.seen(**place).endpoint == EndpointKind::Token
                && case.seen(**place).succeeded()
        };
        let n_tokens = places.iter().filter(is_token).count();
        if n_tokens == 0 {
            continue;
        }
        let groups = case.groups.iter().filter(|group| group.caller == caller);
        let wrong = groups.map(|group| group.members.iter().map(|place| case.seen(*place))).find_map(in_pull);
        verdicts.push(match wrong {
            Some((sentence, should)) => {
                case.verdict(Judge::TokenReuse, caller, Finding::Failed, sentence).should(should)
            }
            None => {
                let words = if n_tokens == 1 { "token was" } else { "tokens were" };
                let sentence = format!("{n_tokens} {words} asked for, none too soon, and none used for too long");
                case.verdict(Judge::TokenReuse, caller, Finding::Passed, sentence)
            }
        });
    }
    verdicts
}

/// What is wrong in one pull, and what should be.
fn in_pull<'c, 'a: 'c>(members: impl Iterator<Item = &'c Seen<'a>>) -> Option<(String, String)> {
    // What each registry gave last, for what.
    let mut given: HashMap<(&str, Option<String>), &Seen<'a>> = HashMap::new();
    let mut good: HashSet<(&str, &str)> = HashSet::new();
    for seen in members {
        let actor = &*seen.exchange.actor;
        if seen.endpoint == EndpointKind::Token && seen.succeeded() {
            let before = given.insert((actor, seen.parameter("scope")), seen);
            let Some(before) = before else { continue };
            let age_ms = ms_between(before.at, seen.at);
            if age_ms < LIFE_SECONDS * 1000 {
                let sentence = format!(
                    "#{} asked for a token although #{} had been given one for the same {} before, which nobody had \
                     refused",
                    seen.seq,
                    before.seq,
                    print_ms(age_ms),
                );
                return Some((sentence, format!("use the token of #{} as long as it is good", before.seq)));
            }
            continue;
        }
        let Some(token) = seen.exchange.token.as_deref() else { continue };
        match seen.status() {
            401 => {
                if good.contains(&(actor, token)) && seen.exchange.rule.is_none() {
                    let sentence = format!("#{} used a token that had been good, and has expired", seen.seq);
                    return Some((sentence, format!("ask for a new token before #{}", seen.seq)));
                }
                given.retain(|(giver, _), _| *giver != actor);
            }
            200..=399 => drop(good.insert((actor, token))),
            _ => {}
        }
    }
    None
}
