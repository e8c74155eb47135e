//! What the tests that cross packages share: the `pullrig` program, a `serve` that ends with its test, a client that asks
//! registries by hand, texts with their accidents taken out, and the question whether a foreign tool is here.
//!
//! The tests themselves are in `tests/`, one file for each thing that a user would notice.

pub mod by_hand;
pub mod needs;
pub mod program;
pub mod redact;
pub mod relay;
pub mod serve;
