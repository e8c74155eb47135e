//! Content that is made up: computed from a seed where it is asked for, and never stored.
//!
//! [`noise`] is what files consist of, [`framing`] how a compressed stream wraps content, [`computed`] bytes of any number
//! with their digest, [`layer`] a tar of noise in its compression, [`image`] the manifests and indexes over those.

mod computed;
mod framing;
mod image;
mod layer;
mod noise;

pub(crate) use computed::Computed;
pub(crate) use image::{Composed, Synthetic};
pub(crate) use noise::Noise;
