//! The closed list of what can happen in a world.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::Method;
use oci::{Digest, EndpointKind, Principal, Reference, RepositoryName};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    clock::{ClockMove, MoveCause},
    task::PullFailure,
};

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// An actor answered a request, or ended the connection instead.
    Exchange(Box<Exchange>),
    /// The body of an exchange that was streamed came to its end.
    BodyEnded(BodyEnded),
    /// The clock moved.
    ClockMoved(ClockMove),
    /// A connection to a host was not let out, or the world has no such host.
    EgressRefused(EgressRefused),
    /// The Harness side decided where a stage's images come from.
    StageResolved(StageResolved),
    /// A task was given to a delegate.
    DelegateSelected(DelegateSelected),
    /// The execution of a pipeline ended.
    ExecutionEnded(ExecutionEnded),
    /// A puller begins to pull an image.
    PullStarted(PullStarted),
    /// A puller waits before it tries again.
    RetryWait(RetryWait),
    /// A pull ended, well or not.
    PullFinished(PullFinished),
    /// A step of a scenario begins.
    StepStarted(StepStarted),
    /// A step of a scenario ended.
    StepFinished(StepFinished),
}

/// One request to an actor, and every decision that made its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// The name of the actor in its world: `hub`, `harness`.
    pub actor: Arc<str>,
    /// The `Host` header as sent.
    pub host: String,
    /// The client's address.
    pub source: IpAddr,
    /// The connection's number within the actor; 0 where it is not told.
    #[serde(default)]
    pub connection: u64,
    /// The request's method.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// What was asked for.
    pub subject: Subject,
    /// Who asked.
    pub principal: Principal,
    /// The scheme of the `Authorization` header, never its value: `Basic`, `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<String>,
    /// The [fingerprint](crate::redact::fingerprint) of the bearer token, so that one sees whether it is used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The `User-Agent` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The `Range` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// The `Accept` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// What was spoken.
    pub protocol: Protocol,
    /// The status sent, or none if the connection was ended without an answer.
    pub status: Option<u16>,
    /// The error code in the answer: `TOOMANYREQUESTS`, `INVALID_REQUEST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The `Content-Length` of the answer, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_bytes: Option<u64>,
    /// The `Retry-After` of the answer, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// The `Content-Range` of the answer, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_range: Option<String>,
    /// Where a redirect leads: the host in its `Location`, with the port; none if it names no host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location_host: Option<String>,
    /// What the pull limit said, if this request was one that it looks at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
    /// The name of the rule that was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// The protocol of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1, or older.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
}

impl From<http::Version> for Protocol {
    fn from(version: http::Version) -> Self {
        if version == http::Version::HTTP_2 { Self::Http2 } else { Self::Http1 }
    }
}

/// What a request was about, in the words of the API it was sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A registry's endpoint.
    Registry {
        /// Which endpoint.
        endpoint: EndpointKind,
        /// The repository, without the registry's path.
        #[serde(skip_serializing_if = "Option::is_none")]
        repository: Option<RepositoryName>,
        /// The tag or digest.
        #[serde(skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
        /// For a blob that is a layer: which one of its manifest, from 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        layer: Option<usize>,
    },
    /// An operation of the Harness API: `connectors.create`.
    Api {
        /// Its name.
        operation: String,
    },
}

/// The answer of a pull limit about one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The limit's name: `anonymous`.
    pub limit_name: Arc<str>,
    /// By what the pulls are counted: an address or an account.
    pub key: Arc<str>,
    /// What is allowed in a window: pulls, or whatever else it counts.
    pub limit: u64,
    /// What is left after this request.
    pub remaining: u64,
    /// Whether this request used some of it. At Docker Hub a HEAD does not.
    pub used: bool,
    /// Whether this request was refused.
    pub refused: bool,
}

/// The end of a streamed body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BodyEnded {
    /// The number of the exchange's entry.
    pub exchange: u64,
    /// The actor.
    pub actor: Arc<str>,
    /// How many bytes were given to the connection.
    pub sent_bytes: u64,
    /// How it ended.
    pub end: BodyEnd,
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BodyEnd {
    /// All of it was sent.
    Complete,
    /// The client went away.
    Abandoned,
    /// A rule cut it short.
    Cut,
    /// A rule reset the connection.
    Reset,
}

