//! The judges, one in each file. Each says nothing where there is nothing to judge, and each can fail.

mod backoff_shape;
mod bounded_retries;
mod credentials_stay_home;
mod jitter;
mod mirror_order;
mod resume_offset;
mod token_reuse;
mod waits_retry_after;

pub(crate) use backoff_shape::backoff_shape;
pub(crate) use bounded_retries::bounded_retries;
pub(crate) use credentials_stay_home::credentials_stay_home;
pub(crate) use jitter::jitter;
pub(crate) use mirror_order::mirror_order;
pub(crate) use resume_offset::resume_offset;
pub(crate) use token_reuse::token_reuse;
pub(crate) use waits_retry_after::waits_retry_after;
