//! Words for the values of presets.

use http::StatusCode;
use testbed::{dialect::Dialect, duration};

use crate::{
    AbsentRepository, Algorithm, Allow, CountedBy, Counts, HeaderStyle, LimitConfig, Measure, Only, Protocol, Refused,
    Units, UpstreamRefusal, Who,
};

/// A limit in one sentence.
pub(super) fn limit(limit: &LimitConfig) -> String {
    let mut text = format!("`{}`: {}", limit.name, allow(limit));
    text += match limit.by {
        CountedBy::Address => " for each IPv4 address or IPv6 /64",
        CountedBy::Account => " for each account",
        CountedBy::Token => " for each token",
        CountedBy::Connection => " for each connection",
        CountedBy::Repository => " for each repository",
        CountedBy::Registry => " for all clients together",
        CountedBy::ForwardedFor => " for each address, as X-Forwarded-For tells it",
        CountedBy::Authorization => " for each Authorization header",
    };
    text += match limit.who {
        Who::Everyone => "",
        Who::Anonymous => ", of those without an account",
        Who::Accounts => ", of those with one",
    };
    text += match limit.protocol {
        None => "",
        Some(Protocol::Http1) => ", over HTTP/1.1",
        Some(Protocol::Http2) => ", over HTTP/2",
    };
    text += &format!("; {} counts", counts(&limit.counts));
    text += match limit.only {
        Only::All => "",
        Only::FailedLogins => " if the password is wrong",
    };
    text += match limit.units {
        Units::Each => "",
        Units::Half => ", two for one unit",
        Units::PerArchitecture => ", an index not",
    };
    text += match limit.algorithm {
        Algorithm::Fixed => ", from the first one on",
        Algorithm::Aligned => ", by the windows of the clock",
        Algorithm::SlidingLog => ", each for as long as the window is",
        Algorithm::SlidingCounter => ", and a share of the window before",
        Algorithm::TokenBucket => ", from a bucket that fills all the time",
        Algorithm::Gcra => ", at that rate",
    };
    if let Some(burst) = limit.burst {
        text += &format!(" and {burst} ahead of it");
    }
    if limit.before_auth {
        text += ", before it is known who asks";
    }
    if let Some(ban) = limit.ban {
        text += &format!("; who is refused once is refused for {}", duration::print(ban));
    }
    text += if limit.forgiven_by_success { ", until a login succeeds" } else { "" };
    text += match limit.refused {
        Refused::Free => "",
        Refused::Counts => "; refused requests count too",
        Refused::Extends => "; a refused request lets everything count anew",
    };
    text += match limit.headers {
        HeaderStyle::None => "",
        HeaderStyle::DockerHub => "; told in `ratelimit-limit` and `ratelimit-remaining`",
        HeaderStyle::Draft | HeaderStyle::Gitlab => "; told in `RateLimit-*`",
        HeaderStyle::XRatelimit => "; told in `X-RateLimit-*`",
    };
    text
}

fn allow(limit: &LimitConfig) -> String {
    let what = if limit.of == Measure::Bytes { " bytes" } else { "" };
    match limit.allow {
        Allow::Unlimited => String::from("nothing is counted"),
        Allow::AtOnce(units) => format!("{units} at once"),
        Allow::Rate { units, window } => format!("{units}{what} in {}", duration::print(window)),
    }
}

/// `GET of manifests`, `every request`.
fn counts(counts: &Counts) -> String {
    if *counts == Counts::everything() {
        return String::from("every request");
    }
    let Ok(serde_json::Value::Object(kinds)) = serde_json::to_value(counts) else { return String::new() };
    let method = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_uppercase();
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (kind, methods) in &kinds {
        let methods = match methods {
            serde_json::Value::Array(methods) => methods.iter().map(method).collect::<Vec<_>>().join("/"),
            one if one == "any" => String::from("any request"),
            one => method(one),
        };
        match groups.iter_mut().find(|(known, _)| *known == methods) {
            Some((_, kinds)) => kinds.push(plural(kind)),
            None => groups.push((methods, vec![plural(kind)])),
        }
    }
    let groups = groups.into_iter().map(|(methods, kinds)| match kinds.len() {
        10.. => format!("{methods} of anything"),
        _ => format!("{methods} of {}", list(&kinds)),
    });
    groups.collect::<Vec<_>>().join(", ")
}

fn plural(kind: &str) -> String {
    match kind {
        "ping" => String::from("the version check"),
        "catalog" => String::from("the catalog"),
        "tags" | "referrers" => kind.to_owned(),
        "cdn" => String::from("the second host"),
        "other" => String::from("anything else"),
        kind => format!("{kind}s"),
    }
}

/// `a, b and c`.
pub(super) fn list(words: &[impl AsRef<str>]) -> String {
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
    }
}

pub(super) fn upstream_refusal(refusal: UpstreamRefusal) -> &'static str {
    match refusal {
        UpstreamRefusal::AsItIs => "clients get what the upstream says",
        UpstreamRefusal::Stale => "clients get what is cached, however old, and for what is not",
        UpstreamRefusal::TooManyRequests => "clients get",
        UpstreamRefusal::ManifestUnknown => "a manifest seems to be absent",
        UpstreamRefusal::BlobUnknown => "clients get cached manifests, and a blob seems to be absent",
        UpstreamRefusal::Denied => "clients are told that they may not",
        UpstreamRefusal::CacheRule => "clients get the upstream's words with the rule's name",
    }
}

pub(super) fn absent(absent: AbsentRepository) -> &'static str {
    match absent {
        AbsentRepository::NotFound => "404 NAME_UNKNOWN",
        AbsentRepository::InsufficientScope => "401 `insufficient_scope`",
        AbsentRepository::Denied => "403 DENIED",
    }
}

/// An answer in a dialect, for people: status, headers, a blank line and the body, with what is different each time in
/// braces.
pub fn answer_in_words(dialect: &Dialect) -> String {
    if dialect.raw {
        return format!("(bytes as they are)\n{}", dialect.body);
    }
    let reason = StatusCode::from_u16(dialect.status).ok().and_then(|status| status.canonical_reason());
    let mut text = format!("{} {}\n", dialect.status, reason.unwrap_or_default());
    for (name, value) in &dialect.headers {
        text += &format!("{}: {value}\n", name.to_lowercase());
    }
    text + "\n" + if dialect.body.is_empty() { "(no body)" } else { &dialect.body }
}
