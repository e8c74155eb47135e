//! What is particular about a registry's challenges and tokens, and about what one may not see.
//!
//! Source: facts/registry A2, B1, C1-C3.

use std::{fmt, str::FromStr};

use jiff::SignedDuration;
use oci::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Allow, scalar::scalar_form};

/// What is particular about a registry's challenges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default, expecting = "what is particular about challenges")]
pub struct ChallengeConfig {
    /// The service, or `none` to leave it out. Default: that of the registry.
    pub service: Option<String>,
    /// The realm, as it is. Default: where its token endpoint is.
    pub realm: Option<String>,
    /// The scope on the version check: GHCR sends a placeholder, `repository:user/image:pull`. Default: none.
    pub ping_scope: Option<String>,
    /// The scope in place of the one that is needed: ECR Public sends `aws`.
    pub scope: Option<String>,
    /// A second challenge, `Basic`. Default: none.
    pub also_basic: Option<AlsoBasic>,
    /// Whether a 401 has no challenge at all. Default: false.
    pub absent: bool,
    /// The dialect of the 401's body. Default: that of the distribution API, with what is missing.
    pub body: Option<String>,
}

/// Where a second challenge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlsoBasic {
    /// In front, in the same line.
    Line,
    /// In front, as a header of its own.
    Header,
}

/// What is particular about a registry's tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default, expecting = "what is particular about tokens")]
pub struct TokenConfig {
    /// Which fields have the token. Default: both.
    pub fields: Option<Vec<TokenField>>,
    /// Whether the two fields have different tokens, both valid. Default: false.
    pub differ: bool,
    /// Which of them alone is good; the other one is another token, and worth nothing. Default: what is there is good.
    pub good: Option<TokenField>,
    /// What is told of its life: `5s`, or `none`. Default: the truth.
    pub expires_in: Option<Told>,
    /// When it says that it was issued, from now: `-10m`, `10m`, or `none`. Default: now.
    pub issued_at: Option<Told>,
    /// What it is. Default: a JWT.
    pub format: TokenFormat,
    /// How large it is at least: `5KiB`; made up by a certificate in its header, as Docker Hub's are. Default: as it comes.
    pub size: Option<ByteSize>,
    /// What a POST gets. Default: a token.
    pub post: TokenPost,
    /// The dialect in which wrong credentials are refused. Default: 401 `UNAUTHORIZED`.
    pub refusal: Option<String>,
    /// Whether a token is good for every repository that its owner may read. Default: false.
    pub unbound: bool,
}

/// A field that has the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenField {
    /// `token`.
    Token,
    /// `access_token`.
    AccessToken,
}

/// What a token is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenFormat {
    /// A JWT.
    #[default]
    Jwt,
    /// A text that says nothing.
    Opaque,
}

/// What a POST to the token endpoint gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TokenPost {
    /// A token.
    #[default]
    Allowed,
    /// This status.
    Status(u16),
}

impl FromStr for TokenPost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "allowed" => Ok(Self::Allowed),
            _ => match text.parse() {
                Ok(status @ 400..=599) => Ok(Self::Status(status)),
                _ => Err(format!("`{text}` is neither `allowed` nor a status from 400 to 599")),
            },
        }
    }
}

impl fmt::Display for TokenPost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("allowed"),
            Self::Status(status) => status.fmt(f),
        }
    }
}

scalar_form!(TokenPost, "`allowed`, or the status of the refusal: 404", ["string", "integer"]);

/// A time that is told, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// Nothing is told.
    Nothing,
    /// This much, which may be less than nothing.
    Time(SignedDuration),
}

impl FromStr for Told {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::Nothing),
            "0" => Ok(Self::Time(SignedDuration::ZERO)),
            _ => text.parse().map(Self::Time).map_err(|_| format!("`{text}` is no time; write `5s`, `-10m` or `none`")),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Time(time) => write!(f, "{time:#}"),
        }
    }
}

scalar_form!(Told, "a time such as 5s or -10m, or none", ["string", "integer"]);

/// How a repository that is absent, or private, looks to who may not see it. Source: facts/registry C3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AbsentRepository {
    /// `NAME_UNKNOWN` 404.
    #[default]
    NotFound,
    /// 401 `insufficient_scope`: the token that is given allows nothing.
    InsufficientScope,
    /// `DENIED` 403.
    Denied,
}

/// What a pull-through proxy pulls from. It is played: its images are this registry's, and what it lets through is the limit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "what a proxy pulls from")]
pub struct UpstreamConfig {
    /// How much the proxy may pull from it, all of its clients together: `100/6h`. Default: Docker Hub's of an address.
    #[serde(default = "hub_limit")]
    pub limit: Allow,
    /// What clients get when the upstream refuses. Default: what the upstream said.
    #[serde(default)]
    pub refusal: UpstreamRefusal,
}

/// Docker Hub's limit of an address (A3).
fn hub_limit() -> Allow {
    Allow::Rate { units: 100, window: std::time::Duration::from_secs(6 * 60 * 60) }
}

/// What a proxy makes of its upstream's refusal. Source: facts/registry B4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamRefusal {
    /// The upstream's 429, as Docker Hub words it.
    #[default]
    AsItIs,
    /// What is cached, however old; what is not is 429 `TOO_MANY_REQUEST`, as Harbor has it.
    Stale,
    /// 429 `TOO_MANY_REQUEST` without a look at the cache.
    TooManyRequests,
    /// 404 `MANIFEST_UNKNOWN`, as Nexus has it.
    ManifestUnknown,
    /// 404 `BLOB_UNKNOWN` for blobs, and what is cached for manifests, as Harness has it.
    BlobUnknown,
    /// 403 `DENIED`, as Wave had it.
    Denied,
    /// 429 that names the rule, as Azure's cache has it.
    CacheRule,
}
