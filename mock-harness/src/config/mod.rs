//! Configuration: what a platform is made of, and the switches for what is not known for certain.

mod behaviour;
mod platform;
mod world_preset;

pub use behaviour::{
    Behaviour, DockerRuntimeOverride, ForceDelete, IgnoreTestConnection, ManagerPrefix, NoDelegate, NotFoundStatus,
    RateLimitBody, TestedAt,
};
pub use platform::{
    ApiKeyConfig, ApiLimitsConfig, DelegateConfig, HarnessImage, OrganizationConfig, Permission, PlatformConfig,
    PrincipalKind, SecretConfig,
};
pub use world_preset::{DefaultImages, WorldPreset, over_preset};
