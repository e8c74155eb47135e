//! `/v1/registries`: which there are.

use axum::{
    extract::{Path, State},
    response::Response,
};
use mock_registry::MockRegistry;
use schemars::JsonSchema;
use serde::Serialize;

use super::{body::ok, error::ApiError, server::App};
use crate::world::HARNESS_API;

/// A registry.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RegistryState {
    /// Its name, in the journal and in paths here.
    name: String,
    /// Where it is reached.
    url: String,
    /// The host names that it plays.
    hosts: Vec<String>,
    /// How many rules it follows.
    rules: usize,
    /// The names of its limits, in order.
    limits: Vec<String>,
    /// Who can log in.
    accounts: Vec<String>,
}

pub(super) async fn list(State(app): State<App>) -> Response {
    let registries = app.world.registries().map(|(_, registry)| RegistryState::of(registry));
    ok(&registries.collect::<Vec<_>>())
}

pub(super) async fn get(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    Ok(ok(&RegistryState::of(app.registry(&name)?)))
}

impl RegistryState {
    fn of(registry: &MockRegistry) -> Self {
        Self {
            name: String::from(registry.name()),
            url: registry.url(),
            hosts: registry.hosts(),
            rules: registry.rules().uses().len(),
            limits: registry.limits().into_iter().map(|limit| limit.name).collect(),
            accounts: registry.accounts().into_iter().map(|account| account.name.to_string()).collect(),
        }
    }
}

impl App {
    /// The registry called `name`.
    ///
    /// # Errors
    /// 404: there is none.
    pub(super) fn registry(&self, name: &str) -> Result<&MockRegistry, ApiError> {
        if name == HARNESS_API && self.world.harness().is_some() {
            let error = ApiError::conflict("no-registry", "the Harness API is no registry");
            return Err(error.hint("it has rules, and nothing else that is changed here"));
        }
        let known = || self.world.registries().map(|(name, _)| name);
        self.world.registry(name).ok_or_else(|| ApiError::unknown("registry", name, known()))
    }
}
