//! The control API of `serve`, over the wire and by `pullrig ctl`, against the real program.

mod clock_and_journal;
mod lists;
mod openapi;
mod pulls;
mod snapshot;
mod world;
