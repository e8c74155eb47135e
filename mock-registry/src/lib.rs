//! A mock container registry: Docker Registry V2 and OCI distribution, with accounts, pull limits and faults.
//!
//! It plays real registries ([presets](preset_names)) with their host names, challenges, limits and texts, is as fast as a
//! server of static files, and writes what happened to a journal. It can be used alone, in any test that pulls or pushes
//! images.
//!
//! # A registry for a test
//!
//! Each has a port, a clock and a journal of its own, so tests run side by side. What is [expected](MockRegistry::expect) of
//! it is verified when it is dropped, in the manner of wiremock.
//!
//! ```
//! use mock_registry::{Expect, ImageSpec, MockRegistry};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # // In this workspace reqwest has TLS without a provider of its own.
//! # drop(rustls::crypto::ring::default_provider().install_default());
//! let registry = MockRegistry::start().await;
//! registry.add_image(&ImageSpec::new("team/app:1", ["2MiB".parse()?, "512KiB".parse()?])?).await?;
//! registry.expect(Expect::pulls("team/app").times(1));
//!
//! // Here the code under test pulls from `registry.address()`.
//! let manifest = reqwest::get(format!("{}/v2/team/app/manifests/1", registry.url())).await?;
//! assert_eq!(manifest.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! The layers are made up, and never stored: a TiB costs nothing but the time of its digest. Real images come in by being
//! pushed.
//!
//! # Throttling, accounts, faults
//!
//! A [`Builder`] takes a preset and what is different about it. The same [`RegistryConfig`] is what a scenario file says of a
//! registry, and the same [rules](testbed::rule) script it:
//!
//! ```
//! use mock_registry::{MockRegistry, testbed::rule::Rule};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = MockRegistry::builder("hub")
//!     .preset("dockerhub")
//!     .limit("2/6h".parse()?)
//!     .account("ci".parse()?, "secret")
//!     .start()
//!     .await?;
//! let flaky: Rule = serde_json::from_str(
//!     r#"{ "when": { "blob": "get", "attempt": 1 }, "then": { "cut": { "after": "50%" } } }"#,
//! )?;
//! hub.rules().add(flaky);
//! // Limits, tokens and `Retry-After` go by this clock: six hours cost nothing.
//! hub.clock().advance(std::time::Duration::from_secs(6 * 3600));
//! # Ok(())
//! # }
//! ```
//!
//! # What happened
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let hub = mock_registry::MockRegistry::start().await;
//! // Every request with what was decided about it: principal, limit, rule, error code.
//! for asked in hub.received() {
//!     println!("{} {} {:?} {:?}", asked.method, asked.target, asked.status, asked.counted);
//! }
//! // And everything in its order, with the moves of the clock and the ends of bodies.
//! for entry in hub.journal().entries() {
//!     println!("{entry}");
//! }
//! hub.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # How it is made
//!
//! A request goes through the modules in this order: `exchange` (what is asked for, parsed once; one journal event),
//! `rule`, `auth`, `limit`, `api`, `store`. Each layer hands its decision up as a value; `app` is the flow.

mod accounts;
mod api;
mod app;
mod auth;
mod body;
mod cdn;
mod config;
mod dialects;
mod error;
mod exchange;
mod expect;
mod header;
mod host;
mod image;
mod import;
mod limit;
mod preset;
mod proxy;
mod registry;
mod rule;
mod settings;
mod state;
mod store;

pub use config::{
    ACCOUNTS, ANONYMOUS, AbsentRepository, AccountConfig, Algorithm, Allow, AlsoBasic, ApiConfig, AuthConfig,
    ChallengeConfig, ConfigError, CountedBy, Counts, DeleteConfig, Exempt, HeaderStyle, HeadersOn, ImageConfig,
    ImageSource, LimitConfig, Measure, Only, Protocol, ReferrerConfig, Refused, RegistryConfig, RetryAfterForm,
    TokenConfig, TokenField, TokenFormat, TokenPost, Told, Units, UpstreamConfig, UpstreamRefusal, Who,
};
pub use expect::Expect;
pub use image::{Compression, ImageFormat, ImageSpec, ImageSpecError, ReferrerSpec};
pub use import::{ImportError, ImportSpec};
pub use limit::{Accounting, Charge, LimitUsage, Outcome, RefusedBy};
pub use preset::{
    Description, Evidence, Known, Mark, Preset, Section, Statement, answer_in_words, closest_preset, is_preset_file,
    preset_about, preset_names,
};
pub use registry::{Builder, Limited, MockRegistry, StartError};
pub use store::StoreError;

pub use oci;
pub use testbed;
