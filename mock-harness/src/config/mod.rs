//! Configuration: what a platform is made of, and the switches for what is not known for certain.

mod access;
mod behaviour;
mod governance;
mod platform;
mod world_preset;

pub use access::{ApiKeyConfig, GrantConfig, Permission, PrincipalKind};
pub use behaviour::{
    Behaviour, CloudDriver, DockerRuntimeOverride, DuplicateIdentifier, ExtraFields, IgnoreTestConnection,
    ImagePullBackOff, InvalidKeyBody, ManagerPrefix, NoDelegate, NotFoundStatus, Nulls, OtherTypesTest, RateLimitBody,
    SecretPrefix, TestedAt,
};
pub use governance::{AuthType, PolicyConfig, PolicySeverity, SettingsConfig};
pub use platform::{
    ApiLimitsConfig, DelegateConfig, HarnessImage, ImageOverrides, OrganizationConfig, PlatformConfig, SecretConfig,
};
pub use world_preset::{DefaultImages, WorldPreset, over_preset};
