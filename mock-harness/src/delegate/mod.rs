//! Which delegate does a task.

mod select;

pub use select::{NoDelegateError, select_delegate};
