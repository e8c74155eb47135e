//! The task that the Harness side gives to whoever pulls: a plain value, and what comes back.

#[cfg(feature = "client")]
mod agent;
mod outcome;

#[cfg(feature = "client")]
pub use agent::{Credentials, PullAgent, PullTask, SharedAgent};
pub use outcome::{Effort, FailureKind, PullFailure, PulledImage};
