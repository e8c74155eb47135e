//! TLS: the authority of a world, and the certificates that its listeners show.
//!
//! An [`Authority`] signs; [`Certificates`] are one listener's, made when a client first asks for a name. Everything is
//! ECDSA P-256, which every client knows and which takes a millisecond to make. Private keys are in memory only, but for that
//! of an authority that is [kept](Authority::keep), and no `Debug` shows one.

mod authority;
mod certificates;
mod client;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use authority::{Authority, AuthorityError, CERTIFICATE_FILE};
pub use certificates::{CertificateError, CertificateFlaw, Certificates};
pub use client::client_config;
#[cfg(feature = "client")]
pub use client::{is_certificate_refused, system_client_config, trusting_client_config};

/// The one implementation of the primitives, named everywhere, so that no default of the process decides.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
