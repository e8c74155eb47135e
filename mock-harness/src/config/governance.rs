//! Policies that connectors are held to, and settings of the account.

use schemars::JsonSchema;
use serde::Deserialize;

/// A policy about connectors, as Harness's governance (OPA) evaluates it whenever one is saved. Every condition that is given
/// must apply; a policy without conditions is about every connector.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a policy")]
pub struct PolicyConfig {
    /// Its name.
    pub name: String,
    /// The types that it is about: `[DockerRegistry]`. Default: all.
    #[serde(default)]
    pub types: Vec<String>,
    /// The hosts that it is about, of the URL of a Docker registry: `hub.docker.com`, `*.docker.io`, with their port if they
    /// have one. Default: all.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The `auth.type` that it is about: `Anonymous` or `UsernamePassword`. Default: both.
    #[serde(default)]
    pub auth: Option<AuthType>,
    /// What is told about a connector that it is about.
    pub message: String,
    /// What becomes of such a connector. Default: `error`.
    #[serde(default)]
    pub severity: PolicySeverity,
}

/// `auth.type` of a Docker registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum AuthType {
    /// Without a login.
    Anonymous,
    /// With one.
    UsernamePassword,
}

/// What becomes of a connector that a policy is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PolicySeverity {
    /// It is saved, and the answer warns.
    Warning,
    /// It is not saved; the answer is 200 all the same.
    #[default]
    Error,
}

/// Settings of the account, by their identifiers in Harness; the API changes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "the account's settings")]
pub struct SettingsConfig {
    /// Whether `forceDelete=true` may be asked for: then references protect nothing. Default: false.
    pub enable_force_delete: bool,
    /// Whether secrets can no longer be made in the built-in secret manager. Default: false.
    pub disable_harness_built_in_secret_manager: bool,
}
