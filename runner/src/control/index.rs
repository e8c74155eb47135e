//! `/v1`: what is served here, and where to ask about it.

use std::path::PathBuf;

use axum::{extract::State, response::Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::clock::ClockStatus;

use super::{body::ok, server::App};
use crate::serve::Listener;

/// What is served, and where to ask about it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Index {
    /// The version of pullrig.
    pub version: String,
    /// The seed of all randomness.
    pub seed: String,
    /// The file with the certificate that clients have to trust, if there is TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The folder in which registries keep what is pushed; without it that is memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<PathBuf>,
    /// The clock.
    pub clock: ClockStatus,
    /// The journal.
    pub journal: JournalState,
    /// Every listener.
    pub listeners: Vec<Listener>,
    /// What can be asked.
    pub endpoints: Vec<String>,
}

/// How full the journal is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct JournalState {
    /// The number of the newest entry; 0 if there never was one.
    pub last: u64,
    /// How many older ones no longer fitted.
    pub dropped: u64,
    /// How many it keeps.
    pub max_entries: usize,
}

pub(super) async fn get(State(app): State<App>) -> Response {
    let journal = &app.world.journal;
    ok(&Index {
        version: String::from(env!("CARGO_PKG_VERSION")),
        seed: app.world.seed().to_string(),
        ca: app.about.ca.clone(),
        store: app.about.store.clone(),
        clock: app.world.clock.status(),
        journal: JournalState {
            last: journal.last_seq(),
            dropped: journal.n_dropped(),
            max_entries: journal.max_entries(),
        },
        listeners: app.about.listeners.clone(),
        endpoints: super::server::endpoints(),
    })
}
