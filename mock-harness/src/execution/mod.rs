//! Running pipelines, as far as images go: resolve, select a delegate, pull, and keep a record.

mod log;
mod machine;
mod pod;
mod pull;
mod pull_secret;
mod record;
mod recorder;
mod run;

pub(crate) use log::ndjson;
pub(crate) use record::{Execution, Executions, ImageOutcome, Pulled, StageRecord, Status, StepRecord};
pub(crate) use run::start;
