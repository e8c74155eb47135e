//! Load on a registry, ours or any other: what it takes, how fast it answers, and how it fails.
//!
//! The flow: a [`Workload`] says what is asked for, how much of it, and how much at once; [`run`] drives it through the
//! builtin puller, each worker with its own [`Latencies`]; their sum becomes a [`Report`].
//!
//! What is measured is wire time, from the first request of an operation to its last verified byte.

mod drive;
mod histogram;
mod report;
mod workload;

pub use drive::run;
pub use histogram::Latencies;
pub use report::{LatencySummary, Report};
pub use workload::{EmptyMix, Extent, Kind, Mix, Share, Workload};
