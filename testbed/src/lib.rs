//! What every actor of a world stands on.
//!
//! A *world* is one set of actors (registries, the Harness platform, pullers) with one [`Clock`], one [`Journal`] and
//! one [`Seed`]. The actors never import each other; what they share is here, and only values and handles: time, events,
//! [rules](rule), [servers](server), the world's [names](net), [pull tasks](task), [secrets](Secret), and user files with
//! places in them ([`yaml`], [`diagnostic`]).

pub mod clock;
pub mod diagnostic;
pub mod dialect;
pub mod duration;
pub mod evidence;
pub mod journal;
pub mod net;
mod open_files;
pub mod redact;
pub mod rule;
mod secret;
mod seed;
pub mod server;
pub mod task;
pub mod tls;
pub mod yaml;

pub use clock::{Clock, Timestamp};
pub use journal::{Event, Journal};
pub use open_files::raise_open_files;
pub use secret::Secret;
pub use seed::Seed;
