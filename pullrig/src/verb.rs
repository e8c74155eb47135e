//! One file per verb.

pub(crate) mod check;
pub(crate) mod cost;
pub(crate) mod ctl;
mod fleet;
pub(crate) mod presets;
pub(crate) mod resolve;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod simulate;
