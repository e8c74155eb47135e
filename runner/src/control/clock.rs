//! `/v1/clock`: how the clock stands, and what makes it move.

use axum::{extract::State, response::Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use testbed::{Clock, Timestamp};

use super::{
    body::{Read, ok, understand},
    error::ApiError,
    server::App,
};

const ONE_OF: &str =
    r#"send one of {"advance": "6h"}, {"freeze": true}, {"set": "2030-01-01T00:00:00Z"} and {"auto-advance": true}"#;

/// What a clock is told: exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockChange {
    /// Move forward by so much: `6h`, `1m 30s`.
    Advance(String),
    /// Stand, or go on from where it stands.
    Freeze(bool),
    /// Move forward to this instant: `2026-01-01T00:00:00Z`.
    Set(#[schemars(with = "String", extend("format" = "date-time"))] Timestamp),
    /// Move by itself when everyone sleeps on it, or not. For virtual clocks.
    AutoAdvance(bool),
}

pub(super) async fn get(State(app): State<App>) -> Response {
    ok(&app.world.clock.status())
}

pub(super) async fn post(State(app): State<App>, Read(change): Read<Value>) -> Result<Response, ApiError> {
    let change: ClockChange = understand(change).map_err(|error| error.or_hint(ONE_OF))?;
    change.make(&app.world.clock)?;
    Ok(ok(&app.world.clock.status()))
}

impl ClockChange {
    fn make(&self, clock: &Clock) -> Result<(), ApiError> {
        match self {
            Self::Advance(by) if by.trim_start().starts_with('-') => {
                let error = ApiError::wrong("backwards", format!("advance: `{by}` would move the clock backwards"));
                return Err(error.hint("a clock moves forward only; POST /v1/reset takes it back to its start"));
            }
            Self::Advance(by) => {
                let by = testbed::duration::parse(by)
                    .map_err(|error| ApiError::wrong("wrong-body", error).below("advance"))?;
                clock.advance(by);
            }
            Self::Freeze(stands) => clock.freeze(*stands)?,
            Self::Set(to) => clock.set(*to)?,
            Self::AutoAdvance(moves) => clock.set_auto_advance(*moves)?,
        }
        Ok(())
    }
}
