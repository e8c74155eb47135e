//! One file per verb.

pub(crate) mod check;
pub(crate) mod ctl;
pub(crate) mod resolve;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod serve;
