//! Connectors: what they say, and what is known about them.
//!
//! Source: facts/harness B4, B6.

use serde::Serialize;
use serde_json::{Map, Value};
use testbed::Timestamp;

use super::{EntityRef, Scope, connector_type::category};

/// A connector.
#[derive(Clone, Debug, PartialEq)]
pub struct Connector {
    /// Where it lives.
    pub scope: Scope,
    /// Its identifier, one per scope.
    pub identifier: String,
    /// Its name, which need not be unique.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Its tags, text to text.
    pub tags: Map<String, Value>,
    /// What it connects to.
    pub spec: ConnectorSpec,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// A number that grows with each change in the account, also where no time passes in between.
    pub revision: u64,
    /// The revision that it was made with.
    pub made: u64,
    /// What its last test found.
    pub tested: TestRecord,
}

/// What a connector connects to.
#[derive(Clone, Debug, PartialEq)]
pub enum ConnectorSpec {
    /// Type `DockerRegistry`.
    Docker(DockerSpec),
    /// Every other type; its spec is kept as it came, without secrets in plain text.
    Other {
        /// The type: `K8sCluster`.
        kind: String,
        /// The spec.
        spec: Value,
    },
}

/// The spec of a `DockerRegistry` connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerSpec {
    /// `dockerRegistryUrl`, trimmed.
    pub url: String,
    /// `providerType`.
    pub provider: ProviderType,
    /// `auth`.
    pub auth: DockerAuth,
    /// `delegateSelectors`; empty means any delegate.
    pub delegate_selectors: Vec<String>,
    /// `executeOnDelegate`: through a delegate, or through the platform.
    pub execute_on_delegate: bool,
    /// `proxy`.
    pub proxy: bool,
    /// `ignoreTestConnection`, if it was given.
    pub ignore_test_connection: Option<bool>,
}

/// `spec.providerType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ProviderType {
    /// Docker Hub.
    DockerHub,
    /// Harbor, which is tested in another way.
    Harbor,
    /// Quay.
    Quay,
    /// Any other registry.
    Other,
}

/// `spec.auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerAuth {
    /// No login.
    Anonymous,
    /// A user name, given or as a secret, and a password, always a secret.
    UsernamePassword {
        /// `username`.
        username: Option<String>,
        /// `usernameRef`.
        username_ref: Option<String>,
        /// `passwordRef`.
        password_ref: String,
    },
}

/// `status.status` of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Connectivity {
    /// The last test passed.
    Success,
    /// The last test failed.
    Failure,
    /// Never tested.
    Unknown,
    /// The test after a create or an update is still to come.
    Pending,
}

/// What is stored about the last test.
#[derive(Clone, Debug, PartialEq)]
pub struct TestRecord {
    /// How it ended.
    pub status: Connectivity,
    /// The failure in one line.
    pub summary: Option<String>,
    /// The failures as the API shows them.
    pub errors: Option<Value>,
    /// When, in milliseconds; 0 if never.
    pub tested_at_ms: i64,
    /// When a test last passed, in milliseconds; 0 if never.
    pub connected_at_ms: i64,
}

impl Connector {
    /// A reference to it.
    pub fn reference(&self) -> EntityRef {
        EntityRef { scope: self.scope.clone(), identifier: self.identifier.clone() }
    }

    /// The type on the wire: `DockerRegistry`.
    pub fn kind(&self) -> &str {
        self.spec.kind()
    }

