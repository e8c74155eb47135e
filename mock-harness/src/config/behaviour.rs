//! What could not be verified about the real platform: one switch per question, each with both answers.
//!
//! Source: facts/harness, section U.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// The switches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default, expecting = "the platform's switches")]
pub struct Behaviour {
    /// The status of GET on a missing connector. Default: `400`.
    #[schemars(schema_with = "status_or_its_text")]
    pub not_found_status: NotFoundStatus,
    /// What a connection test answers when no delegate may do it. Default: `invalid-request-400`.
    pub no_delegate: NoDelegate,
    /// Whether `harnessImageConnectorRef` counts in a Docker runtime. Default: `ignored`.
    pub docker_runtime_override: DockerRuntimeOverride,
    /// `testedAt` after a successful test. Default: `epoch-ms`.
    pub tested_at: TestedAt,
    /// What `ignoreTestConnection` switches off. Default: `create-test`.
    pub ignore_test_connection: IgnoreTestConnection,
    /// What comes of testing a connector of another type than `DockerRegistry`. Default: `unknown`.
    pub other_types_test: OtherTypesTest,
    /// The body of an answer beyond the API's limits. Default: `html`.
    pub rate_limit_body: RateLimitBody,
    /// Below which prefixes the delegate selectors are served. Default: `both`.
    pub manager_prefix: ManagerPrefix,
    /// What a create of an identifier that is taken is told. Default: `invalid-request`.
    pub duplicate_identifier: DuplicateIdentifier,
    /// How the message about a missing secret is put together. Default: `nested`.
    pub missing_secret_prefix: SecretPrefix,
    /// The body that a key that is not valid is refused with. Default: `error-dto`.
    pub invalid_key_body: InvalidKeyBody,
    /// Whether connectors are answered with fields of newer servers. Default: `none`.
    pub extra_fields: ExtraFields,
    /// Whether answers about connectors have fields without a value. Default: `sent`.
    pub nulls: Nulls,
    /// How long *Initialize* waits for a pod whose image cannot be pulled. Default: `until-timeout`.
    pub image_pull_back_off: ImagePullBackOff,
    /// Where runners of Harness Cloud take Harness's own images from first. Default: `google`.
    pub cloud_driver: CloudDriver,
}

/// In files it is a number, and its text is taken too.
fn status_or_its_text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": [400, 404, "400", "404"] })
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

/// What comes of testing a connector of another type than `DockerRegistry`. The platform asks what such a connector is about,
/// a cluster or a cloud, which is not there to be asked in a world of registries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OtherTypesTest {
    /// Nothing: the status is `UNKNOWN`.
    #[default]
    Unknown,
    /// It passes unseen: the status is `SUCCESS`.
    Success,
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

/// What a create of an identifier that is taken is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DuplicateIdentifier {
    /// `INVALID_REQUEST`, of the check that comes before.
    #[default]
    InvalidRequest,
    /// `DUPLICATE_FIELD`, of the database: as if the check had found the identifier free and another request had been
    /// faster. Here check and creation are one step, so that the race itself is never lost this way.
    DuplicateField,
}

/// Where the message about a missing secret says `Invalid request:` (question 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretPrefix {
    /// At its beginning, and once more where the inner message begins, as in samples.
    #[default]
    Nested,
    /// At its beginning only.
    Outer,
}

/// The body that a key that is not valid is refused with, 401 (question 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InvalidKeyBody {
    /// The envelope of errors that the server itself has.
    #[default]
    ErrorDto,
    /// The older envelope of the manager, which a gateway before it may answer with: `metaData`, `resource`,
    /// `responseMessages`.
    RestResponse,
}

/// Whether connectors are answered with fields of newer servers (question 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExtraFields {
    /// They are not.
    #[default]
    None,
    /// `uniqueId` and `parentUniqueId`.
    UniqueIds,
}

/// Whether answers about connectors have fields without a value (question 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nulls {
    /// As `null`.
    #[default]
    Sent,
    /// They are left out.
    Omitted,
}

/// How long *Initialize* waits for a pod whose image cannot be pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImagePullBackOff {
    /// As kubelet and the delegate do: the pull is tried again after 10 s, 20 s and so on, up to every 300 s, until it succeeds
    /// or `initTimeout` (8 minutes) is over, in policy time.
    #[default]
    UntilTimeout,
    /// The first failure ends the stage at once: for clocks that are real.
    FirstFailure,
}

/// `CLOUD_DRIVER` of the runners of Harness Cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CloudDriver {
    /// Google's registry: `us-docker.pkg.dev/gar-prod-setup/harness-public`.
    #[default]
    Google,
    /// Amazon's: `public.ecr.aws/harness`.
    Amazon,
}
