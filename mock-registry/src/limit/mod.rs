//! Limits: the pure laws of windows, the limiter that keeps them for each key, and the layer that asks it.
//!
//! Which requests count, by what and how much is the configuration's ([`LimitConfig`](crate::LimitConfig)). A request passes
//! the limits in their order: each that it passes is charged, and the first that has nothing left refuses it. What is known
//! only with the answer (bytes, a failed login, an index) is settled then.
//!
//! [`key`]: what requests are counted by. [`law`]: how windows move. [`keys`]: the state of every key of one limit.
//! [`limiter`]: all limits of a registry. [`told`]: the headers. [`layer`]: a request's way through. [`accounting`]: the same
//! without HTTP.

mod accounting;
mod key;
mod keys;
mod law;
mod layer;
mod limiter;
mod permit;
mod told;

pub use accounting::{Accounting, Charge, Outcome, RefusedBy};
pub(crate) use key::{LimitKey, ToldKey};
pub(crate) use layer::{Passed, pass, settle};
pub use limiter::LimitUsage;
pub(crate) use limiter::{Asked, Limiter, Ruling, Settled, Standing};
pub(crate) use permit::Permits;
