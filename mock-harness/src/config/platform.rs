//! What a mock platform is made of: the `harness:` section of a scenario file, and the account file of `pullrig resolve`.
//!
//! Everything here has a default, so that `harness: {}` is an account with one key, one delegate-less project and no
//! connector. What is checked beyond the types is checked by [`Account::from_config`](crate::Account::from_config).

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use oci::PullLimit;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use testbed::Secret;

use super::{ApiKeyConfig, Behaviour, PolicyConfig, SettingsConfig, WorldPreset, access::admin};

/// The account, and everything in it at the start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default, expecting = "a Harness platform")]
pub struct PlatformConfig {
    /// A platform that comes with the program, which this section stands over, key by key. Default: none, with the images
    /// of the newest. Only what is read from a file is laid over it, by [`over_preset`](super::over_preset).
    pub preset: Option<WorldPreset>,
    /// The account's identifier. Default: `acme`.
    pub account: String,
    /// The keys that the API takes. Default: one key of a user `admin` with all permissions.
    pub api_keys: Vec<ApiKeyConfig>,
    /// The organisations and their projects. Default: `default` with the project `demo`.
    pub organizations: Vec<OrganizationConfig>,
    /// The delegates. Default: none.
    pub delegates: Vec<DelegateConfig>,
    /// Connectors, each as the `connector` object of the API's request body, and held to the same rules. Default: none.
    /// They were never tested: their status is `UNKNOWN`.
    pub connectors: Vec<serde_json::Value>,
    /// Text secrets. Default: none.
    pub secrets: Vec<SecretConfig>,
    /// Whether the account has the connector `harnessImage` that Harness makes at account set-up, and which. One of that
    /// identifier among `connectors` takes its place: somebody edited it. Default: `absent`, with a preset its own.
    pub harness_image: Option<HarnessImage>,
    /// The platform's setting `defaultInternalImageConnector`; empty means none. Default: `account.harnessImage`.
    pub default_internal_image_connector: String,
    /// Harness's own images, by the field names of the execution-config API (`addonTag`, `gitCloneTag`), each a full
    /// `image:tag`. What is not given here is that of the preset, without one the newest known.
    pub images: BTreeMap<String, String>,
    /// The API's own limits. Default: none.
    pub api_limits: ApiLimitsConfig,
    /// Images of the account in the place of Harness's own, as `update-config` of the execution-config API sets them. Default:
    /// none.
    pub image_overrides: ImageOverrides,
    /// Settings of the account. Default: as Harness has them.
    pub settings: SettingsConfig,
    /// Policies that connectors are held to when they are saved over the API. Default: none.
    pub governance: Vec<PolicyConfig>,
    /// What is not known for certain about the real platform, as switches.
    pub behaviour: Behaviour,
}

/// The limits of the API: what is beyond is answered 429 without `Retry-After`. Harness's documentation names 1000 requests in a
/// minute for a key (400 in another table), and 5000 in ten seconds from an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default, expecting = "the API's limits")]
pub struct ApiLimitsConfig {
    /// Requests of a key in any window of policy time: `1000/min`. Default: no limit.
    #[serde(deserialize_with = "limit")]
    #[schemars(with = "Option<String>")]
    pub per_key: Option<PullLimit>,
    /// Requests from an address in any window of policy time, whatever the key: `5000/10s`. Default: no limit.
    #[serde(deserialize_with = "limit")]
    #[schemars(with = "Option<String>")]
    pub per_address: Option<PullLimit>,
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PullLimit>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
}

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "an organisation")]
pub struct OrganizationConfig {
    /// Its identifier.
    pub identifier: String,
    /// The identifiers of its projects. Default: none.
    #[serde(default)]
    pub projects: Vec<String>,
}

/// A delegate: the place from which tests and pulls are made. It beats once a minute of policy time, counts as connected
/// until its last heartbeat is five minutes old, and is forgotten after six hours without one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a delegate")]
pub struct DelegateConfig {
    /// Its name, which is a selector too.
    pub name: String,
    /// The group that it is a replica of, whose name is a selector too. Default: a group of its own name.
    #[serde(default)]
    pub group: Option<String>,
    /// Its further selectors, which all replicas of its group have. Default: none.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What lists say about it. Default: nothing.
    #[serde(default)]
    pub description: Option<String>,
    /// The loopback address that its connections come from. Default: the system's choice.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub address: Option<IpAddr>,
    /// The hosts it may talk to; `*.docker.io` is a pattern. Default: all of the world's.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
    /// The organisation that owns it. Default: none, the account does, and it serves everybody.
    #[serde(default)]
    pub organization: Option<String>,
    /// The project that owns it; needs `organization`. Default: none.
    #[serde(default)]
    pub project: Option<String>,
    /// Whether it beats at the start. One that does not counts as disconnected at once. Default: true.
    #[serde(default = "yes")]
    pub connected: bool,
    /// When it beats again, after the start: `20m`. Default: never.
    #[serde(default, with = "testbed::duration::optional")]
    #[schemars(with = "Option<String>")]
    pub connects_at: Option<Duration>,
    /// When it falls silent, after the start: `10m`. Tasks that it is given from then on are lost; five minutes later the
    /// platform takes it for disconnected. Default: never.
    #[serde(default, with = "testbed::duration::optional")]
    #[schemars(with = "Option<String>")]
    pub disconnects_at: Option<Duration>,
    /// The types of task that it supports: `DOCKER_CONNECTIVITY_TEST_TASK` tests connectors, `INITIALIZATION_PHASE` sets
    /// up stages. Default: all.
    #[serde(default)]
    pub task_types: Option<Vec<String>>,
    /// The groups of tasks that its scopes let it do: `DOCKER` is about connectors, `CI` about stages. Default: all.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// The delegate token that it was installed with; it falls silent when that is revoked. Default: `default_token`.
    #[serde(default = "default_token")]
    pub token: String,
    /// Whether it takes tasks and never ends them, until they time out. Default: false.
    #[serde(default)]
    pub hangs: bool,
}

