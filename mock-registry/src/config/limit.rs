//! One limit of a registry, as people write it: what counts, by whom, how much, and how a refusal looks.
//!
//! The same type is written in scenario files and presets, built in Rust, and posted to the control API.
//!
//! Source: facts/registry A3-A9, B2, B3.

use std::{convert::Infallible, fmt, net::IpAddr, str::FromStr, time::Duration};

use oci::{AccountName, PullLimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::rule::Pattern;

use super::{Allow, Counts, scalar::scalar_form};

/// The name of the pull limit of those who have no account, which the short key `limit` sets.
pub const ANONYMOUS: &str = "anonymous";
/// The name of the pull limit of accounts, which the short key `account-limit` sets.
pub const ACCOUNTS: &str = "accounts";

/// One limit. Several hold at once: a request passes them in their order, and the first that refuses answers.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a limit")]
pub struct LimitConfig {
    /// How the journal, steps and the control API call it. `anonymous` and `accounts` are the two pull limits that the short
    /// keys `limit` and `account-limit` set.
    pub name: String,
    /// Which requests count: endpoints with their methods. Default: `{ manifest: get }`, as Docker Hub counts pulls.
    #[serde(default)]
    pub counts: Counts,
    /// Whose requests. Default: everyone's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub who: Who,
    /// By what they are counted. Default: by address.
    #[serde(default)]
    pub by: CountedBy,
    /// Only requests over this protocol. Default: over either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// How much there is: `100/6h`; `500GiB/30d` of bytes; `10` at once; or `none`.
    pub allow: Allow,
    /// What is counted. Default: requests.
    #[serde(default, skip_serializing_if = "is_default")]
    pub of: Measure,
    /// How the window moves. Default: `sliding-log`.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// `token-bucket`: how much the bucket holds. `gcra`: how much may come at once beyond the rate, as in nginx's
    /// `limit_req … burst nodelay`. Default: as much as is allowed in a window; with `gcra`, 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// What one request costs. Default: one unit each.
    #[serde(default, skip_serializing_if = "is_default")]
    pub units: Units,
    /// Which of these requests. Default: all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub only: Only,
    /// What becomes of a refused request. Default: it leaves no trace.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refused: Refused,
    /// For how long everything is refused that is counted by the same, once something was: `1h`. Default: not at all.
    #[serde(default, with = "testbed::duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ban: Option<Duration>,
    /// With `only: failed-logins`: one login that succeeds makes all forgotten, a ban included. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub forgiven_by_success: bool,
    /// What does not count, and is told nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub exempt: Exempt,
    /// Whether it is asked before the registry looks at who asks, as a load balancer is: then a 401 counts too. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub before_auth: bool,
    /// The headers that tell where a client stands. Default: none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub headers: HeaderStyle,
    /// When these are sent. Default: always.
    #[serde(default, skip_serializing_if = "is_default")]
    pub headers_on: HeadersOn,
    /// The dialect of its refusals, by name. Default: `oci`.
    #[serde(default = "default_answer")]
    pub answer: String,
    /// The form of `Retry-After` in its refusals: `none`, `seconds`, `http-date`, `epoch`, or a text that is sent as it is, such
    /// as `"60"`. Default: none, or the dialect's own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry_after: RetryAfterForm,
    /// Whether it only tells the journal what it would refuse. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub log_only: bool,
}

/// Whose requests a limit is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// All.
    #[default]
    Everyone,
    /// Those without an account.
    Anonymous,
    /// Those with one.
    Accounts,
}

/// By what a limit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CountedBy {
    /// The client's IPv4 address or IPv6 /64.
    #[default]
    Address,
    /// The account; the address of those who have none.
    Account,
    /// The token; the address of those who show none.
    Token,
    /// The connection.
    Connection,
    /// The repository.
    Repository,
    /// All together.
    Registry,
    /// The first address in `X-Forwarded-For`, which is trusted; the client's where there is none.
    ForwardedFor,
    /// The whole `Authorization` header; the address of those who send none.
    Authorization,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Requests.
    #[default]
    Requests,
    /// Bytes of the bodies that are sent; charged once the answer is known, so the one that uses up the rest is still sent.
    Bytes,
    /// Exchanges that are under way, up to the end of their bodies.
    Concurrency,
}

