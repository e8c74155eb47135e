//! Delegates: which there are at an instant, and which of them does a task.
//!
//! `life` (when it beats) -> `index` (who is there, by selector and owner) -> `select` -> one of them. `pool` keeps them.

mod bits;
mod group;
mod index;
mod life;
mod pool;
mod select;
mod token;

pub(crate) use group::Group;
pub use life::Life;
pub(crate) use pool::DelegatePool;
pub use select::{DelegateTask, NoDelegateError};
pub(crate) use token::{DEFAULT_TOKEN, DelegateToken, TokenRefusal, Tokens};
