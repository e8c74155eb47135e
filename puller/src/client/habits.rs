//! What clients do beside trying again: tokens, blobs, redirects, `HEAD`, mirrors, and the words of their failures.
//!
//! Source: facts/registry E3-E8.

use std::num::NonZeroUsize;

use oci::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::task::FailureKind;

use super::rule::{RetryOn, Wait};

/// How a client resolves a tag with `HEAD`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HeadHabits {
    /// After which failures `GET` is asked in its place.
    pub falls_back_on: Vec<RetryOn>,
    /// After any failure.
    pub falls_back_always: bool,
    /// Without `Docker-Content-Digest`: whether `GET` is asked, and the digest computed. Else it is a failure.
    pub falls_back_without_digest: bool,
    /// After which failures `GET` is asked for nothing but its error's text, which `HEAD` cannot have.
    pub reads_error_of: Vec<RetryOn>,
}

/// How a client gets and keeps tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TokenHabits {
    /// What is asked first with a password. Anonymous tokens are asked for with `GET`.
    pub with_password: TokenMethod,
    /// After which statuses of the one method the other is tried.
    pub falls_back_on: Vec<u16>,
    /// `client_id`, of a `POST`.
    pub client_id: String,
    /// Whether `account` goes along beside the password.
    pub account: bool,
    /// Which scope a token is asked for after the version check.
    pub ping_scope: PingScope,
    /// Which field is the token, where an answer has both.
    pub prefers: TokenField,
    /// A life that is shorter is taken for this one.
    pub least_life: Wait,
    /// A life that is not told, or zero.
    pub no_expiry: NoExpiry,
    /// Whether a life is read from the token's own `exp`, and `expires_in` not at all. One that has none, since it is no JWT,
    /// has the least life.
    pub reads_exp: bool,
    /// What `issued_at` does.
    pub issued_at: Issued,
    /// Whether tokens end at all before a 401 says so.
    pub expires: bool,
    /// After how much of its life, in percent, a token is renewed.
    pub renewed_at_percent: u32,
    /// A 401 to a request that carried a token.
    pub on_unauthorized: OnUnauthorized,
    /// Whether a 401 and the request that follows it are two of the attempts, or one.
    pub challenge_counts: bool,
    /// How a 429 of the token service is told, after which nothing begins anew. Default: like any other answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub too_many_requests: Option<String>,
    /// Which token services are trusted with a password.
    pub realm: RealmGuard,
}

/// A way to ask for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenMethod {
    /// With HTTP Basic.
    Get,
    /// As OAuth2 has it: a form.
    Post,
}

/// A field that has a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenField {
    /// `token`.
    Token,
    /// `access_token`.
    AccessToken,
}

/// Which scope a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PingScope {
    /// The repository's, whatever the version check's challenge says.
    Repository,
    /// What the challenge says, a placeholder too.
    Reused,
}

/// What a life that is not told means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoExpiry {
    /// The least one.
    Least,
    /// For ever.
    Never,
}

/// What `issued_at` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Issued {
    /// Nothing: a life begins when the token arrives.
    Ignored,
    /// A life begins there, by the client's clock. A token that is issued long ago is asked for anew each time.
    Believed,
}

/// What a 401 to a token does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnUnauthorized {
    /// One new token, and the request once more.
    Refresh,
    /// The same, if the challenge says `insufficient_scope`; else it is the outcome.
    RefreshForScope,
    /// It is the outcome.
    Fail,
}

/// Which token services are trusted with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RealmGuard {
    /// Any.
    Any,
    /// Those asked over https, and those asked as openly as the registry is, on its own host.
    AsOpen,
    /// The same, also without a password; and no literal private or loopback address but the registry's own.
    Public,
    /// The same, and of the registry's own domain: the last two labels of both names are equal.
    OwnDomain,
}

/// How a client downloads blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BlobHabits {
    /// How many at the same time.
    pub concurrency: NonZeroUsize,
    /// What follows a body that broke off, if a rule has another attempt for `cut`.
    pub resume: Resume,
    /// What a whole blob, sent for a range of it, is.
    pub full_answer: FullAnswer,
    /// Whether a range is asked for with its end: one more than the last byte, as regclient does.
    pub range_has_end: bool,
    /// After how many more bytes than ever the attempts begin anew. None: never.
    pub progress: Option<ByteSize>,
    /// Whether a `Content-Length` that is not the descriptor's size is refused before the download.
    pub checks_length: bool,
    /// Whether manifest types are sent as `Accept` with blobs too.
    pub sends_accept: bool,
    /// Whether a body may come compressed, and is decoded. Others take what is sent for the blob.
    pub decodes: bool,
}

