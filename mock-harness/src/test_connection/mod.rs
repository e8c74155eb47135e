//! What "Test Connection" does to a registry, and what comes of it.
//!
//! delegate or platform -> `reach` the URL -> `credentials` in two rounds -> `outcome` in the platform's words; `http` sends.
//!
//! Source: facts/harness B7.

mod challenge;
mod credentials;
mod http;
mod outcome;
mod reach;
mod run;

pub(crate) use outcome::answer;
pub(crate) use reach::ReachCache;
pub(crate) use run::{run_to_end, settle_later};
