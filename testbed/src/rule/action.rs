//! What a rule lets happen.

use std::{collections::BTreeMap, time::Duration};

use oci::{ByteSize, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Offset;

/// What happens instead of, or to, the answer.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// This answer is given instead of the actor's own.
    Answer(Answer),
    /// These bytes are the answer, status line and all, and the connection is closed: bare line feeds, and worse.
    Raw(String),
    /// Another place is named instead of the actor's own answer.
    Redirect(Redirect),
    /// Nothing comes, and the connection stays open until the client closes it.
    NoAnswer,
    /// The connection is closed without an answer.
    Close,
    /// The actor's answer comes later, in wire time.
    Delay(Delay),
    /// The body comes at this rate: so many bytes in each second of wire time.
    Bandwidth(ByteSize),
    /// The body pauses.
    Stall(Stall),
    /// The body stops short of its announced length, and the connection is closed.
    Cut(Cut),
    /// The connection is reset (TCP RST) in the middle of the body.
    Reset(Cut),
    /// One byte of the body is another one.
    Corrupt(Corrupt),
    /// The answer's headers are other ones, whether or not they are true.
    Headers(HeaderChange),
    /// What becomes of a request for a part of a blob.
    Range(RangeFault),
    /// The request's token is treated as expired, from now on.
    ExpireToken,
    /// The tag that is asked for names another manifest from now on.
    MoveTag(MoveTag),
    /// The upload that is asked for is forgotten.
    DropSession,
    /// The actor's state is this one from now on, which rules ask for with `when: { state: … }`. It begins as `start`.
    SetState(String),
}

/// A ready-made answer: a status with what belongs to it, or the refusal of a real registry by the name of its dialect.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Answer {
    /// The status, from 200 to 599. Default: that of the dialect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 200, max = 599))]
    pub status: Option<u16>,
    /// The dialect that the rest comes from: `quay`, `ghcr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    /// Headers beside `Date` and `Content-Length`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body as JSON; sets `Content-Type` unless `headers` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<serde_json::Value>,
}

/// Where the client is sent.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Redirect {
    /// The `Location`. `{target}` stands for path and query as they were asked: `http://other.test{target}`.
    pub to: String,
    /// The status: 301, 302, 303, 307 or 308.
    #[serde(default = "temporary_redirect")]
    #[schemars(range(min = 301, max = 308))]
    pub status: u16,
}

fn temporary_redirect() -> u16 {
    307
}

impl Redirect {
    /// The `Location` for a request of `target`, its path and query.
    pub fn location(&self, target: &str) -> String {
        self.to.replace("{target}", target)
    }
}

/// How much later.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Delay {
    /// How long, in wire time: `200ms`.
    #[serde(rename = "for", with = "crate::duration")]
    #[schemars(with = "String")]
    pub duration: Duration,
    /// Up to how much longer, drawn from the seed: `50ms`.
    #[serde(default, with = "crate::duration", skip_serializing_if = "Duration::is_zero")]
    #[schemars(with = "String")]
    pub jitter: Duration,
}

/// Where a body pauses.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stall {
    /// After how many bytes (`1MiB`) or what share of the body (`50%`).
    pub after: Offset,
    /// For how long, in wire time: `2s`. Default: until the client has had enough.
    #[serde(default, rename = "for", with = "crate::duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub duration: Option<Duration>,
}

/// Where a body ends too early.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cut {
    /// After how many bytes (`1MiB`) or what share of the body (`50%`).
    pub after: Offset,
    /// Whether the body is sent in chunks, its length not announced: then only the last chunk is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chunked: bool,
}

/// Which byte of a body is changed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Corrupt {
    /// Which byte (`1KiB`), or which one by share of the body (`50%`).
    pub at: Offset,
}

/// What is done to the headers of an answer, whichever answer it is. Taken out first, then set, then added. Where
/// `Content-Length` or `Transfer-Encoding` is among them, the head goes out as it stands, and the connection is closed
/// behind the body.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeaderChange {
    /// Headers that get this value, in place of any other.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Header lines that come on top.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
    /// Headers that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

impl HeaderChange {
    /// The names of all headers that it is about.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let named = self.set.keys().chain(self.add.keys()).chain(&self.remove);
        named.map(String::as_str)
    }
}

/// What becomes of a request with a `Range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RangeFault {
    /// It is answered as if it had none: 200, and everything.
    Ignore,
    /// 416.
    Refuse,
    /// It is answered with the part that it asks for, but `Content-Range` tells of a place one byte further.
    Lie,
}

/// Where a tag is moved.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MoveTag {
    /// To what this tag or digest of the same repository names. What is not there moves nothing.
    pub to: Reference,
}

impl Action {
    /// How it is called where rules are written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Answer(_) => "answer",
            Self::Raw(_) => "raw",
            Self::Redirect(_) => "redirect",
            Self::NoAnswer => "no-answer",
            Self::Close => "close",
            Self::Delay(_) => "delay",
            Self::Bandwidth(_) => "bandwidth",
            Self::Stall(_) => "stall",
            Self::Cut(_) => "cut",
            Self::Reset(_) => "reset",
            Self::Corrupt(_) => "corrupt",
            Self::Headers(_) => "headers",
            Self::Range(_) => "range",
            Self::ExpireToken => "expire-token",
            Self::MoveTag(_) => "move-tag",
            Self::DropSession => "drop-session",
            Self::SetState(_) => "set-state",
        }
    }

    /// Whether it stands in the place of the actor's own answer.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Answer(_) | Self::Raw(_) | Self::Redirect(_) | Self::NoAnswer | Self::Close)
    }

    /// Whether it is about the body of the answer.
    pub fn is_about_body(&self) -> bool {
        matches!(self, Self::Bandwidth(_) | Self::Stall(_) | Self::Cut(_) | Self::Reset(_) | Self::Corrupt(_))
    }
}