/// A connection that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressRefused {
    /// Who wanted it: a delegate's name, or `client`.
    pub from: String,
    /// The host that was asked for.
    pub host: String,
    /// False: the world has no such host. True: it has, and the allowlist lacks it.
    pub exists: bool,
}

/// Where one stage's images come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageResolved {
    /// The execution's identifier (`planExecutionId`); none when nothing is executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// The pipeline's identifier.
    pub pipeline: String,
    /// The stage's identifier.
    pub stage: String,
    /// The choice for Harness's own images, or the text that the stage failed with.
    pub outcome: Result<ConnectorChoice, String>,
    /// The images, as the container runtime will be asked for them.
    pub images: Vec<String>,
}

/// Which connector Harness's own images come through, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorChoice {
    /// The connector with its scope prefix: `account.harnessImage`; none if there is none.
    pub connector: Option<String>,
    /// Why.
    pub because: ConnectorReason,
}

/// Why a connector was chosen. Source: facts/harness A1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectorReason {
    /// Rule 1: the stage names it in `harnessImageConnectorRef`.
    StageOverride,
    /// Rule 2: the platform's setting names it, and the account has it.
    AccountDefault,
    /// Rule 3: the platform's setting names it, and the account lacks it: image names stay bare.
    NoAccountConnector,
    /// Rule 5: the platform's setting is empty: image names stay bare.
    NoDefaultConfigured,
}

impl ConnectorReason {
    /// The number of the rule in the decision table.
    pub fn rule(self) -> u8 {
        match self {
            Self::StageOverride => 1,
            Self::AccountDefault => 2,
            Self::NoAccountConnector => 3,
            Self::NoDefaultConfigured => 5,
        }
    }
}

impl fmt::Display for ConnectorReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StageOverride => "stage-override",
            Self::AccountDefault => "account-default",
            Self::NoAccountConnector => "no-account-connector",
            Self::NoDefaultConfigured => "no-default-configured",
        })
    }
}

/// A task that a delegate took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegateSelected {
    /// The execution's identifier (`planExecutionId`), if the task belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// What for: `initialize of stage build`, `test of account.harnessImage`.
    pub task: String,
    /// The delegate's name.
    pub delegate: String,
    /// Its address, which limits by address count.
    pub address: Option<IpAddr>,
}

/// The end of an execution, well or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionEnded {
    /// The execution's identifier (`planExecutionId`).
    pub execution: String,
    /// The pipeline's identifier.
    pub pipeline: String,
    /// Its failure's text; none if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The begin of a pull, on the client's side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullStarted {
    /// Who pulls: a delegate's name, or `client`.
    pub from: String,
    /// The image.
    pub image: String,
    /// The account whose credentials it has, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// A wait in policy time before another attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RetryWait {
    /// Who waits.
    pub from: String,
    /// What is tried again: `GET /v2/…`.
    pub request: String,
    /// The number of the attempt that failed, from 1.
    pub attempt: u32,
    /// Why it failed.
    pub cause: String,
    /// How long it waits, in milliseconds of policy time.
    pub wait_ms: u64,
}

/// The end of a pull, on the client's side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PullFinished {
    /// Who pulled.
    pub from: String,
    /// The image.
    pub image: String,
    /// The manifest's digest, or why there is none.
    pub outcome: Result<Digest, PullFailure>,
    /// Bytes of blobs received, wasted ones included.
    pub received_bytes: u64,
}

/// The begin of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStarted {
    /// Its number in the file, from 1; nested ones as `3.1`.
    pub step: String,
    /// Its kind: `pull`.
    pub kind: String,
    /// Its line in the scenario file.
    pub line: usize,
}

