//! What a made-up image looks like.
//!
//! [`spec`] is the whole of it, [`format`] in which words its manifests are written and how its layers are compressed.

mod format;
mod spec;

pub use format::{Compression, ImageFormat};
pub(crate) use spec::in_library;
pub use spec::{ImageSpec, ImageSpecError, ReferrerSpec};
