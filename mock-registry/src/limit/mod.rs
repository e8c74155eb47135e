//! Pull limits: the pure window law, the limiter that keeps a window per key, and the layer that asks it.
//!
//! What counts is decided in [`layer`], by whom it is counted in [`limiter`], and how a window moves in [`window`].

mod key;
mod layer;
mod limiter;
mod window;

pub(crate) use key::LimitKey;
pub(crate) use layer::limit;
pub(crate) use limiter::{Limiter, Standing};