/// The end of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFinished {
    /// As in [`StepStarted`].
    pub step: String,
    /// Whether all its checks were true.
    pub passed: bool,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(exchange) => exchange.fmt(f),
            Self::BodyEnded(BodyEnded { exchange, actor, sent_bytes, end }) => {
                let end = match end {
                    BodyEnd::Complete => "complete",
                    BodyEnd::Abandoned => "abandoned by the client",
                    BodyEnd::Cut => "cut by a rule",
                    BodyEnd::Reset => "reset by a rule",
                };
                write!(f, "{actor}: body of #{exchange} {end} after {sent_bytes} bytes")
            }
            Self::ClockMoved(step) => {
                let by = human(step.by_ms);
                match step.cause {
                    MoveCause::Advance => write!(f, "clock moved {by}, asked for"),
                    MoveCause::EveryoneAsleep => write!(f, "clock moved {by}, everyone was asleep"),
                    MoveCause::Set => write!(f, "clock moved {by}, set to {}", step.to),
                    MoveCause::Freeze => write!(f, "clock frozen at {}", step.to),
                    MoveCause::Thaw => write!(f, "clock goes on from {}", step.to),
                    MoveCause::Reset => write!(f, "clock reset to {}", step.to),
                    MoveCause::Restore => write!(f, "clock restored to {}", step.to),
                }
            }
            Self::EgressRefused(EgressRefused { from, host, exists: true }) => {
                write!(f, "{from}: egress to {host} refused, it is not on the allowlist")
            }
            Self::EgressRefused(EgressRefused { from, host, exists: false }) => {
                write!(f, "{from}: no host {host} in this world")
            }
            Self::StageResolved(resolved) => resolved.fmt(f),
            Self::DelegateSelected(DelegateSelected { task, delegate, address, .. }) => {
                write!(f, "delegate {delegate}")?;
                if let Some(address) = address {
                    write!(f, " ({address})")?;
                }
                write!(f, " takes the {task}")
            }
            Self::ExecutionEnded(ExecutionEnded { pipeline, failure: None, .. }) => {
                write!(f, "pipeline {pipeline} succeeded")
            }
            Self::ExecutionEnded(ExecutionEnded { pipeline, failure: Some(text), .. }) => {
                write!(f, "pipeline {pipeline} failed: {text}")
            }
            Self::PullStarted(PullStarted { from, image, account }) => match account {
                Some(account) => write!(f, "{from}: pulls {image} as {account}"),
                None => write!(f, "{from}: pulls {image} anonymously"),
            },
            Self::RetryWait(RetryWait { from, request, attempt, cause, wait_ms }) => {
                write!(f, "{from}: attempt {attempt} of {request} failed ({cause}), waits {}", human(*wait_ms))
            }
            Self::PullFinished(PullFinished { from, image, outcome, received_bytes }) => match outcome {
                Ok(digest) => write!(f, "{from}: pulled {image} = {digest}, {received_bytes} bytes"),
                Err(failure) => write!(f, "{from}: failed to pull {image}: {failure}"),
            },
            Self::StepStarted(StepStarted { step, kind, line }) => write!(f, "step {step}: {kind} (line {line})"),
            Self::StepFinished(StepFinished { step, passed: true }) => write!(f, "step {step} done"),
            Self::StepFinished(StepFinished { step, passed: false }) => write!(f, "step {step} failed"),
        }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { actor, method, target, source, principal, .. } = self;
        write!(f, "{actor}: {method} {target}")?;
        match self.status {
            Some(status) => write!(f, " {status}")?,
            None => f.write_str(" (no answer)")?,
        }
        if let Some(error) = &self.error {
            write!(f, " {error}")?;
        }
        write!(f, " [{principal} {source}")?;
        if let Some(range) = &self.range {
            write!(f, ", {range}")?;
        }
        if let Some(Counted { remaining, limit, used, refused, .. }) = &self.counted {
            let verb = match (refused, used) {
                (true, _) => "refused",
                (false, true) => "counted",
                (false, false) => "not counted",
            };
            write!(f, ", {verb}, {remaining} of {limit} left")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, ", rule {rule}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for StageResolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pipeline, stage, outcome, .. } = self;
        write!(f, "pipeline {pipeline}, stage {stage}: ")?;
        match outcome {
            Ok(ConnectorChoice { connector: Some(connector), because }) => {
                write!(f, "images through {connector} ({because})")
            }
            Ok(ConnectorChoice { connector: None, because }) => write!(f, "images without connector ({because})"),
            Err(text) => write!(f, "no images: {text}"),
        }
    }
}

fn as_text<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn human(ms: u64) -> String {
    crate::duration::print(Duration::from_millis(ms))
}
