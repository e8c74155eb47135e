//! The `registries.<name>` section of a scenario file, and what is wrong with it.

mod allow;
mod api;
mod check;
mod check_limits;
mod counts;
mod image;
mod limit;
mod quirks;
mod registry;
mod scalar;

pub use allow::Allow;
pub use api::{ApiConfig, DeleteConfig};
pub use check::ConfigError;
pub(crate) use check::{check, check_accounts, compose_uuid};
pub(crate) use check_limits::{check_each, problems as limit_problems, set};
pub use counts::Counts;
pub use image::{ImageConfig, ImageSource, ReferrerConfig};
pub use limit::{
    ACCOUNTS, ANONYMOUS, Algorithm, CountedBy, Exempt, HeaderStyle, HeadersOn, LimitConfig, Measure, Only, Protocol,
    Refused, RetryAfterForm, Units, Who,
};
pub use quirks::{
    AbsentRepository, AlsoBasic, ChallengeConfig, TokenConfig, TokenField, TokenFormat, TokenPost, Told,
    UpstreamConfig, UpstreamRefusal,
};
pub use registry::{AccountConfig, AuthConfig, RegistryConfig};
