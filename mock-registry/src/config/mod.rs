//! The `registries.<name>` section of a scenario file, and what is wrong with it.

mod api;
mod check;
mod image;
mod registry;

pub use api::{ApiConfig, DeleteConfig};
pub use check::ConfigError;
pub(crate) use check::check;
pub use image::{ImageConfig, ImageSource, ReferrerConfig};
pub use registry::{AccountConfig, AuthConfig, RegistryConfig};
