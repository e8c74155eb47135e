//! One registry of a world, as people write it.

use std::time::Duration;

use oci::{AccountName, PullLimit};
use schemars::JsonSchema;
use serde::Deserialize;
use testbed::{Secret, rule::Rule, tls::CertificateFlaw, yaml::Spanned};

use super::{AbsentRepository, ApiConfig, ChallengeConfig, ImageConfig, LimitConfig, TokenConfig, UpstreamConfig};
use crate::Preset;

/// One registry: a preset, and what is different about it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default, expecting = "a registry")]
pub struct RegistryConfig {
    /// Which real registry it plays: `dockerhub`, `harness-registry`, …; or a file that says how it behaves: `./mine.yaml`, in
    /// the scenario's folder or below it. Default: `generic`.
    pub preset: Option<Spanned<String>>,
    /// The preset that was read from such a file.
    #[serde(skip)]
    pub preset_file: Option<Preset>,
    /// The host names that it answers under. Default: those of the preset; given ones take their place, and then the token
    /// endpoint is on the same host.
    pub hosts: Option<Vec<String>>,
    /// Whether it speaks TLS, and nothing else, so that its URLs are `https://`. Default: plain HTTP, unless there is a
    /// `certificate`.
    pub tls: Option<bool>,
    /// What is wrong with its certificates, so that clients refuse them. Default: nothing; clients of its world trust them.
    pub certificate: Option<CertificateFlaw>,
    /// The path in its URL, such as `registry`: pulls arrive at `/v2/registry/<name>/…`. Default: the preset's.
    pub path: Option<String>,
    /// How much may be pulled without an account, counted by IPv4 address or IPv6 /64: `100/6h`. Default: the preset's.
    pub limit: Option<PullLimit>,
    /// How much each account may pull: `200/6h`. Default: the preset's.
    pub account_limit: Option<PullLimit>,
    /// Its limits, all of them: those of the preset do not hold then. `limit` and `account-limit` still change those that are
    /// called `anonymous` and `accounts`. Default: the preset's.
    pub limits: Option<Vec<Spanned<LimitConfig>>>,
    /// What a proxy pulls through from, if it is one. Default: the preset's.
    pub upstream: Option<UpstreamConfig>,
    /// What is particular about its challenges. Default: the preset's.
    pub challenge: Option<ChallengeConfig>,
    /// What is particular about its tokens. Default: the preset's.
    pub token: Option<TokenConfig>,
    /// How a repository that is absent, or private, looks to who may not see it. Default: the preset's.
    pub absent_repository: Option<AbsentRepository>,
    /// What it asks clients for. Default: the preset's.
    pub auth: Option<AuthConfig>,
    /// Whether one may pull without an account. Default: the preset's.
    pub anonymous: Option<bool>,
    /// How long a token lives, in policy time: `5m`. Default: the preset's.
    #[serde(deserialize_with = "testbed::duration::optional::deserialize")]
    #[schemars(with = "Option<String>")]
    pub token_life: Option<Duration>,
    /// Who can log in. Default: nobody.
    pub accounts: Vec<AccountConfig>,
    /// The images that it has from the start; their bytes are made up. Default: none.
    pub images: Vec<ImageConfig>,
    /// What it does differently when asked something. Default: nothing.
    pub rules: Vec<Spanned<Rule>>,
    /// Whether it takes pushes; with authentication, from accounts only. Default: the preset's.
    pub push: Option<bool>,
    /// What its API does where the specification leaves a choice. Default: the preset's.
    pub api: ApiConfig,
}

/// What a registry asks clients for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthConfig {
    /// Nothing.
    None,
    /// Name and password with every request.
    Basic,
    /// A token from its token endpoint.
    Bearer,
}

/// Someone who can log in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "an account")]
pub struct AccountConfig {
    /// The user name.
    pub name: AccountName,
    /// The password.
    pub password: Secret,
    /// How much it may pull: `200/6h`. Default: the registry's `account-limit`.
    #[serde(default)]
    pub limit: Option<PullLimit>,
}
