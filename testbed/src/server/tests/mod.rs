//! Over real sockets.

mod endings;
mod limits;
mod malformed;
mod protocols;
mod stopping;
mod support;
