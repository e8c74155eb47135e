//! `/v1/reset`: as if nobody had asked anything yet.

use axum::{extract::State, response::Response};

use super::{index, server::App};

/// The clock goes back to its start, registries have the limits, accounts and rules of their start and nothing used, and the
/// journal is empty. Images stay.
pub(super) async fn post(State(app): State<App>) -> Response {
    {
        let _turn = app.turn.lock().await;
        app.world.clock.reset();
        for (_, registry) in app.world.registries() {
            registry.reset();
        }
        if let Some(harness) = app.world.harness() {
            harness.rules().replace(app.harness_rules.iter().cloned());
        }
        // Last, so that the reset does not tell of itself.
        app.world.journal.clear();
    }
    index::get(State(app)).await
}
