//! The kinds of steps.

use std::{collections::BTreeMap, net::IpAddr, num::NonZeroU32, time::Duration};

use mock_registry::{Allow, ImageConfig, LimitConfig};
use oci::{AccountName, ByteSize, ImageReference, Platform, PullLimit, RegistryHost};
use puller::RetryPolicy;
use schemars::JsonSchema;
use serde::Deserialize;
use testbed::{Secret, rule::Rule, yaml::Spanned};

use super::{
    Entries, HeadStep, ReferrersStep, TagsStep,
    expect::{AnswerExpect, PipelineExpect, PullExpect, PushExpect, TimeSpan},
};

/// One step: a mapping with one key, the kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Calls the Harness API.
    HarnessApi(Box<HarnessApiStep>),
    /// Executes a Harness pipeline.
    Pipeline(Box<PipelineStep>),
    /// Pulls an image with the builtin client.
    Pull(Box<PullStep>),
    /// Lists the tags of a repository.
    Tags(Box<TagsStep>),
    /// Finds out what a tag means.
    Head(Box<HeadStep>),
    /// Lists what refers to an image.
    Referrers(Box<ReferrersStep>),
    /// Pushes a small image that is made for it.
    Push(Box<PushStep>),
    /// Sends one HTTP request to a host of the world.
    Http(Box<HttpStep>),
    /// Adds or removes a rule.
    Rule(Box<RuleStep>),
    /// Changes a registry's pull limits.
    Limit(Box<LimitStep>),
    /// Adds an image to a registry.
    Image(Box<ImageStep>),
    /// Moves the clock forward.
    Advance(AdvanceStep),
    /// Runs steps at the same time.
    Parallel(Vec<Spanned<Self>>),
    /// Runs steps several times.
    Repeat(RepeatStep),
}

impl Step {
    /// The kind, as files write it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::HarnessApi(_) => "harness-api",
            Self::Pipeline(_) => "pipeline",
            Self::Pull(_) => "pull",
            Self::Tags(_) => "tags",
            Self::Head(_) => "head",
            Self::Referrers(_) => "referrers",
            Self::Push(_) => "push",
            Self::Http(_) => "http",
            Self::Rule(_) => "rule",
            Self::Limit(_) => "limit",
            Self::Image(_) => "image",
            Self::Advance(_) => "advance",
            Self::Parallel(_) => "parallel",
            Self::Repeat(_) => "repeat",
        }
    }
}

/// `harness-api`: one request to the Harness API. Exactly one of the methods is given.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HarnessApiStep {
    /// GET this path and query.
    #[serde(default)]
    pub get: Option<String>,
    /// POST to this path and query.
    #[serde(default)]
    pub post: Option<String>,
    /// PUT to this path and query.
    #[serde(default)]
    pub put: Option<String>,
    /// DELETE this path and query.
    #[serde(default)]
    pub delete: Option<String>,
    /// The body, as JSON. Texts in it may use `${name}` of an earlier `capture`.
    #[serde(default)]
    pub json: Option<serde_json::Value>,
    /// The API key. Default: the account's first one. `""` sends none.
    #[serde(default)]
    pub key: Option<Secret>,
    /// What is kept of the answer for later steps: a name and a JSONPath.
    #[serde(default)]
    pub capture: Entries<String>,
    /// What the answer must be. Default: a status of 2xx.
    #[serde(default)]
    pub expect: AnswerExpect,
}

/// `http`: one request to a host of the world, redirects not followed. Exactly one of the methods is given.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpStep {
    /// GET this URL.
    #[serde(default)]
    pub get: Option<String>,
    /// HEAD of this URL.
    #[serde(default)]
    pub head: Option<String>,
    /// POST to this URL.
    #[serde(default)]
    pub post: Option<String>,
    /// PUT to this URL.
    #[serde(default)]
    pub put: Option<String>,
    /// DELETE this URL.
    #[serde(default)]
    pub delete: Option<String>,
    /// Request headers. Texts may use `${name}` of an earlier `capture`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    #[serde(default)]
    pub body: Option<String>,
    /// User name and password for HTTP Basic, as `user:password`.
    #[serde(default)]
    pub basic: Option<Secret>,
    /// The delegate that sends it. Default: a client of its own, at 127.0.0.1, that may reach every host.
    #[serde(default)]
    pub from: Option<Spanned<String>>,
    /// How often it is sent. Default: once. Checks hold for each answer.
    #[serde(default)]
    pub repeat: Option<NonZeroU32>,
    /// What is kept of the answer for later steps: a name and a JSONPath.
    #[serde(default)]
    pub capture: Entries<String>,
    /// What the answer must be. Default: a status of 2xx.
    #[serde(default)]
    pub expect: AnswerExpect,
}

/// `pipeline`: a genuine Harness pipeline, stored and executed over the API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PipelineStep {
    /// The pipeline's YAML file, relative to the scenario's folder.
    pub file: Spanned<String>,
    /// Values for runtime inputs (`<+input>`), by their path in the pipeline.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// How often it is executed. Default: once.
    #[serde(default)]
    pub repeat: Option<NonZeroU32>,
    /// What each execution must be.
    #[serde(default)]
    pub expect: PipelineExpect,
}

