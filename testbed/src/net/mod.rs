//! The world's network as one place in it sees it: names, routes, egress.
//!
//! Registries answer under their real names. [`Names`] maps a host name to the listener that plays it, and a
//! `Vantage` is a place from which requests are made: it has a source address and an allowlist. A name that the world
//! does not have is never asked for outside, so that every run is hermetic. `Vantage` comes with the feature `client`.

mod names;
#[cfg(feature = "client")]
mod vantage;

pub use names::Names;
#[cfg(feature = "client")]
pub use vantage::{DialError, Vantage, VantageError};
