//! The pull client that a delegate runs: asks a registry for an image, verifies every byte, and says how it went.
//!
//! It follows the order of a real client, one module per step: [`Puller::pull`] (`pull.rs` tells the whole story), one
//! request with its authentication and its retries (`transport.rs`, `token.rs`, [`Retries`]), the manifest
//! (`manifest.rs`), the blobs (`blob.rs`), and where they go ([`Sink`]). It knows no registry and no Harness: it meets
//! them over HTTP, from the [`Vantage`](testbed::net::Vantage) that its task names.
//!
//! How it behaves is data: a [`ClientProfile`], this project's own or that of a client that is imitated.
//!
//! Back-off is policy time and is slept on the world's clock; the deadlines of single requests are wire time.
//!
//! ```no_run
//! # async fn example(clock: testbed::Clock, journal: testbed::Journal, task: testbed::task::PullTask) {
//! use puller::{Puller, Sink};
//!
//! let puller = Puller::builder(&clock, &journal).sink(Sink::layout("images")).build();
//! match puller.pull(&task).await {
//!     Ok(pulled) => assert_eq!(pulled.n_retries, 0),
//!     Err(failure) => assert!(failure.message.starts_with("toomanyrequests: ")),
//! }
//! # }
//! ```
//!
//! Sources: distribution-spec v1.1; Docker token specification; facts/registry C1, C2, E1-E8.

mod blob;
mod client;
mod decode;
mod failure;
mod hosts;
mod jwt;
mod listing;
mod local_image;
mod login;
mod manifest;
mod progress;
mod pull;
mod puller;
mod push;
mod retry;
mod session;
mod sink;
mod token;
mod transport;
mod words;

pub use client::*;
pub use listing::Looked;
pub use local_image::{LocalBlob, LocalImage};
pub use progress::{Progress, Retrying};
pub use puller::{Puller, PullerBuilder};
pub use push::PushTask;
pub use retry::{Backoff, RetryAfter, RetryPolicy};
pub use sink::{OciLayout, Sink};