/// How a window moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// A window begins with the first request of its key.
    Fixed,
    /// Windows are those of the clock: the minute, the hour.
    Aligned,
    /// Each request counts for as long as the window is.
    #[default]
    SlidingLog,
    /// Windows of the clock, of which the one before counts by the share of it that is still in a window that ends now.
    SlidingCounter,
    /// A bucket that fills at the rate that is allowed; a request takes one out.
    TokenBucket,
    /// The generic cell rate algorithm: requests come at the rate that is allowed, and some ahead of it.
    Gcra,
}

/// What a request costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Units {
    /// One.
    #[default]
    Each,
    /// A half: the allowance is doubled, as Docker's staff said of 2020.
    Half,
    /// One for each manifest of an image, none for an index: one for each architecture, as Docker documents it.
    PerArchitecture,
}

/// Which of the requests that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// All.
    #[default]
    All,
    /// Those that showed a wrong name or password.
    FailedLogins,
}

/// What becomes of a refused request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refused {
    /// It leaves no trace.
    #[default]
    Free,
    /// It counts as one that was let through.
    Counts,
    /// Everything that counts now counts anew from now on, so that who goes on asking waits longer.
    Extends,
}

/// What a limit does not count.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default, expecting = "what is exempt")]
pub struct Exempt {
    /// Patterns of repositories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<Pattern>,
    /// Accounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountName>,
    /// Addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
}

/// The headers that tell where a client stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderStyle {
    /// None.
    #[default]
    None,
    /// `ratelimit-limit: 100;w=21600`, `ratelimit-remaining` and `docker-ratelimit-source` (A5).
    DockerHub,
    /// `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` in seconds, as the IETF drafted them.
    Draft,
    /// GitLab's: these as a time, with `RateLimit-Observed`, `RateLimit-ResetTime` and `RateLimit-Name` (B2).
    Gitlab,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` as a time (A9).
    XRatelimit,
}

/// When headers are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeadersOn {
    /// With every answer.
    #[default]
    Always,
    /// With what is let through.
    Success,
    /// With refusals.
    Refusal,
}

/// The form of `Retry-After`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetryAfterForm {
    /// As the dialect has it.
    #[default]
    None,
    /// In seconds, rounded up.
    Seconds,
    /// As a date.
    HttpDate,
    /// As seconds since 1970, which is wrong, and was seen (A9).
    Epoch,
    /// This text.
    Text(String),
}

impl FromStr for RetryAfterForm {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "none" => Self::None,
            "seconds" => Self::Seconds,
            "http-date" => Self::HttpDate,
            "epoch" => Self::Epoch,
            text => Self::Text(text.to_owned()),
        })
    }
}

impl fmt::Display for RetryAfterForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Seconds => "seconds",
            Self::HttpDate => "http-date",
            Self::Epoch => "epoch",
            Self::Text(text) => text,
        })
    }
}

scalar_form!(RetryAfterForm, "none, seconds, http-date, epoch, or a text that is sent as it is", ["string", "integer"]);

impl LimitConfig {
    /// A limit called `name` that allows so much, and is otherwise what nobody said.
    pub fn new(name: &str, allow: Allow) -> Self {
        Self {
            name: name.to_owned(),
            counts: Counts::default(),
            who: Who::default(),
            by: CountedBy::default(),
            protocol: None,
            allow,
            of: Measure::default(),
            algorithm: Algorithm::default(),
            burst: None,
            units: Units::default(),
            only: Only::default(),
            refused: Refused::default(),
            ban: None,
            forgiven_by_success: false,
            exempt: Exempt::default(),
            before_auth: false,
            headers: HeaderStyle::default(),
            headers_on: HeadersOn::default(),
            answer: default_answer(),
            retry_after: RetryAfterForm::default(),
            log_only: false,
        }
    }

    /// Docker Hub's limit of pulls without an account: what the short key `limit` means where the preset has none.
    pub(crate) fn anonymous(limit: PullLimit) -> Self {
        Self {
            who: Who::Anonymous,
            headers: HeaderStyle::DockerHub,
            answer: String::from("dockerhub-anonymous"),
            ..Self::new(ANONYMOUS, limit.into())
        }
    }

    /// Docker Hub's limit of an account's pulls: what the short key `account-limit` means where the preset has none.
    pub(crate) fn accounts(limit: PullLimit) -> Self {
        Self {
            who: Who::Accounts,
            by: CountedBy::Account,
            headers: HeaderStyle::DockerHub,
            answer: String::from("dockerhub-account"),
            ..Self::new(ACCOUNTS, limit.into())
        }
    }
}

fn default_answer() -> String {
    String::from("oci")
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