/// A text secret.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a secret")]
pub struct SecretConfig {
    /// Its identifier.
    pub identifier: String,
    /// The organisation it is in. Default: none, it is the account's.
    #[serde(default)]
    pub organization: Option<String>,
    /// The project it is in; needs `organization`. Default: none.
    #[serde(default)]
    pub project: Option<String>,
    /// Its value.
    pub value: Secret,
}

/// The images of an account, by field name, each a full `image:tag`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default, expecting = "images of an account")]
pub struct ImageOverrides {
    /// On Kubernetes. Default: none.
    pub k8: BTreeMap<String, String>,
    /// On VMs, Harness Cloud and local runners. Default: none.
    pub vm: BTreeMap<String, String>,
}

/// What became of the connector that Harness makes at account set-up. Source: facts/harness A4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HarnessImage {
    /// The account lacks it: making it failed at set-up, or somebody deleted it.
    #[default]
    Absent,
    /// It is as Harness made it: Docker Hub, anonymous, through the platform.
    BuiltIn,
    /// It is as Harness made it for old accounts, until 2022 at least: Docker Hub, anonymous, through a delegate.
    BuiltInViaDelegate,
    /// It is as one section of the newest page has it: Google's registry, anonymous, through the platform.
    BuiltInGar,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        Self {
            preset: None,
            account: String::from("acme"),
            api_keys: vec![ApiKeyConfig {
                token: Secret::new("pat.acme.default.0123456789abcdefghij"),
                principal: admin(),
                kind: None,
                permissions: None,
                grants: Vec::new(),
                expires: None,
            }],
            organizations: vec![OrganizationConfig {
                identifier: String::from("default"),
                projects: vec![String::from("demo")],
            }],
            delegates: Vec::new(),
            connectors: Vec::new(),
            secrets: Vec::new(),
            harness_image: None,
            default_internal_image_connector: String::from("account.harnessImage"),
            images: BTreeMap::new(),
            api_limits: ApiLimitsConfig::default(),
            image_overrides: ImageOverrides::default(),
            settings: SettingsConfig::default(),
            governance: Vec::new(),
            behaviour: Behaviour::default(),
        }
    }
}

impl DelegateConfig {
    /// A delegate of the account about which nothing more is said.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            group: None,
            tags: Vec::new(),
            description: None,
            address: None,
            allow: None,
            organization: None,
            project: None,
            connected: true,
            connects_at: None,
            disconnects_at: None,
            task_types: None,
            scopes: None,
            token: default_token(),
            hangs: false,
        }
    }
}

fn default_token() -> String {
    String::from(crate::delegate::DEFAULT_TOKEN)
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use testbed::{diagnostic::Source, yaml};

    use super::*;
    use crate::config::Permission;

    #[test]
    fn a_section_of_a_scenario_file_is_read() {
        let file = Source::new(
            "x.yaml",
            "
account: acme
api-keys: [{ token: pat.acme.a.b, permissions: [core_connector_view], expires: 2026-01-01T01:00:00Z }]
organizations: [{ identifier: default, projects: [demo] }]
delegates: [{ name: build-1, tags: [linux], address: 127.0.0.11, allow: [app.harness.io] }]
secrets: [{ identifier: p, value: hunter2 }]
harness-image: built-in
images: { gitCloneTag: 'harness/drone-git:1' }
connectors:
  - { name: x, identifier: x, type: K8sCluster, spec: {} }
behaviour: { not-found-status: 404, no-delegate: failure-200, docker-runtime-override: honoured }
",
        );
        let config: PlatformConfig = yaml::from_str(&file).unwrap_or_else(|complaints| panic!("{}", complaints[0]));
        assert_eq!(config.api_keys[0].permissions, Some(vec![Permission::ConnectorView]));
        assert_eq!(config.behaviour.not_found_status, crate::config::NotFoundStatus::NotFound);
        assert!(crate::Account::from_config(&config).is_ok());
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn an_empty_section_is_the_default() {
        let config: PlatformConfig = yaml::from_str(&Source::new("x.yaml", "{}")).unwrap();
        assert_eq!(config.account, "acme");
        assert_eq!(config.organizations, PlatformConfig::default().organizations);
    }
}
