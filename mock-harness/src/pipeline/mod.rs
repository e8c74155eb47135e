//! Harness pipelines (YAML v0) as users export them, read as far as images and delegates are concerned.
//!
//! [`Pipeline`] is what was understood; everything else in the file is let through unseen.

mod infrastructure;
mod inputs;
mod model;
mod named_connectors;
mod read;
mod reader;
mod steps;
mod store;

pub use inputs::input_values;
pub use model::{Infrastructure, Pipeline, Stage, Step};
pub(crate) use named_connectors::named_connectors;
pub(crate) use read::read_to_save;
pub(crate) use store::Pipelines;