    /// The category that lists and permission checks name: `ARTIFACTORY` for image registries.
    pub fn category(&self) -> &'static str {
        self.spec.category()
    }

    /// The spec, if it is an image registry's.
    pub fn docker(&self) -> Option<&DockerSpec> {
        match &self.spec {
            ConnectorSpec::Docker(spec) => Some(spec),
            ConnectorSpec::Other { .. } => None,
        }
    }

    /// Whether it works through a delegate; for other types than `DockerRegistry` as their spec says, by default yes.
    pub fn execute_on_delegate(&self) -> bool {
        match &self.spec {
            ConnectorSpec::Docker(spec) => spec.execute_on_delegate,
            ConnectorSpec::Other { spec, .. } => spec.get("executeOnDelegate").and_then(Value::as_bool).unwrap_or(true),
        }
    }

    /// The delegate selectors of its spec.
    pub fn delegate_selectors(&self) -> Vec<String> {
        match &self.spec {
            ConnectorSpec::Docker(spec) => spec.delegate_selectors.clone(),
            ConnectorSpec::Other { spec, .. } => {
                let selectors = spec.get("delegateSelectors").and_then(Value::as_array);
                selectors.into_iter().flatten().filter_map(Value::as_str).map(String::from).collect()
            }
        }
    }

    /// Every reference to a secret in it, whatever its type: texts whose field ends in `Ref`.
    pub(crate) fn named_secrets(&self) -> Vec<&str> {
        match &self.spec {
            ConnectorSpec::Docker(_) => self.secret_refs().into_iter().map(|(_, text)| text).collect(),
            ConnectorSpec::Other { spec, .. } => {
                let mut found = Vec::new();
                collect_refs(spec, &mut found);
                found
            }
        }
    }

    /// A field of the spec of another type than `DockerRegistry`, if it is a text.
    pub(crate) fn spec_text(&self, field: &str) -> Option<&str> {
        match &self.spec {
            ConnectorSpec::Docker(_) => None,
            ConnectorSpec::Other { spec, .. } => spec.get(field).and_then(Value::as_str),
        }
    }

    /// Whether it takes the credentials of the delegate: clouds and clusters may.
    pub(crate) fn inherits_credentials(&self) -> bool {
        match &self.spec {
            ConnectorSpec::Docker(_) => false,
            ConnectorSpec::Other { spec, .. } => {
                spec.pointer("/credential/type").and_then(Value::as_str) == Some("InheritFromDelegate")
            }
        }
    }

    /// The secrets that it refers to, with the field of each.
    pub fn secret_refs(&self) -> Vec<(&'static str, &str)> {
        let Some(DockerSpec { auth: DockerAuth::UsernamePassword { username_ref, password_ref, .. }, .. }) =
            self.docker()
        else {
            return Vec::new();
        };
        let username = username_ref.iter().map(|text| ("usernameRef", text.as_str()));
        username.chain([("passwordRef", password_ref.as_str())]).collect()
    }
}

impl ConnectorSpec {
    /// The type on the wire: `DockerRegistry`.
    pub fn kind(&self) -> &str {
        match self {
            Self::Docker(_) => "DockerRegistry",
            Self::Other { kind, .. } => kind,
        }
    }

    /// The category of the type.
    pub fn category(&self) -> &'static str {
        category(self.kind()).unwrap_or("CLOUD_PROVIDER")
    }
}

fn collect_refs<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key.ends_with("Ref") && key != "connectorRef" => found.push(text),
                    other => collect_refs(other, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_refs(value, found)),
        _ => {}
    }
}

impl DockerSpec {
    /// `host[:port]` as the URL's text has it: in its case, and with its port, also where that is the scheme's own.
    pub fn host(&self) -> Option<&str> {
        self.host_and_path().map(|(host, _)| host)
    }

    /// Whether the host is one of the two that the platform takes for Docker Hub. Its other names are none to it.
    pub fn is_docker_hub(&self) -> bool {
        matches!(self.host(), Some("index.docker.io" | "registry.hub.docker.com"))
    }

    /// The host, and the URL's path as its text has it. None if the text is no URL with a host.
    pub(crate) fn host_and_path(&self) -> Option<(&str, &str)> {
        let (_, rest) = self.url.split_once("://")?;
        let rest = rest.split(['?', '#']).next().unwrap_or(rest);
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or(authority).trim_end_matches(':');
        (!host.is_empty()).then_some((host, path))
    }
}

impl ProviderType {
    /// Reads the word of the wire.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "DockerHub" => Some(Self::DockerHub),
            "Harbor" => Some(Self::Harbor),
            "Quay" => Some(Self::Quay),
            "Other" => Some(Self::Other),
            _ => None,
        }
    }
}

impl Connectivity {
    /// The word of the wire.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Unknown => "UNKNOWN",
            Self::Pending => "PENDING",
        }
    }
}

impl TestRecord {
    /// Nothing was tested so far.
    pub fn never(status: Connectivity) -> Self {
        Self { status, summary: None, errors: None, tested_at_ms: 0, connected_at_ms: 0 }
    }
}
