//! Pull limits: the pure window law, the limiter that keeps a window per key, and the layer that asks it.
//!
//! What counts is decided in [`count`], by whom it is counted in [`limiter`], and how a window moves in [`window`].

mod count;
mod key;
mod limiter;
mod window;

pub(crate) use count::limit;
pub(crate) use key::LimitKey;
pub(crate) use limiter::{Limiter, Standing};
