//! A mock Harness platform: connectors, secrets, delegates, pipelines.
//!
//! It plays the platform over HTTP, as [`MockHarness`], and decides without any server which connector, image and delegate
//! each stage of a pipeline gets and why, as [`resolve_pipeline`]. The modules follow the flow of a stage:
//! [`config`] -> [`account`] -> [`pipeline`] -> [`resolve`] -> [`delegate`] -> `execution`; `test_connection` is what
//! a connector's test does to a registry, and `api` is the interface over all of it.
//!
//! Behaviour follows the public server code of December 2023 and newer public schemas; what is not known for certain is a
//! switch in [`config::Behaviour`].

pub mod account;
mod api;
pub mod config;
pub mod delegate;
mod execution;
pub mod pipeline;
mod platform;
pub mod resolve;
mod server;
mod test_connection;

pub use account::{Account, ConfigError};
pub use config::PlatformConfig;
pub use pipeline::Pipeline;
pub use resolve::{ImageResolution, ResolveError, StageResolution, resolve_pipeline};
pub use server::{MockHarness, MockHarnessBuilder, StartError};
