//! Scenario files, from text to report.
//!
//! The modules are the steps of the way: [`mod@format`] (the file as types) → [`plan`] (every name known) → [`world`] (actors
//! on loopback sockets) → `run` (the steps) → `check` (expectations against what was seen) → [`report`]. [`suite`] does it
//! for many scenarios at once. [`serve`] is a world that stays up, [`control`] is how it is asked and changed from outside,
//! and [`resolve`] asks where pulls would go without making any. [`simulate`] plays fleets without sockets, [`cost`] tells
//! what pulls use up, and [`presets`] which registries can be played.

mod check;
pub mod control;
pub mod cost;
pub mod discover;
pub mod format;
pub mod outcome;
pub mod plan;
pub mod presets;
pub mod report;
pub mod resolve;
mod run;
pub mod serve;
pub mod simulate;
pub mod suite;
pub mod world;
