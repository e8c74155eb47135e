//! Harness pipelines (YAML v0) as users export them, read as far as images and delegates are concerned.
//!
//! [`Pipeline`] is what was understood; everything else in the file is let through unseen.

mod model;
mod read;
mod reader;
mod store;

pub use model::{Infrastructure, Pipeline, Stage, Step};
pub use read::input_values;
pub(crate) use read::named_connectors;
pub(crate) use store::Pipelines;
