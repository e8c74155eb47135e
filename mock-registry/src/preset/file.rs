//! What a preset's file may say.

use std::{collections::BTreeMap, time::Duration};

use oci::{PullLimit, PullLimitError};
use serde::Deserialize;

use super::Evidence;
use crate::{
    ACCOUNTS, ANONYMOUS, AbsentRepository, ApiConfig, AuthConfig, ChallengeConfig, LimitConfig, TokenConfig,
    UpstreamConfig,
};

/// How a real registry behaves, with everything that it has from its base.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a preset")]
pub(crate) struct PresetFile {
    /// One sentence about it.
    pub(crate) about: String,
    /// The preset that it is otherwise: keys of mappings are changed one by one, lists as a whole.
    #[serde(default)]
    pub(crate) base: Option<String>,
    /// The names it answers under.
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    /// The name that its token endpoint answers under, if that is another one.
    #[serde(default)]
    pub(crate) token_host: Option<String>,
    /// The path of its token endpoint, if clients must log in. Default: `/token`.
    #[serde(default = "token_path")]
    pub(crate) token_path: String,
    /// The realm of its challenge, when it is reached by its real name.
    #[serde(default)]
    pub(crate) realm: Option<String>,
    /// The service of its challenge. Default: its name in the world.
    #[serde(default)]
    pub(crate) service: Option<String>,
    /// The issuer of its tokens. Default: the service.
    #[serde(default)]
    pub(crate) issuer: Option<String>,
    /// The path in its URL.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// What it asks clients for. Default: nothing.
    #[serde(default = "no_auth")]
    pub(crate) auth: AuthConfig,
    /// Whether one may pull without an account. Default: true.
    #[serde(default = "yes")]
    pub(crate) anonymous: bool,
    /// How long a token lives. Default: 5 minutes.
    #[serde(default = "five_minutes", with = "testbed::duration")]
    pub(crate) token_life: Duration,
    /// Its limits, in order; if they are given, those of the base do not hold.
    #[serde(default)]
    pub(crate) limits: Vec<LimitConfig>,
    /// Another allowance for the limit called `anonymous`, or `none`.
    #[serde(default)]
    limit: Option<OtherLimit>,
    /// Another allowance for the limit called `accounts`, or `none`.
    #[serde(default)]
    account_limit: Option<OtherLimit>,
    /// What it pulls through from, if it is a proxy.
    #[serde(default)]
    pub(crate) upstream: Option<UpstreamConfig>,
    /// What is particular about its challenges.
    #[serde(default)]
    pub(crate) challenge: Option<ChallengeConfig>,
    /// What is particular about its tokens.
    #[serde(default)]
    pub(crate) token: Option<TokenConfig>,
    /// How a repository that is absent, or private, looks to who may not see it.
    #[serde(default)]
    pub(crate) absent_repository: Option<AbsentRepository>,
    /// Whether image names without a slash are under `library/`.
    #[serde(default)]
    pub(crate) library: bool,
    /// Whether it takes pushes. Default: false.
    #[serde(default)]
    pub(crate) push: bool,
    /// What its API does where the specification leaves a choice; warnings and mirrored hosts are a configuration's alone.
    #[serde(default)]
    pub(crate) api: ApiConfig,
    /// Headers on every answer.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Where each value is known from, by the path of its key.
    #[serde(default)]
    pub(crate) sources: BTreeMap<String, Evidence>,
}

/// A limit in place of another: `100/6h`, or `none`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct OtherLimit(Option<PullLimit>);

impl TryFrom<String> for OtherLimit {
    type Error = PullLimitError;

    fn try_from(text: String) -> Result<Self, PullLimitError> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|limit| Self(Some(limit))) }
    }
}

fn token_path() -> String {
    String::from("/token")
}

fn no_auth() -> AuthConfig {
    AuthConfig::None
}

fn yes() -> bool {
    true
}

/// As long as Docker Hub's. Source: facts/registry A2.
fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

impl PresetFile {
    /// Puts `limit` and `account-limit` in force.
    ///
    /// # Errors
    /// The keys that are about a limit which is not there.
    pub(super) fn change_limits(&mut self) -> Result<(), Vec<&'static str>> {
        let mut unused = Vec::new();
        for (key, name, other) in
            [("limit", ANONYMOUS, self.limit.take()), ("account-limit", ACCOUNTS, self.account_limit.take())]
        {
            let Some(other) = other else { continue };
            match self.limits.iter_mut().find(|limit| limit.name == name) {
                Some(limit) => limit.allow = other.0.into(),
                None => unused.push(key),
            }
        }
        if unused.is_empty() { Ok(()) } else { Err(unused) }
    }
}
