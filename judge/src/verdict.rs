//! Verdicts: what each judge says about each client.

use std::{borrow::Borrow, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::journal::Entry;

use crate::{case::Case, judges, pull::Client};

/// A judge: one thing that a well-behaved client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// It waits as long as `Retry-After` says.
    WaitsRetryAfter,
    /// It waits longer from attempt to attempt.
    BackoffShape,
    /// Many of them do not try again at the same moment.
    Jitter,
    /// It gives up in the end.
    BoundedRetries,
    /// It sends credentials to whom they are meant for, and nobody else.
    CredentialsStayHome,
    /// It uses a token as long as it is good, and no longer.
    TokenReuse,
    /// It takes a download up where it had stopped.
    ResumeOffset,
    /// It asks mirrors first, and the origin after them.
    MirrorOrder,
}

/// What a judge finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The client did it.
    Passed,
    /// It did not.
    Failed,
    /// There was nothing to judge.
    Nothing,
}

/// What one judge says about one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// Who says it.
    pub judge: Judge,
    /// What is found.
    pub finding: Finding,
    /// About whom; none where it is about several together, or about nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// Why, with the numbers of the exchanges: `#12`.
    pub sentence: String,
    /// What it should have been, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should: Option<String>,
}

impl Judge {
    /// Every judge.
    pub const ALL: [Self; 8] = [
        Self::WaitsRetryAfter,
        Self::BackoffShape,
        Self::Jitter,
        Self::BoundedRetries,
        Self::CredentialsStayHome,
        Self::TokenReuse,
        Self::ResumeOffset,
        Self::MirrorOrder,
    ];

    /// Its name: `waits-retry-after`.
    pub fn name(self) -> &'static str {
        match self {
            Self::WaitsRetryAfter => "waits-retry-after",
            Self::BackoffShape => "backoff-shape",
            Self::Jitter => "jitter",
            Self::BoundedRetries => "bounded-retries",
            Self::CredentialsStayHome => "credentials-stay-home",
            Self::TokenReuse => "token-reuse",
            Self::ResumeOffset => "resume-offset",
            Self::MirrorOrder => "mirror-order",
        }
    }

    fn judge(self, case: &Case<'_>) -> Vec<Verdict> {
        let mut verdicts = match self {
            Self::WaitsRetryAfter => judges::waits_retry_after(case),
            Self::BackoffShape => judges::backoff_shape(case),
            Self::Jitter => judges::jitter(case),
            Self::BoundedRetries => judges::bounded_retries(case),
            Self::CredentialsStayHome => judges::credentials_stay_home(case),
            Self::TokenReuse => judges::token_reuse(case),
            Self::ResumeOffset => judges::resume_offset(case),
            Self::MirrorOrder => judges::mirror_order(case),
        };
        if verdicts.is_empty() {
            let sentence = String::from(self.nothing());
            verdicts.push(Verdict { judge: self, finding: Finding::Nothing, client: None, sentence, should: None });
        }
        verdicts
    }

    /// Why there is nothing to judge.
    fn nothing(self) -> &'static str {
        match self {
            Self::WaitsRetryAfter => "nobody was told to wait",
            Self::BackoffShape => "nobody tried anything again of their own accord, or only once",
            Self::Jitter => "there were no three clients that failed at the same time and tried again",
            Self::BoundedRetries => "no request failed",
            Self::CredentialsStayHome => "nobody sent credentials",
            Self::TokenReuse => "nobody asked for a token",
            Self::ResumeOffset => "nobody asked for a part of a blob",
            Self::MirrorOrder => "no mirror was asked",
        }
    }
}

/// What every judge says about every client that `entries` tell of. A judge that has nothing to judge says so once.
///
/// Clients are told apart by address and `User-Agent`. Of a journal that dropped its oldest entries, only what is
/// left is judged.
pub fn verdicts<E: Borrow<Entry>>(entries: &[E]) -> Vec<Verdict> {
    let case = Case::of(entries);
    Judge::ALL.into_iter().flat_map(|judge| judge.judge(&case)).collect()
}

/// What `judge` found about all clients together: it failed if it failed for one, and passed if there was something
/// to judge.
pub fn finding(verdicts: &[Verdict], judge: Judge) -> Finding {
    let found = |finding| verdicts.iter().any(|verdict| verdict.judge == judge && verdict.finding == finding);
    [Finding::Failed, Finding::Passed].into_iter().find(|finding| found(*finding)).unwrap_or(Finding::Nothing)
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Judge {
    type Err = UnknownJudge;

    fn from_str(text: &str) -> Result<Self, UnknownJudge> {
        let known = Self::ALL.into_iter().find(|judge| judge.name() == text);
        known.ok_or_else(|| UnknownJudge(String::from(text)))
    }
}

/// A text that names no judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownJudge(String);

impl fmt::Display for UnknownJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no judge `{}`", self.0)
    }
}

impl std::error::Error for UnknownJudge {}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Nothing => "nothing",
        })
    }
}

impl Verdict {
    /// Who, why, and what it should have been, in one line.
    pub fn reason(&self) -> String {
        let client = self.client.as_ref().map(|client| format!("{client}: ")).unwrap_or_default();
        let should = self.should.as_ref().map(|should| format!("; it should {should}")).unwrap_or_default();
        format!("{client}{}{should}", self.sentence)
    }
}

impl fmt::Display for Verdict {
    /// `waits-retry-after failed: 127.0.0.11 docker/29: #5 …; it should …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.judge, self.finding, self.reason())
    }
}
