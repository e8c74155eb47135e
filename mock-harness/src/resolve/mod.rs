//! From a stage to the images that its containers are pulled as, with the reason of every choice. Pure.
//!
//! stage -> `choose` the connector for Harness's own images -> list the `containers` ->
//! `compose` each name -> select a delegate. The real platform has no interface that tells any of this.

mod choose;
mod compose;
mod containers;
mod delegates;
mod error;
mod internal_images;
mod resolution;
mod stage;
mod warning;
mod warnings;

pub use choose::{RuleOutcome, RuleTried, choose_connector};
pub use compose::{Composed, compose_image};
pub use delegates::DelegateVerdict;
pub use error::ResolveError;
pub use internal_images::InternalImages;
pub use resolution::{Explanation, ImageExplanation, ImageResolution, PullSecret, StageResolution};
pub use stage::{explain_pipeline, resolve_pipeline, resolve_stage};
pub use warning::{Warning, WarningCode};
