//! From dialect and facts to the answer that goes out.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Composed, Dialect, Facts, find, go_duration};
use crate::clock::{after, http_date};

impl Dialect {
    /// The refusal that `facts` lead to.
    pub fn compose(&self, facts: &Facts) -> Composed {
        let facts = &self.with_assumed(facts);
        let other = self.otherwise.as_deref().and_then(find);
        if let Some(other) = other
            && pieces(&self.body)
                .any(|piece| matches!(piece, Piece::Placeholder(name) if self.value(name, facts).is_none()))
        {
            return other.fill(facts);
        }
        self.fill(facts)
    }

    /// Whether its body is JSON, so that values are written into it as JSON texts are.
    fn is_json(&self) -> bool {
        let of_type = |name: &str, value: &str| name.eq_ignore_ascii_case("content-type") && value.contains("json");
        self.headers.iter().any(|(name, value)| of_type(name, value))
    }

    fn with_assumed(&self, facts: &Facts) -> Facts {
        let assumed = self.assumed.limit.map(|limit| (u64::from(limit.pulls().get()), limit.window()));
        Facts {
            limit: facts.limit.or(assumed),
            retry_after: facts.retry_after.or(self.assumed.retry_after),
            ..facts.clone()
        }
    }

    fn fill(&self, facts: &Facts) -> Composed {
        let is_json = self.is_json();
        let mut body = String::with_capacity(self.body.len());
        for piece in pieces(&self.body) {
            match piece {
                Piece::Text(text) => body.push_str(text),
                Piece::Placeholder(name) => match self.value(name, facts) {
                    Some(value) if is_json => body.push_str(&in_json(&value)),
                    Some(value) => body.push_str(&value),
                    // So that a dialect can be looked at without any facts.
                    None => body.push('-'),
                },
            }
        }
        let header = |(name, value): (&String, &String)| {
            let mut text = String::new();
            for piece in pieces(value) {
                match piece {
                    Piece::Text(part) => text.push_str(part),
                    Piece::Placeholder(name) => text.push_str(&self.value(name, facts)?),
                }
            }
            Some((name.clone(), text))
        };
        let headers = self.headers.iter().filter_map(header).collect();
        Composed { status: self.status, headers, body: Bytes::from(body), raw: self.raw }
    }

    /// What stands in the place of `{placeholder}`; `None`: it is not known.
    fn value(&self, placeholder: &str, facts: &Facts) -> Option<Cow<'static, str>> {
        let reset = || facts.retry_after.map(|wait| after(facts.now, Duration::from_secs(seconds_up(wait))));
        let text = match placeholder {
            "account" => facts.account.clone()?,
            "token-id" => facts.token_id.clone()?,
            "retry-after" => seconds_up(facts.retry_after?).to_string(),
            "go-duration" => go_duration(facts.retry_after?),
            "limit" => facts.limit?.0.to_string(),
            "observed" => facts.limit?.0.saturating_add(1).to_string(),
            "window-seconds" => facts.limit?.1.as_secs().to_string(),
            "window-unit" => window_unit(facts.limit?.1),
            "name" => facts.name.clone()?,
            "now-rfc3339" => facts.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "reset-epoch" => reset()?.as_second().to_string(),
            "reset-http-date" => http_date(reset()?),
            "hex-id" => self.id(facts)[..32].to_uppercase(),
            "uuid" => self.uuid(facts).to_string(),
            "edge" => format!("FRA{:02}EDGE{:04}", self.number(facts) % 100, self.number(facts) / 100 % 10_000),
            "ray" => format!("{}-FRA", &self.id(facts)[..16]),
            _ => return None,
        };
        Some(text.into())
    }

    /// 64 hexadecimal digits, the same for the same refusal.
    fn id(&self, facts: &Facts) -> String {
        let mut hash = Sha256::new();
        for part in
            [Some(self.name.as_str()), facts.account.as_deref(), facts.token_id.as_deref(), facts.name.as_deref()]
        {
            hash.update(part.unwrap_or_default());
            hash.update([0]);
        }
        hash.update(facts.now.as_nanosecond().to_be_bytes());
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn number(&self, facts: &Facts) -> u64 {
        u64::from_str_radix(&self.id(facts)[..12], 16).unwrap_or_default()
    }

    fn uuid(&self, facts: &Facts) -> Uuid {
        let id = u128::from_str_radix(&self.id(facts)[..32], 16).unwrap_or_default();
        uuid::Builder::from_random_bytes(id.to_be_bytes()).into_uuid()
    }
}

