//! The platform's HTTP interface: one file per resource, one `envelope`, one layer (`exchange`) around everything.
//!
//! Source: facts/harness B to E. Every path is served with and without the prefix `/gateway`.

mod app;
mod auth;
mod catalogue;
mod connector_body;
mod connector_list;
mod connectors;
mod delegates;
mod envelope;
mod exchange;
mod execution_body;
mod execution_config;
mod executions;
mod limit;
mod logs;
mod multipart;
mod organizations;
mod page;
mod params;
mod pipelines;
mod rule;
mod secrets;
mod settings;
mod spring_page;
mod zip;

pub(crate) use app::app;
pub(crate) use envelope::{Answered, ApiError, Messages, success};
pub(crate) use limit::ApiLimits;
