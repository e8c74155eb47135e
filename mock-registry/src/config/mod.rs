//! The `registries.<name>` section of a scenario file, and what is wrong with it.

mod check;
mod registry;

pub use check::ConfigError;
pub(crate) use check::check;
pub use registry::{AccountConfig, AuthConfig, ImageConfig, RegistryConfig};