/// `pull`: one image, with the builtin client.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PullStep {
    /// The image, as one writes it for `docker pull`.
    pub image: Spanned<ImageReference>,
    /// Which image of an index. Default: `linux/amd64`.
    #[serde(default)]
    pub platform: Option<PlatformName>,
    /// The account. Default: anonymous.
    #[serde(default)]
    pub username: Option<AccountName>,
    /// The account's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// In place of the password, a refresh token that an earlier step captured: `${refresh}`. It goes to the token service alone,
    /// as the form of OAuth2.
    #[serde(default)]
    pub refresh_token: Option<Secret>,
    /// The delegate that pulls. Default: a client of its own that may reach every host.
    #[serde(default)]
    pub from: Option<Spanned<String>>,
    /// The loopback address that it comes from, for limits by address. Default: that of `from`, or 127.0.0.1.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// The client that it behaves as: `containerd`, `podman`. Default: `pullrig`, which does what a good client should.
    #[serde(default)]
    pub like: Option<Spanned<String>>,
    /// How it tries again, in place of how the client does.
    #[serde(default)]
    pub retry: Option<RetryPolicy>,
    /// How long it waits for an answer, and in the middle of one, in wire time. Default: a minute, and half a minute.
    #[serde(default)]
    pub timeout: Option<TimeSpan>,
    /// How many layers at the same time. Default: as many as the client.
    #[serde(default)]
    pub concurrency: Option<NonZeroU32>,
    /// Hosts that are asked first, in order, if the client has mirrors for this registry: `[mirror.test]`.
    #[serde(default)]
    pub mirrors: Vec<RegistryHost>,
    /// Whether the image is here already, as the last pull of it in this scenario left it.
    #[serde(default)]
    pub cached: bool,
    /// How often it is pulled. Default: once. Checks hold for each pull, `last` for the last one.
    #[serde(default)]
    pub repeat: Option<NonZeroU32>,
    /// What each pull must be.
    #[serde(default)]
    pub expect: PullExpect,
}

/// A platform as people write it: `linux/arm64`. In manifests it is an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformName(pub Platform);

impl<'de> Deserialize<'de> for PlatformName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for PlatformName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PlatformName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "description": "A platform: `linux/amd64`, `linux/arm64/v8`", "type": "string" })
    }
}

/// `push`: a small image, made from the world's seed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PushStep {
    /// Where to.
    pub image: Spanned<ImageReference>,
    /// The sizes of its layers. Default: one of 4 KiB.
    #[serde(default)]
    pub layers: Vec<ByteSize>,
    /// The account. Default: anonymous.
    #[serde(default)]
    pub username: Option<AccountName>,
    /// The account's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The delegate that pushes. Default: a client of its own that may reach every host.
    #[serde(default)]
    pub from: Option<Spanned<String>>,
    /// The loopback address that it comes from. Default: that of `from`, or 127.0.0.1.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// The client that it behaves as, as far as attempts and tokens go. Default: `pullrig`.
    #[serde(default)]
    pub like: Option<Spanned<String>>,
    /// How it tries again, in place of how the client does.
    #[serde(default)]
    pub retry: Option<RetryPolicy>,
    /// What the push must be.
    #[serde(default)]
    pub expect: PushExpect,
}

/// `rule`: scripts a registry or the Harness API from here on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleStep {
    /// The registry, or `harness-api` for the Harness API.
    pub on: Spanned<String>,
    /// The rule that is added.
    #[serde(default)]
    pub add: Option<Spanned<Rule>>,
    /// The name of the rule that is removed.
    #[serde(default)]
    pub remove: Option<Spanned<String>>,
    /// The steps during which the added rule is in force; it is removed behind the last one.
    #[serde(default)]
    pub during: Vec<Spanned<Step>>,
}

/// `limit`: other limits from here on. What was used of those that stay still counts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LimitStep {
    /// The registry.
    pub on: Spanned<String>,
    /// For anonymous pulls, by address: `100/6h`, or `none`.
    #[serde(default)]
    pub anonymous: Option<LimitSetting>,
    /// For each account: `200/6h`, or `none`.
    #[serde(default)]
    pub accounts: Option<LimitSetting>,
    /// How much the limits of these names allow: `{ abuse: 10/1min }`.
    #[serde(default)]
    pub set: Entries<Allow>,
    /// A limit that is added behind those that are there.
    #[serde(default)]
    pub add: Option<Spanned<LimitConfig>>,
    /// The name of the limit that is removed.
    #[serde(default)]
    pub remove: Option<Spanned<String>>,
}

/// A pull limit, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSetting(pub Option<PullLimit>);

impl<'de> Deserialize<'de> for LimitSetting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "none" => Ok(Self(None)),
            text => text.parse().map(|limit| Self(Some(limit))).map_err(serde::de::Error::custom),
        }
    }
}

impl JsonSchema for LimitSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LimitSetting".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "description": "A pull limit as `100/6h`, or `none`", "type": "string" })
    }
}

/// `image`: another image from here on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageStep {
    /// The registry.
    pub on: Spanned<String>,
    /// The image. A tag that exists moves to it.
    pub add: ImageConfig,
}

/// `advance`: how far the clock moves, in policy time: `6h`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AdvanceStep(
    #[serde(with = "testbed::duration")]
    #[schemars(with = "String")]
    pub Duration,
);

/// `repeat`: steps, several times, one after the other or at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RepeatStep {
    /// How often.
    pub times: NonZeroU32,
    /// Whether all begin at the same time, as a herd does: the first from 127.0.1.1, the second from 127.0.1.2, and so on,
    /// unless a step says otherwise. Default false.
    #[serde(default)]
    pub at_once: bool,
    /// What.
    pub steps: Vec<Spanned<Step>>,
}
