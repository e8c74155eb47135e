//! How a clock stands, what a snapshot keeps of it, and what it refuses.

use std::time::Duration;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::{Time, Timestamp};

/// What makes a clock go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockMode {
    /// The machine's clock, with an offset.
    System,
    /// Moves, and nothing else.
    Virtual,
    /// A clock of the machine that stands until it is thawed; it can still be moved.
    Frozen,
}

/// How a clock stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ClockStatus {
    /// The present instant of policy time.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub now: Timestamp,
    /// What makes it go.
    pub mode: ClockMode,
    /// How far it is from the machine's time, or, if it is virtual, from its start: `6h`. Less than nothing (`-2m`) if it
    /// stood for longer than it was moved. In whole milliseconds.
    #[serde(serialize_with = "print", deserialize_with = "parse")]
    #[schemars(with = "String")]
    pub offset: SignedDuration,
    /// Whether it moves by itself when everyone sleeps on it. Only virtual clocks do.
    pub auto_advance: bool,
    /// How many sleep on it.
    pub waiting: usize,
}

/// What a snapshot keeps of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClockState {
    /// The instant that it showed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub now: Timestamp,
    /// What made it go.
    pub mode: ClockMode,
    /// Whether it moved by itself.
    pub auto_advance: bool,
}

/// What a clock cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClockError {
    /// It was to be set to an instant in its past.
    #[error("the clock is past {to}, it shows {now}")]
    Backwards {
        /// What it shows.
        now: Timestamp,
        /// What it was to show.
        to: Timestamp,
    },
    /// A virtual clock was to be frozen or thawed.
    #[error("a virtual clock stands already")]
    Stands,
    /// A clock of the machine was to move by itself, or not to.
    #[error("a clock that follows the machine's never moves by itself")]
    NeverAlone,
    /// The snapshot is of a clock of another kind.
    #[error("the snapshot is of a virtual clock and this one follows the machine's, or the other way round")]
    OtherKind,
}

impl ClockError {
    /// What to do instead.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Backwards { .. } => "a clock moves forward only; a reset takes it back to its start",
            Self::Stands => "switch auto-advance off to keep it from moving by itself",
            Self::NeverAlone => "freeze it, or advance it",
            Self::OtherKind => "restore it in a world with the same kind of clock",
        }
    }
}

impl From<&ClockStatus> for ClockState {
    fn from(status: &ClockStatus) -> Self {
        Self { now: status.now, mode: status.mode, auto_advance: status.auto_advance }
    }
}

impl ClockState {
    /// The time that goes on from here, in place of `present`.
    pub(super) fn onto(self, present: &Time) -> Result<Time, ClockError> {
        match (self.mode, present) {
            (ClockMode::Virtual, Time::Virtual { start, .. }) => {
                Ok(Time::Virtual { start: *start, now: self.now, moves_alone: self.auto_advance })
            }
            (ClockMode::System, Time::System { .. } | Time::Frozen(_)) => Ok(Time::system_at(self.now)),
            (ClockMode::Frozen, Time::System { .. } | Time::Frozen(_)) => Ok(Time::Frozen(self.now)),
            _ => Err(ClockError::OtherKind),
        }
    }
}

fn print<S: Serializer>(offset: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    let ms = offset.as_millis();
    // Less than a millisecond is nothing, and has no sign.
    let sign = if ms < 0 { "-" } else { "" };
    let ms = u64::try_from(ms.unsigned_abs()).unwrap_or(u64::MAX);
    serializer.collect_str(&format_args!("{sign}{}", crate::duration::print(Duration::from_millis(ms))))
}

fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_written_as_people_do_and_read_back() {
        for (ms, text) in [(0, "0s"), (21_600_000, "6h"), (-90_500, "-1m 30s 500ms")] {
            let status = ClockStatus {
                now: crate::Clock::DEFAULT_START,
                mode: ClockMode::System,
                offset: SignedDuration::from_millis(ms),
                auto_advance: false,
                waiting: 0,
            };
            let json = serde_json::to_value(&status).unwrap();
            assert_eq!(json["offset"], text);
            assert_eq!(serde_json::from_value::<ClockStatus>(json).unwrap(), status);
        }
    }
}
