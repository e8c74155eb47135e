//! What could not be verified about the real platform: one switch per question, each with both answers.
//!
//! Source: facts/harness, section U.

use schemars::JsonSchema;
use serde::Deserialize;

/// The switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default, expecting = "the platform's switches")]
pub struct Behaviour {
    /// The status of GET on a missing connector. Default: `400`.
    pub not_found_status: NotFoundStatus,
    /// What a connection test answers when no delegate may do it. Default: `invalid-request-400`.
    pub no_delegate: NoDelegate,
    /// Whether `harnessImageConnectorRef` counts in a Docker runtime. Default: `ignored`.
    pub docker_runtime_override: DockerRuntimeOverride,
    /// `testedAt` after a successful test. Default: `epoch-ms`.
    pub tested_at: TestedAt,
    /// What `ignoreTestConnection` switches off. Default: `create-test`.
    pub ignore_test_connection: IgnoreTestConnection,
    /// The body of an answer beyond the API's limits. Default: `html`.
    pub rate_limit_body: RateLimitBody,
    /// Below which prefixes the delegate selectors are served. Default: `both`.
    pub manager_prefix: ManagerPrefix,
    /// Whether `forceDelete=true` is enabled for the account. Default: `disabled`.
    pub force_delete: ForceDelete,
}

/// The status of GET on a missing connector (question 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum NotFoundStatus {
    /// 400, as the server code of December 2023 has it.
    #[default]
    #[serde(rename = "400")]
    BadRequest,
    /// 404, which the Terraform provider accepts too.
    #[serde(rename = "404")]
    NotFound,
}

/// What a connection test answers when no delegate may do it (question 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoDelegate {
    /// 400 `INVALID_REQUEST`, as derived from the server code of December 2023.
    #[default]
    #[serde(rename = "invalid-request-400", alias = "hint-400")]
    InvalidRequest400,
    /// 200 with status `FAILURE` and the code 460, as in an old mock of the user interface.
    #[serde(rename = "failure-200")]
    Failure200,
}

/// Whether `harnessImageConnectorRef` counts in a Docker runtime (question 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DockerRuntimeOverride {
    /// It is not looked at, as in December 2023.
    #[default]
    Ignored,
    /// It is rule 1, as the schema of 2026 suggests.
    Honoured,
}

/// `testedAt` after a successful test of a Docker connector (question 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TestedAt {
    /// The time of the test, in milliseconds, as in samples.
    #[default]
    EpochMs,
    /// 0, as in the server code of December 2023.
    Zero,
}

/// What `ignoreTestConnection: true` switches off (question 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IgnoreTestConnection {
    /// The test after a create or an update; the status becomes `SUCCESS` unseen.
    #[default]
    CreateTest,
    /// Nothing.
    Nothing,
}

/// The body of an answer beyond the API's limits (question 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RateLimitBody {
    /// The page of Google's load balancers, whose Cloud Armor the documentation of the limits names.
    #[default]
    Html,
    /// A line of text, as the server code of December 2023 answers beyond the limit of its older API.
    Text,
}

/// Below which prefixes `/setup/delegates/…`, which is the older manager's, is served (question 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ManagerPrefix {
    /// Below `/api` and `/gateway/api`, and without either.
    #[default]
    Both,
    /// Below `/api` only.
    Api,
    /// Below `/gateway/api` only.
    GatewayApi,
}

/// Whether `forceDelete=true` is enabled: the account setting `enable_force_delete`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForceDelete {
    /// The parameter is refused.
    #[default]
    Disabled,
    /// References do not protect.
    Enabled,
}
