//! A mock container registry: Docker Registry V2 and OCI distribution, with accounts, pull limits and faults.
//!
//! It plays real registries ([presets](preset_names)), with their host names, challenges, limits and texts, and writes what
//! happened to a journal. It can be used alone, in any test that pulls images:
//!
//! ```
//! use mock_registry::{ImageSpec, MockRegistry, RegistryConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = MockRegistry::builder("hub")
//!     .config(RegistryConfig {
//!         preset: Some(String::from("dockerhub-anon").into()),
//!         limit: Some("2/6h".parse()?),
//!         ..RegistryConfig::default()
//!     })
//!     .start()
//!     .await?;
//! let digest = hub.add_image(&ImageSpec::new("harness/ci-addon:1.16.92", ["512KiB".parse()?])?).await?;
//! println!("{digest} is at {}", hub.url());
//!
//! for entry in hub.journal().entries() {
//!     println!("{entry}");
//! }
//! hub.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! A request goes through the modules in this order: `exchange` (what is asked for, parsed once; one journal event),
//! `rule`, `auth`, `limit`, `api`, `store`. Each layer leaves its decision on the response.

mod api;
mod app;
mod auth;
mod body;
mod config;
mod error;
mod exchange;
mod image;
mod limit;
mod preset;
mod registry;
mod rule;
mod settings;
mod state;
mod store;

pub use config::{AccountConfig, AuthConfig, ConfigError, ImageConfig, RegistryConfig};
pub use image::{ImageSpec, ImageSpecError};
pub use preset::{preset_about, preset_names};
pub use registry::{Builder, Limited, MockRegistry, StartError};