/// What follows a body that broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resume {
    /// A request for the rest.
    Range,
    /// A request for all of it.
    Restart,
}

/// What a whole blob is, sent for a range of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FullAnswer {
    /// What is there already is skipped.
    Discard,
    /// The download begins anew with it.
    Restart,
    /// The outcome.
    Fail,
}

/// How a client follows redirects. None of them sends credentials to another host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RedirectHabits {
    /// How many for one request.
    pub most: usize,
    /// Whether one from https to http is followed.
    pub to_plain_http: bool,
    /// What a challenge of the host that a redirect led to is.
    pub challenge: RedirectedChallenge,
}

/// What a challenge of the host that a redirect led to is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RedirectedChallenge {
    /// The outcome.
    Fail,
    /// Answered with an anonymous token.
    Anonymous,
}

/// How a client uses mirrors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MirrorHabits {
    /// Of which registries.
    pub of: MirroredRegistries,
    /// When it is decided which host is asked.
    pub decided: MirrorsDecided,
    /// Whether a mirror is told whom it stands for: `?ns=docker.io`.
    pub names_origin: bool,
    /// Failures after which no further host is asked. Default: none; any failure leads to the next host.
    pub ends_on: Vec<FailureKind>,
    /// Whether the last failure tells those of the mirrors too.
    pub tells_failures: bool,
}

/// Of which registries mirrors are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MirroredRegistries {
    /// Of any.
    Any,
    /// Of Docker Hub.
    DockerHub,
    /// Of none: the client has no mirrors.
    None,
}

/// When it is decided which host is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MirrorsDecided {
    /// For each request anew, mirrors first.
    PerRequest,
    /// With the manifest: whoever has it is asked for the blobs too.
    WithManifest,
    /// For the whole pull: what fails at one host begins anew at the next, without the blobs that are here already.
    PerPull,
}

/// The words of a client's failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MessageStyle {
    /// `toomanyrequests: <message>`.
    #[default]
    Docker,
    /// The same, and what `docker pull` makes of a refusal: `pull access denied for <name>, repository does not exist or may
    /// require 'docker login': denied: <message>`.
    DockerPull,
    /// `error from registry: <message>`.
    DockerContainerd,
    /// `unexpected status from GET request to <url>: 429 Too Many Requests`, and `toomanyrequests: <message>` in a second
    /// line.
    Containerd,
    /// As docker, whatever `Content-Type` says.
    ContainersImage,
    /// `GET <url>: TOOMANYREQUESTS: <message>`.
    Ggcr,
    /// `Registry error: url <url>, envelope: …`.
    OciClient,
}

impl Default for TokenHabits {
    fn default() -> Self {
        Self {
            with_password: TokenMethod::Get,
            falls_back_on: Vec::new(),
            client_id: String::from("pullrig"),
            account: false,
            ping_scope: PingScope::Repository,
            prefers: TokenField::Token,
            least_life: Wait(std::time::Duration::from_secs(60)),
            no_expiry: NoExpiry::Least,
            reads_exp: false,
            issued_at: Issued::Ignored,
            expires: true,
            renewed_at_percent: 100,
            on_unauthorized: OnUnauthorized::Refresh,
            challenge_counts: false,
            too_many_requests: None,
            realm: RealmGuard::Any,
        }
    }
}

impl Default for BlobHabits {
    fn default() -> Self {
        Self {
            concurrency: NonZeroUsize::MIN.saturating_add(2),
            resume: Resume::Range,
            full_answer: FullAnswer::Discard,
            range_has_end: false,
            progress: None,
            checks_length: false,
            sends_accept: false,
            decodes: false,
        }
    }
}

impl Default for RedirectHabits {
    fn default() -> Self {
        Self { most: 10, to_plain_http: true, challenge: RedirectedChallenge::Fail }
    }
}

impl Default for MirrorHabits {
    fn default() -> Self {
        Self {
            of: MirroredRegistries::Any,
            decided: MirrorsDecided::PerRequest,
            names_origin: false,
            ends_on: Vec::new(),
            tells_failures: false,
        }
    }
}
