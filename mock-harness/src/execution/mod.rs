//! Running pipelines, as far as images go: resolve, select a delegate, pull, and keep a record.

mod images;
mod record;
mod run;

pub(crate) use record::{Execution, Executions, ImageOutcome, Pulled, StageOutcome, Status};
pub(crate) use run::start;
