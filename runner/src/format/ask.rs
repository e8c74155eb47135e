//! Steps that ask a registry as clients do: what all of them share, and those that pull nothing.

use std::{net::IpAddr, num::NonZeroU32};

use oci::{AccountName, Digest, ImageReference, MediaType, RegistryHost};
use puller::RetryPolicy;
use schemars::JsonSchema;
use serde::Deserialize;
use testbed::{Secret, yaml::Spanned};

use super::{
    PullStep, PushStep, TimeRange,
    expect::{Count, FailureExpect, TimeSpan},
};

/// `tags`: lists the tags of a repository, all pages of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TagsStep {
    /// The repository, with its host: `hub.test/library/alpine`.
    pub of: Spanned<ImageReference>,
    /// How many tags a page should have. Default: as many as the registry likes.
    #[serde(default)]
    pub page: Option<NonZeroU32>,
    /// The client that it behaves as. Default: `pullrig`.
    #[serde(default)]
    pub like: Option<Spanned<String>>,
    /// The account. Default: anonymous.
    #[serde(default)]
    pub username: Option<AccountName>,
    /// The account's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The delegate that asks. Default: a client of its own that may reach every host.
    #[serde(default)]
    pub from: Option<Spanned<String>>,
    /// The loopback address that it comes from. Default: that of `from`, or 127.0.0.1.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// How it tries again, in place of how the client does.
    #[serde(default)]
    pub retry: Option<RetryPolicy>,
    /// How long it waits for an answer, and in the middle of one, in wire time. Default: a minute, and half a minute.
    #[serde(default)]
    pub timeout: Option<TimeSpan>,
    /// Hosts that are asked first, in order.
    #[serde(default)]
    pub mirrors: Vec<RegistryHost>,
    /// How often. Default: once.
    #[serde(default)]
    pub repeat: Option<NonZeroU32>,
    /// What each list must be.
    #[serde(default)]
    pub expect: ListExpect,
}

/// `head`: finds out what a tag means, with `HEAD`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeadStep {
    /// The image.
    pub image: Spanned<ImageReference>,
    /// The client that it behaves as. Default: `pullrig`.
    #[serde(default)]
    pub like: Option<Spanned<String>>,
    /// The account. Default: anonymous.
    #[serde(default)]
    pub username: Option<AccountName>,
    /// The account's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The delegate that asks. Default: a client of its own that may reach every host.
    #[serde(default)]
    pub from: Option<Spanned<String>>,
    /// The loopback address that it comes from. Default: that of `from`, or 127.0.0.1.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// How it tries again, in place of how the client does.
    #[serde(default)]
    pub retry: Option<RetryPolicy>,
    /// How long it waits for an answer, and in the middle of one, in wire time. Default: a minute, and half a minute.
    #[serde(default)]
    pub timeout: Option<TimeSpan>,
    /// Hosts that are asked first, in order.
    #[serde(default)]
    pub mirrors: Vec<RegistryHost>,
    /// How often. Default: once.
    #[serde(default)]
    pub repeat: Option<NonZeroU32>,
    /// What each answer must be.
    #[serde(default)]
    pub expect: HeadExpect,
}

/// `referrers`: lists what refers to an image.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReferrersStep {
    /// The image; by tag, its digest is found out first.
    pub image: Spanned<ImageReference>,
    /// Only those of this type.
    #[serde(default)]
    pub artifact_type: Option<MediaType>,
    /// The client that it behaves as. Default: `pullrig`.
    #[serde(default)]
    pub like: Option<Spanned<String>>,
    /// The account. Default: anonymous.
    #[serde(default)]
    pub username: Option<AccountName>,
    /// The account's password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The delegate that asks. Default: a client of its own that may reach every host.
    #[serde(default)]
    pub from: Option<Spanned<String>>,
    /// The loopback address that it comes from. Default: that of `from`, or 127.0.0.1.
    #[serde(default)]
    pub source: Option<IpAddr>,
    /// How it tries again, in place of how the client does.
    #[serde(default)]
    pub retry: Option<RetryPolicy>,
    /// How long it waits for an answer, and in the middle of one, in wire time. Default: a minute, and half a minute.
    #[serde(default)]
    pub timeout: Option<TimeSpan>,
    /// Hosts that are asked first, in order.
    #[serde(default)]
    pub mirrors: Vec<RegistryHost>,
    /// How often. Default: once.
    #[serde(default)]
    pub repeat: Option<NonZeroU32>,
    /// What each list must be.
    #[serde(default)]
    pub expect: ListExpect,
}

/// What a list must be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ListExpect {
    /// How many entries it has.
    #[serde(default)]
    pub n: Option<Spanned<Count>>,
    /// How it fails. Default: it does not.
    #[serde(default)]
    pub failure: Option<FailureExpect>,
    /// How many requests it takes, those for tokens and redirects included.
    #[serde(default)]
    pub requests: Option<Spanned<Count>>,
    /// How many of them are for tokens.
    #[serde(default)]
    pub tokens: Option<Spanned<Count>>,
    /// How much policy time it takes.
    #[serde(default)]
    pub takes: Option<Spanned<TimeRange>>,
}

/// What the answer to a `head` must be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeadExpect {
    /// The digest that the reference names.
    #[serde(default)]
    pub digest: Option<Spanned<Digest>>,
    /// How it fails. Default: it does not.
    #[serde(default)]
    pub failure: Option<FailureExpect>,
    /// How many requests it takes, those for tokens and redirects included.
    #[serde(default)]
    pub requests: Option<Spanned<Count>>,
    /// How many of them are for tokens.
    #[serde(default)]
    pub tokens: Option<Spanned<Count>>,
    /// How much policy time it takes.
    #[serde(default)]
    pub takes: Option<Spanned<TimeRange>>,
}

/// Who asks in a step, and how: what `pull`, `push`, `tags`, `head` and `referrers` share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'a> {
    pub(crate) image: &'a Spanned<ImageReference>,
    pub(crate) like: Option<&'a Spanned<String>>,
    pub(crate) username: Option<&'a AccountName>,
    pub(crate) password: Option<&'a Secret>,
    pub(crate) from: Option<&'a Spanned<String>>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) retry: Option<&'a RetryPolicy>,
    pub(crate) timeout: Option<TimeSpan>,
    pub(crate) mirrors: &'a [RegistryHost],
}

macro_rules! caller {
    ($step:ty, $image:ident) => {
        impl $step {
            /// Who asks.
            pub(crate) fn caller(&self) -> Caller<'_> {
                Caller {
                    image: &self.$image,
                    like: self.like.as_ref(),
                    username: self.username.as_ref(),
                    password: self.password.as_ref(),
                    from: self.from.as_ref(),
                    source: self.source,
                    retry: self.retry.as_ref(),
                    timeout: self.timeout,
                    mirrors: &self.mirrors,
                }
            }
        }
    };
}

caller!(PullStep, image);
caller!(TagsStep, of);
caller!(HeadStep, image);
caller!(ReferrersStep, image);

impl PushStep {
    /// Who pushes: to the registry itself, and to no mirror.
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            image: &self.image,
            like: self.like.as_ref(),
            username: self.username.as_ref(),
            password: self.password.as_ref(),
            from: self.from.as_ref(),
            source: self.source,
            retry: self.retry.as_ref(),
            timeout: None,
            mirrors: &[],
        }
    }
}
