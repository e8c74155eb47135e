//! The control API of a world that stays up: its clock, its journal, and what each of its registries does.
//!
//! One listener for the whole world, apart from the registries' own. `server` opens it, lets in who may come in and hands
//! each request to the file of its resource; every error is an [`ErrorBody`]; `openapi` describes all of it from the types
//! that read and write the bodies. [`Client`] is the other side, for `pullrig ctl`.
//!
//! Everything is read before anything is changed: a body that is wrong leaves the world as it was.

mod accounts;
mod body;
mod client;
mod clock;
mod error;
mod guard;
mod images;
mod index;
mod journal;
mod limits;
mod openapi;
mod pulls;
mod registries;
mod reset;
mod rules;
mod server;
mod snapshot;

pub use client::{Client, ClientError};
pub use clock::ClockChange;
pub use error::{ErrorBody, Refused};
pub use guard::Guard;
pub(crate) use server::About;
pub use server::{ControlOptions, ControlServer};

/// Where the control API listens unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:7878";
/// The URL of that.
pub const DEFAULT_URL: &str = "http://127.0.0.1:7878";
