//! What is wrong with limits: what contradicts itself, and what could never do anything.

use std::collections::HashSet;

use oci::PullLimit;
use testbed::{diagnostic::Span, yaml::Spanned};

use super::{
    ACCOUNTS, ANONYMOUS, Algorithm, Allow, ConfigError, CountedBy, HeaderStyle, HeadersOn, LimitConfig, Measure, Only,
    Refused, Units, Who,
};

/// The limits of a configuration: its own or its preset's, with the short keys over them.
pub(crate) fn check_limits(
    given: Option<&Vec<Spanned<LimitConfig>>>,
    preset: &[LimitConfig],
    short: [Option<PullLimit>; 2],
    errors: &mut Vec<ConfigError>,
) -> Vec<LimitConfig> {
    let mut limits = match given {
        Some(given) => given.iter().map(|limit| limit.value.clone()).collect(),
        None => preset.to_vec(),
    };
    for (n, limit) in given.into_iter().flatten().enumerate() {
        let problems = problems(&limit.value).into_iter();
        errors.extend(problems.map(|error| error.below(&format!("limits[{n}]")).at(limit.span)));
    }
    let mut names = HashSet::new();
    for (n, limit) in limits.iter().enumerate() {
        if !names.insert(limit.name.as_str()) {
            let span = given.and_then(|given| given.get(n)).map_or(Span::default(), |limit| limit.span);
            let error = ConfigError::new(format!("limits[{n}].name"), format!("limit `{}` is there twice", limit.name));
            errors.push(error.hint("give each limit a name of its own").at(span));
        }
    }
    let [anonymous, accounts] = short;
    set(&mut limits, ANONYMOUS, anonymous, LimitConfig::anonymous);
    set(&mut limits, ACCOUNTS, accounts, LimitConfig::accounts);
    limits
}

/// Sets the allowance of the pull limit called `name`, which is made if it is not there.
pub(crate) fn set(
    limits: &mut Vec<LimitConfig>,
    name: &str,
    limit: Option<PullLimit>,
    make: impl FnOnce(PullLimit) -> LimitConfig,
) {
    let Some(limit) = limit else { return };
    match limits.iter_mut().find(|known| known.name == name) {
        Some(known) => known.allow = limit.into(),
        None => limits.push(make(limit)),
    }
}

/// Looks whether limits that were given at run time can be put in force.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn check_each(limits: &[LimitConfig]) -> Result<(), Vec<ConfigError>> {
    let spanned: Vec<_> = limits.iter().cloned().map(Spanned::from).collect();
    let mut errors = Vec::new();
    check_limits(Some(&spanned), &[], [None, None], &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Everything that is wrong with one limit by itself.
pub(crate) fn problems(limit: &LimitConfig) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut add = |field: &str, message: &str, hint: &str| errors.push(ConfigError::new(field, message).hint(hint));
    if limit.name.is_empty() || !limit.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        add("name", "a limit's name has small letters, digits and `-`", "call it `pulls`");
    }
    match (limit.of, limit.allow) {
        (_, Allow::Unlimited)
        | (Measure::Requests | Measure::Bytes, Allow::Rate { .. })
        | (Measure::Concurrency, Allow::AtOnce(_)) => {}
        (Measure::Concurrency, Allow::Rate { .. }) => {
            add("allow", "how many may be under way at once has no window", "write `allow: 10`");
        }
        (Measure::Requests | Measure::Bytes, Allow::AtOnce(_)) => {
            add("allow", "in which time is missing", "write `100/6h`, or add `of: concurrency`");
        }
    }
    let is_meter = matches!(limit.algorithm, Algorithm::TokenBucket | Algorithm::Gcra);
    if limit.burst.is_some() && !is_meter {
        add(
            "burst",
            "only `token-bucket` and `gcra` have a burst",
            "leave it out, or name one of these as `algorithm`",
        );
    }
    if limit.burst == Some(0) && limit.algorithm == Algorithm::TokenBucket {
        add("burst", "a bucket that holds nothing refuses everything", "let it hold at least 1");
    }
    if limit.refused == Refused::Extends && limit.algorithm == Algorithm::Aligned {
        add("refused", "windows of the clock cannot begin anew", "use `algorithm: fixed`");
    }
    if limit.of == Measure::Concurrency
        && (limit.refused != Refused::Free
            || limit.ban.is_some()
            || limit.only != Only::All
            || limit.units != Units::Each)
    {
        add("of", "what is under way leaves no trace once it ended", "leave `refused`, `ban`, `only` and `units` out");
    }
    if limit.of == Measure::Bytes && (limit.units != Units::Each || limit.only != Only::All) {
        add("of", "bytes have no other units", "leave `units` and `only` out");
    }
    if limit.who == Who::Anonymous && limit.by == CountedBy::Account {
        add("by", "who has no account is not counted by account", "write `by: address`, or another `who`");
    }
    if limit.before_auth && (limit.who != Who::Everyone || limit.by == CountedBy::Account) {
        add("before-auth", "who asks is not known yet", "leave it out, or count everyone by address");
    }
    if limit.forgiven_by_success && limit.only != Only::FailedLogins {
        add("forgiven-by-success", "there is nothing to forgive", "add `only: failed-logins`");
    }
    if limit.headers == HeaderStyle::None && limit.headers_on != HeadersOn::Always {
        add("headers-on", "there are no headers to send", "add `headers: docker-hub`, or leave it out");
    }
    if limit.ban.is_some_and(|ban| ban.is_zero()) {
        add("ban", "a ban of no time is none", "leave it out, or write `1h`");
    }
    if testbed::dialect::find(&limit.answer).is_none() {
        let hint = unknown_dialect_hint(&limit.answer);
        errors.push(ConfigError::new("answer", format!("no dialect `{}`", limit.answer)).hint(hint));
    }
    errors
}

/// What to write in place of a dialect that nobody knows.
pub(super) fn unknown_dialect_hint(name: &str) -> String {
    let names = testbed::dialect::names();
    let nearest = names.iter().min_by_key(|known| strsim::osa_distance(known, name));
    match nearest.filter(|known| strsim::osa_distance(known, name) <= 3.max(name.len() / 2)) {
        Some(nearest) => format!("did you mean `{nearest}`? There are {}", names.join(", ")),
        None => format!("there are {}", names.join(", ")),
    }
}
