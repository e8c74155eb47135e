//! What a client does after a failure, as data: a list of rules, of which the first that fits decides.
//!
//! Source: facts/registry E1, E5, E9.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use testbed::task::FailureKind;

use super::hint::HintForm;
use crate::Backoff;

/// When a request is made again, how often, and after which waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetryRule {
    /// After which failures: statuses, `network`, `cut`, `digest`, `range`.
    pub on: Vec<RetryOn>,
    /// Of which requests. Default: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestKind>,
    /// How often one request is made at most, the first time included.
    pub attempts: NonZeroU32,
    /// The waits between the attempts; the last one is for all that follow. Default: none, at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Wait>,
    /// Waits that grow, in place of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// By how much a wait may be longer or shorter, in percent. Default 0.
    #[serde(default)]
    pub jitter_percent: u32,
    /// What no wait of its own is longer than, jitter included. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<Wait>,
    /// What a `Retry-After` header does. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfterRule>,
    /// Only with a `Retry-After` that can be read. Default false.
    #[serde(default)]
    pub only_if_asked: bool,
    /// Only at the last host that is asked: not at a mirror. Default false.
    #[serde(default)]
    pub last_host_only: bool,
}

/// What a `Retry-After` header does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetryAfterRule {
    /// The forms that are understood; others are as good as none.
    pub forms: Vec<HintForm>,
    /// The longest wait that is kept. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<Wait>,
    /// What becomes of a longer one. Default `cap`.
    #[serde(default)]
    pub beyond: Beyond,
    /// Whether all requests to the host wait, not only this one. Default false.
    #[serde(default)]
    pub shared: bool,
    /// How often a request with such answers is made at most. Default: as the rule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<NonZeroU32>,
}

/// What becomes of a `Retry-After` that is too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Beyond {
    /// The longest wait, and then another attempt.
    #[default]
    Cap,
    /// No attempt, and a failure that tells how long it would have been.
    Fail,
    /// The client's own wait.
    Ignore,
}

/// A wait in policy time: `250ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Wait(
    #[serde(with = "testbed::duration")]
    #[schemars(with = "String")]
    pub Duration,
);

/// What a client's failures are counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// Each request begins with all its attempts.
    #[default]
    Request,
    /// One count for all requests to a host: later ones give up sooner.
    Host,
}

/// Rounds around the attempts: the whole begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OuterRounds {
    /// How many rounds at most, the first included.
    pub rounds: NonZeroU32,
    /// What begins anew. Default `pull`.
    #[serde(default)]
    pub of: RoundsOf,
    /// After which failures.
    pub on: Vec<RetryOn>,
    /// The waits between the rounds; the last one is for all that follow.
    #[serde(default)]
    pub waits: Vec<Wait>,
}

/// What a round is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RoundsOf {
    /// The pull from its beginning.
    #[default]
    Pull,
    /// One request with all its attempts.
    Request,
}

/// The kinds of requests of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// `GET /v2/`.
    Ping,
    /// To the token service.
    Token,
    /// `HEAD` of a manifest.
    Head,
    /// `GET` of a manifest or index.
    Manifest,
    /// `GET` of an image's config.
    Config,
    /// `GET` of a layer.
    Layer,
    /// A page of a repository's tags.
    Tags,
    /// What refers to a digest.
    Referrers,
    /// Any part of a push.
    Push,
}

/// Why a request has to be made again, as far as rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// An answer with this status.
    Status(u16),
    /// The connection failed before an answer came.
    Network,
    /// The body ended too early.
    Cut,
    /// Whole, and of another digest than promised.
    Digest,
    /// Another range than the one asked for, or none.
    Range,
    /// Trying again cannot help: the allowlist refuses the host, the certificate is not trusted, the folder cannot be
    /// written.
    Final,
}

/// A failure that a rule is for: a status, or a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryOn(pub Cause);

const WORDS: [(&str, Cause); 4] =
    [("network", Cause::Network), ("cut", Cause::Cut), ("digest", Cause::Digest), ("range", Cause::Range)];

impl Cause {
    /// What a failure that is told as `kind`, after an answer of `status`, was caused by.
    pub fn of(kind: FailureKind, status: Option<u16>) -> Self {
        match (kind, status) {
            (_, Some(status)) => Self::Status(status),
            (FailureKind::Network, None) => Self::Network,
            (FailureKind::DigestMismatch, None) => Self::Digest,
            _ => Self::Final,
        }
    }
}

impl RetryRule {
    /// Whether this rule is for such a failure of such a request.
    pub fn covers(&self, request: RequestKind, cause: Cause) -> bool {
        self.on.contains(&RetryOn(cause)) && (self.requests.is_empty() || self.requests.contains(&request))
    }

    /// The wait after attempt number `attempt`, from 1, before any jitter.
    pub fn wait_after(&self, attempt: u32) -> Duration {
        match &self.backoff {
            Some(backoff) => backoff.after(attempt),
            None => nth(&self.waits, attempt),
        }
    }
}

impl OuterRounds {
    /// The wait after round number `round`, from 1; none if there is no further round after such a failure.
    pub fn after(&self, cause: Cause, round: u32) -> Option<Duration> {
        let goes_on = round < self.rounds.get() && self.on.contains(&RetryOn(cause));
        goes_on.then(|| nth(&self.waits, round))
    }
}

fn nth(waits: &[Wait], n: u32) -> Duration {
    let index = usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
    waits.get(index).or(waits.last()).map_or(Duration::ZERO, |wait| wait.0)
}

impl fmt::Display for RetryOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Cause::Status(status) => write!(f, "{status}"),
            cause => f.write_str(WORDS.iter().find(|(_, known)| *known == cause).map_or("never", |(word, _)| word)),
        }
    }
}

impl FromStr for RetryOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = WORDS.iter().find(|(word, _)| *word == text).map(|(_, cause)| *cause);
        let status = || text.parse().ok().filter(|status| (400..600).contains(status)).map(Cause::Status);
        let help = || format!("`{text}` is no failure to try again after; write a status, or {}", words());
        word.or_else(status).map(Self).ok_or_else(help)
    }
}

fn words() -> String {
    WORDS.map(|(word, _)| format!("`{word}`")).join(", ")
}

impl Serialize for RetryOn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RetryOn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for RetryOn {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RetryOn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A status from 400 on, or `network`, `cut`, `digest`, `range`",
            "type": ["integer", "string"],
        })
    }
}
