//! What must be true: of an answer, a pull, an execution, a registry.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use oci::{Digest, Principal};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use testbed::{journal::ConnectorReason, rule::Matcher, task::FailureKind, yaml::Spanned};

use super::TimeRange;

/// What an HTTP answer must be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AnswerExpect {
    /// The status.
    #[serde(default)]
    pub status: Option<Spanned<u16>>,
    /// Headers, by name: a text that is the value, or `contains`.
    #[serde(default)]
    pub headers: BTreeMap<String, Spanned<TextMatch>>,
    /// Values in a JSON body, by JSONPath.
    #[serde(default)]
    pub json: BTreeMap<String, Spanned<ValueMatch>>,
    /// The body as text.
    #[serde(default)]
    pub body: Option<Spanned<TextMatch>>,
    /// Ask again until all of this is so, at most for this long in wire time. For what settles on its own, as a
    /// connector's status does.
    #[serde(default)]
    pub within: Option<TimeSpan>,
}

/// A duration as people write it: `30s`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TimeSpan(
    #[serde(with = "testbed::duration")]
    #[schemars(with = "String")]
    pub Duration,
);

/// What a pull must be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PullExpect {
    /// Whether it succeeds. Default: it does, unless `failure` says otherwise.
    #[serde(default)]
    pub result: Option<Spanned<PullResult>>,
    /// How it fails.
    #[serde(default)]
    pub failure: Option<FailureExpect>,
    /// The digest that the reference names.
    #[serde(default)]
    pub digest: Option<Spanned<Digest>>,
    /// How many layers the image has.
    #[serde(default)]
    pub layers: Option<Spanned<Count>>,
    /// How many downloads were taken up again where they had stopped.
    #[serde(default)]
    pub resumed: Option<Spanned<Count>>,
    /// How many requests were sent again, also by a pull that fails.
    #[serde(default)]
    pub retries: Option<Spanned<Count>>,
    /// How many requests it takes, those for tokens and redirects included.
    #[serde(default)]
    pub requests: Option<Spanned<Count>>,
    /// How many of them are for tokens.
    #[serde(default)]
    pub tokens: Option<Spanned<Count>>,
    /// How many different warnings the registry gave.
    #[serde(default)]
    pub warnings: Option<Spanned<Count>>,
    /// Whether the image was here already, and nothing was fetched.
    #[serde(default)]
    pub up_to_date: Option<Spanned<bool>>,
    /// The waits of all its requests, added: side by side they are more than `takes`.
    #[serde(default)]
    pub waited: Option<Spanned<TimeRange>>,
    /// How much policy time it takes: `0s`, `30s`, `900ms..1100ms`.
    #[serde(default)]
    pub takes: Option<Spanned<TimeRange>>,
    /// What the last of several must be, in place of the rest of this.
    #[serde(default)]
    pub last: Option<Box<Self>>,
}

/// What a push must be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PushExpect {
    /// How it fails. Default: it succeeds.
    #[serde(default)]
    pub failure: Option<FailureExpect>,
    /// How many requests it takes, those for tokens included.
    #[serde(default)]
    pub requests: Option<Spanned<Count>>,
    /// How many of them are for tokens.
    #[serde(default)]
    pub tokens: Option<Spanned<Count>>,
    /// How much policy time it takes.
    #[serde(default)]
    pub takes: Option<Spanned<TimeRange>>,
}

/// How a pull ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PullResult {
    /// All bytes arrived and are what their digests promise.
    Pulled,
    /// There is no image.
    Failed,
    /// One or the other: of a herd it is the registry that knows how many.
    Either,
}

impl fmt::Display for PullResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pulled => "pulled",
            Self::Failed => "failed",
            Self::Either => "either",
        })
    }
}

/// How a pull fails.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FailureExpect {
    /// The kind of failure.
    #[serde(default)]
    pub kind: Option<Spanned<FailureKind>>,
    /// The client's message.
    #[serde(default)]
    pub message: Option<Spanned<TextMatch>>,
}

/// What the executions of a pipeline must be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PipelineExpect {
    /// How it ends. Default: `Success`, unless `message` is given.
    #[serde(default)]
    pub status: Option<Spanned<ExecutionStatus>>,
    /// The failure's message.
    #[serde(default)]
    pub message: Option<Spanned<TextMatch>>,
    /// The connector of Harness's own images, with its scope (`account.harnessImage`), or `none`. Holds for each stage.
    #[serde(default)]
    pub connector: Option<Spanned<String>>,
    /// Why that connector. Holds for each stage.
    #[serde(default)]
    pub because: Option<Spanned<ConnectorReason>>,
    /// The delegate that the stages ran on.
    #[serde(default)]
    pub delegate: Option<Spanned<String>>,
    /// Images that must be among those asked for, as the container runtime is asked for them.
    #[serde(default)]
    pub images: Vec<Spanned<String>>,
    /// What the last of several executions must be, in place of the rest of this.
    #[serde(default)]
    pub last: Option<Box<Self>>,
}

/// How an execution ends, in Harness's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ExecutionStatus {
    /// All stages did what they should.
    Success,
    /// Some stage did not.
    Failed,
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "Success",
            Self::Failed => "Failed",
        })
    }
}

