//! Listeners: one accept loop for every actor, HTTP/1 and HTTP/2, plain and TLS.
//!
//! Port 0 by default, so that worlds never meet; stopping is graceful and bounded, and so is what a listener bears
//! ([`Limits`]). Each request comes with its [`Connection`]: who is at the other end, and the means to break off
//! an answer, which rules need. What HTTP's machinery would not write is said with a [`RawAnswer`].
//!
//! A connection goes through `handle` (accepted, counted), `begin` (what the client speaks), `serve` (its exchanges, by
//! hyper), over a `stream`.

mod begin;
mod connection;
mod ending;
mod handle;
mod listen;
mod raw;
mod refuse;
mod serve;
mod stream;

pub use connection::{Connection, Facts};
pub use ending::{End, Ending};
pub use handle::{BindError, ServerHandle};
pub use listen::{ANY_PORT, Limits, Listen};
pub use raw::{AsStated, RawAnswer};
pub use serve::{Serve, introducing};

#[cfg(test)]
mod tests;