/// A part of a template.
enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// The parts of a template. Braces are placeholders only around lower case words, so that JSON stays as it is.
fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(name) = placeholder(rest) {
            rest = &rest[name.len() + 2..];
            return Some(Piece::Placeholder(name));
        }
        let begins = rest.match_indices('{').map(|(at, _)| at);
        let end = begins.filter(|at| *at > 0).find(|at| placeholder(&rest[*at..]).is_some()).unwrap_or(rest.len());
        let (text, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Text(text))
    })
}

/// The placeholder that `text` begins with.
fn placeholder(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let is_word = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    is_word.then_some(name)
}

/// A text as it stands between quotes in JSON. Some registries escape more, such as `'`; that is not known of any here.
fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Whole seconds, so that who waits so long is let through.
fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn window_unit(window: Duration) -> String {
    match window.as_secs() {
        1 => String::from("second"),
        60 => String::from("minute"),
        3_600 => String::from("hour"),
        86_400 => String::from("day"),
        _ => crate::duration::print(window).replace(' ', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, dialect::names};

    fn facts() -> Facts {
        Facts {
            account: Some(String::from("ada")),
            token_id: Some(String::from("dckr_jti_x=")),
            retry_after: Some(Duration::from_nanos(880_092)),
            limit: Some((44_000, Duration::from_secs(60))),
            name: Some(String::from("pulls")),
            now: Clock::DEFAULT_START,
        }
    }

    /// The body of the dialect `name`.
    #[track_caller]
    fn body(name: &str, facts: &Facts) -> String {
        String::from_utf8(find(name).expect(name).compose(facts).body.to_vec()).unwrap()
    }

    #[track_caller]
    fn check(name: &str, status: u16, headers: &[(&str, &str)], expected: &str) {
        let composed = find(name).expect(name).compose(&facts());
        assert_eq!(String::from_utf8_lossy(&composed.body), expected, "{name}");
        assert_eq!(composed.status, status, "{name}");
        let told: Vec<_> = composed.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(told, headers, "{name}");
    }

    const JSON: (&str, &str) = ("Content-Type", "application/json");

    #[test]
    fn docker_hub_refuses_in_its_own_words() {
        check(
            "dockerhub-anonymous",
            429,
            &[JSON],
            "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached your unauthenticated pull rate \
             limit. https://www.docker.com/increase-rate-limit\"}]}\n",
        );
        check(
            "dockerhub-account",
            429,
            &[JSON],
            "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached your pull rate limit as 'ada': \
             dckr_jti_x=. You may increase the limit by upgrading. https://www.docker.com/increase-rate-limit\"}]}\n",
        );
        let old = "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached your pull rate limit. You may \
             increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit\"}]}\n";
        check("dockerhub-old", 429, &[JSON], old);
        assert_eq!(body("dockerhub-account", &Facts { token_id: None, ..facts() }), old);
        check("dockerhub-abuse", 429, &[("Content-Type", "text/plain"), ("Retry-After", "60")], "Too Many Requests");
        let raw = find("dockerhub-abuse-raw").unwrap().compose(&facts());
        assert!(raw.raw);
        assert_eq!(
            raw.body,
            "HTTP/1.0 429 Too Many Requests\nCache-Control: no-cache\nConnection: close\nContent-Type: text/plain\n\
             Retry-After: 60\n\nToo Many Requests (HAP429).\n"
        );
        check("legacy-details", 429, &[JSON], "{\"details\":\"too many requests\"}");
    }

    #[test]
    fn bodies_have_the_length_that_was_seen() {
        for (name, n_bytes) in
            [("quay", 185), ("ecr-text", 15), ("ecr-public", 58), ("gitlab", 12), ("empty", 0), ("olareg", 0)]
        {
            assert_eq!(body(name, &facts()).len(), n_bytes, "{name}");
        }
        let quay = body("quay", &facts());
        assert!(quay.starts_with(
            "<html>\r\n<head><title>429 Too Many Requests</title></head>\r\n<body bgcolor=\"white\">\r\n"
        ));
        assert_eq!((quay.matches("\r\n").count(), quay.matches('\n').count()), (7, 7));
    }

    #[test]
    fn the_wait_is_told_in_each_form() {
        check(
            "ghcr",
            429,
            &[JSON],
            "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"retry-after: 880.092µs, allowed: 44000/minute\"}]}\n",
        );
        assert_eq!(body("ghcr", &Facts::default()), body("ghcr", &facts()));
        check(
            "gitlab",
            429,
            &[
                ("Content-Type", "text/plain"),
                ("RateLimit-Limit", "44000"),
                ("RateLimit-Name", "pulls"),
                ("RateLimit-Observed", "44001"),
                ("RateLimit-Remaining", "0"),
                ("RateLimit-Reset", "1767225601"),
                ("RateLimit-ResetTime", "Thu, 01 Jan 2026 00:00:01 GMT"),
                ("Retry-After", "1"),
            ],
            "Retry later\n",
        );
        // What is not known is left out.
        let unknown = find("gitlab").unwrap().compose(&Facts::default()).headers;
        assert_eq!(
            unknown.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["Content-Type", "RateLimit-Remaining"]
        );
        check("olareg", 429, &[("Retry-After", "1")], "");
    }

    #[test]
    fn ids_are_the_same_for_the_same_refusal() {
        let mcr = body("mcr", &facts());
        assert_eq!(mcr, body("mcr", &facts()));
        assert_ne!(mcr, body("mcr", &Facts { account: None, ..facts() }));
        let words: Vec<_> = mcr.split(' ').collect();
        let ["Ref", "A:", a, "Ref", "B:", b, "Ref", "C:", "2026-01-01T00:00:00Z"] = words[..] else { panic!("{mcr}") };
        assert!(a.len() == 32 && a.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')), "{a}");
        assert!(b.starts_with("FRA") && b.contains("EDGE"), "{b}");
        assert_eq!(find("mcr").unwrap().compose(&facts()).headers, []);
        let azure = find("acr-cache").unwrap().compose(&facts());
        let id = &azure.headers.iter().find(|(name, _)| name == "X-Ms-Correlation-Request-Id").unwrap().1;
        assert!(String::from_utf8_lossy(&azure.body).contains(&format!("cache rule 'pulls'. CorrelationId: {id}\"")));
    }

    #[test]
    fn what_says_that_it_is_json_is_json_unless_it_means_not_to_be() {
        let odd = Facts { account: Some(String::from("a\"b\\c")), ..facts() };
        for name in names() {
            let dialect = find(name).unwrap();
            let body = dialect.compose(&odd).body;
            if dialect.is_json() && !["wrong-type", "mcr-json"].contains(&name) {
                assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok(), "{name}: {body:?}");
            }
        }
    }

    #[test]
    fn every_placeholder_is_a_known_one() {
        for name in names() {
            let dialect = find(name).unwrap();
            for template in dialect.headers.values().chain([&dialect.body]) {
                for piece in pieces(template) {
                    if let Piece::Placeholder(word) = piece {
                        assert!(dialect.value(word, &facts()).is_some(), "{name}: {{{word}}}");
                    }
                }
            }
        }
    }
}
