//! `/v1/pulls`: the pulls that the journal tells of.

use axum::{extract::State, response::Response};
use judge::Pull;
use schemars::JsonSchema;
use serde::Serialize;

use super::{body::ok, server::App};

/// Pulls, in the order in which they begin.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Pulls {
    /// Each with its client, its image, and what it came to.
    pulls: Vec<Pull>,
    /// How many older entries no longer fitted in the journal: what they tell is not in here.
    dropped: u64,
}

pub(super) async fn get(State(app): State<App>) -> Response {
    let journal = &app.world.journal;
    let entries = journal.entries();
    // Read behind the entries, so that none is missed unsaid.
    ok(&Pulls { pulls: judge::pulls(&entries), dropped: journal.n_dropped() })
}