/// What a registry must have seen.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RegistryExpect {
    /// Manifest GETs that were answered with the manifest.
    #[serde(default)]
    pub pulls: Option<Spanned<Count>>,
    /// Manifest GETs that a pull limit refused.
    #[serde(default)]
    pub refused: Option<Spanned<Count>>,
    /// Requests of any kind.
    #[serde(default)]
    pub requests: Option<Spanned<Count>>,
    /// Requests to the token endpoint.
    #[serde(default)]
    pub tokens: Option<Spanned<Count>>,
    /// Who asked for manifests, in any order: `anonymous`, `account:ci`.
    #[serde(default)]
    pub principals: Option<Spanned<Vec<Principal>>>,
    /// From which addresses manifests were asked for, in any order.
    #[serde(default)]
    pub sources: Option<Spanned<Vec<std::net::IpAddr>>>,
    /// By what manifest GETs were counted, in any order, as `docker-ratelimit-source` tells it: an address, the first address
    /// of an IPv6 /64, an account's UUID.
    #[serde(default)]
    pub keys: Option<Spanned<Vec<String>>>,
    /// How often exchanges like these were seen.
    #[serde(default)]
    pub seen: Vec<Spanned<Seen>>,
}

/// How often exchanges of a kind were seen.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Seen {
    /// Which exchanges, in the words of rules.
    pub when: Matcher,
    /// Only those answered with this status.
    #[serde(default)]
    pub status: Option<u16>,
    /// How often. Default: at least once. `0` is never.
    #[serde(default)]
    pub times: Option<Count>,
}

/// A number, or a range of numbers with both ends included: `3`, `0`, `1..3`, `2..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    first: u64,
    last: u64,
}

impl Count {
    /// One or more.
    pub const SOME: Self = Self { first: 1, last: u64::MAX };

    /// Whether `n` is one of them.
    pub fn admits(self, n: u64) -> bool {
        (self.first..=self.last).contains(&n)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last: u64::MAX } => write!(f, "{first} or more"),
            Self { first, last } => write!(f, "{first} to {last}"),
        }
    }
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            part.trim().parse::<u64>().map_err(|_| format!("`{text}` is no count; write `3`, `1..3` or `2..`"))
        };
        let (first, last) = match text.split_once("..") {
            None => (number(text)?, number(text)?),
            Some((first, "")) => (number(first)?, u64::MAX),
            Some((first, last)) => (number(first)?, number(last)?),
        };
        if first > last {
            return Err(format!("`{text}` is empty: {first} is more than {last}"));
        }
        Ok(Self { first, last })
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Count {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or a range with both ends included: 3, 1..3, 2..",
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": r"^[0-9]+(\.\.[0-9]*)?$",
        })
    }
}

/// What a text must be: a plain text is the whole of it, `{ contains: … }` a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMatch {
    /// The text is exactly this.
    Equals(String),
    /// The text has this in it.
    Contains(String),
}

impl TextMatch {
    /// Whether `text` is as it must be.
    pub fn admits(&self, text: &str) -> bool {
        match self {
            Self::Equals(want) => text == want,
            Self::Contains(want) => text.contains(want),
        }
    }
}

impl fmt::Display for TextMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(want) => write!(f, "`{want}`"),
            Self::Contains(want) => write!(f, "something that contains `{want}`"),
        }
    }
}

impl<'de> Deserialize<'de> for TextMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match ValueMatch::deserialize(deserializer)? {
            ValueMatch::Contains(want) => Ok(Self::Contains(want)),
            ValueMatch::Equals(serde_json::Value::String(want)) => Ok(Self::Equals(want)),
            ValueMatch::Equals(want @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
                Ok(Self::Equals(want.to_string()))
            }
            _ => Err(de::Error::custom("write the text, or `{ contains: a part of it }`")),
        }
    }
}

impl JsonSchema for TextMatch {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TextMatch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The whole text, or { contains: a part of it }",
            "anyOf": [
                { "type": ["string", "number", "boolean"] },
                {
                    "type": "object",
                    "properties": { "contains": { "type": "string" } },
                    "required": ["contains"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

/// What a JSON value must be: any value is compared as it is, `{ contains: text }` and `{ exists: true }` are not.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueMatch {
    /// The value is exactly this.
    Equals(serde_json::Value),
    /// The value is a text that has this in it.
    Contains(String),
    /// There is a value, or there is none.
    Exists(bool),
}

impl ValueMatch {
    /// Whether `value` is as it must be; none is a value that is not there.
    pub fn admits(&self, value: Option<&serde_json::Value>) -> bool {
        match self {
            Self::Equals(want) => value == Some(want),
            Self::Contains(want) => value.and_then(|value| value.as_str()).is_some_and(|text| text.contains(want)),
            Self::Exists(want) => value.is_some() == *want,
        }
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(want) => write!(f, "{want}"),
            Self::Contains(want) => write!(f, "a text that contains `{want}`"),
            Self::Exists(true) => f.write_str("some value"),
            Self::Exists(false) => f.write_str("no value"),
        }
    }
}

impl<'de> Deserialize<'de> for ValueMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if let Some(object) = value.as_object().filter(|object| object.len() == 1) {
            match (object.get("contains"), object.get("exists")) {
                (Some(serde_json::Value::String(want)), _) => return Ok(Self::Contains(want.clone())),
                (_, Some(serde_json::Value::Bool(want))) => return Ok(Self::Exists(*want)),
                _ => {}
            }
        }
        Ok(Self::Equals(value))
    }
}

impl JsonSchema for ValueMatch {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ValueMatch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A value, or { contains: text }, or { exists: true }" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_people_write_them() {
        let admits = |text: &str, n| text.parse::<Count>().map(|count| count.admits(n));
        assert_eq!(admits("0", 0), Ok(true));
        assert_eq!(admits("3", 2), Ok(false));
        assert_eq!(admits("1..3", 3), Ok(true));
        assert_eq!(admits("2..", 1), Ok(false));
        assert!(admits("3..1", 2).is_err());
        assert!(admits("-1", 2).is_err());
    }
}
