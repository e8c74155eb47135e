//! Harness pipelines (YAML v0) as users export them, read as far as images and delegates are concerned.
//!
//! [`Pipeline`] is what was understood; everything else in the file is let through unseen.

mod expression;
mod infrastructure;
mod input;
mod inputs;
mod model;
mod named_connectors;
mod read;
mod reader;
mod steps;
mod store;

pub(crate) use inputs::InputSet;
pub use inputs::input_values;
pub use model::{Infrastructure, Pipeline, Stage, Step};
pub(crate) use read::{read_to_run, read_to_save};
pub(crate) use store::{Pipelines, StoredPipeline};
