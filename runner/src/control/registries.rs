//! `/v1/registries`: which there are.

use axum::{
    extract::{Path, State},
    response::Response,
};
use mock_registry::MockRegistry;
use schemars::JsonSchema;
use serde::Serialize;

use super::{body::ok, error::ApiError, server::App};

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
        }
    }
}

impl App {
    /// The registry called `name`.
    ///
    /// # Errors
    /// 404: there is none.
    pub(super) fn registry(&self, name: &str) -> Result<&MockRegistry, ApiError> {
        let known = || self.world.registries().map(|(name, _)| name);
        self.world.registry(name).ok_or_else(|| ApiError::unknown("registry", name, known()))
    }
}
