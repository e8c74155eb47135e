//! The top of a scenario file.

use judge::{Finding, Judge};
use mock_harness::PlatformConfig;
use mock_registry::RegistryConfig;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use testbed::yaml::Spanned;

use super::{Entries, RegistryExpect, Step};

/// A scenario: who takes part, what happens, and what must then be true.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "pullrig scenario")]
pub struct Scenario {
    /// One sentence that says what the scenario shows.
    pub scenario: Spanned<String>,
    /// The seed of the world's randomness. Default: that of the run.
    #[serde(default)]
    pub seed: Option<u64>,
    /// The registries of the world, by the name that steps and expectations use. A registry without host names of its own
    /// answers under `<name>.test`.
    #[serde(default)]
    pub registries: Entries<RegistryConfig>,
    /// The Harness platform. Default: none takes part.
    #[serde(default)]
    pub harness: Option<PlatformConfig>,
    /// What happens, in order.
    pub steps: Vec<Spanned<Step>>,
    /// What each registry must have seen when all steps are done.
    #[serde(default)]
    pub expect: Entries<RegistryExpect>,
    /// What judges must find about the clients when all steps are done: `passed`, `failed` or `nothing`.
    #[serde(default)]
    #[schemars(schema_with = "verdicts")]
    pub verdicts: Entries<Spanned<Finding>>,
}

fn verdicts(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": generator.subschema_for::<Judge>(),
        "additionalProperties": generator.subschema_for::<Finding>(),
    })
}

/// The JSON Schema (draft 2020-12) of scenario files.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Scenario)
}
