//! YAML files that keep their places, and are complained about all at once.
//!
//! A file goes through two steps. [`parse`] makes a tree of [`Node`]s, each with its [`Span`](crate::diagnostic::Span);
//! [`from_node`] makes a value of it through serde's derived implementations. serde stops at the first error, and this
//! does not: a part that fails is noted with its place and left out, and the rest is read on, so that one run shows
//! every complaint. How that is done is told in `read.rs`.
//!
//! For the types of a file this means:
//! - every struct refuses keys it does not have; `#[serde(expecting = "a registry")]` names it in complaints;
//! - enums are externally tagged: `- pull: {..}`. A type written in several shapes implements [`Shapes`], because serde's
//!   `untagged`, `flatten` and internal tags lose the places;
//! - text may be written without quotes even when it looks like a number: `tag: 3.10` reads as the text `3.10`;
//! - [`Spanned`] keeps a value's place for complaints that come later.
//!
//! What is read as a [`Secret`](crate::Secret), or stands at a key that tells of one, is hidden in complaints' excerpts;
//! `secrets.rs` tells what is found and what is not.
//!
//! The YAML is 1.2 with its core schema, one document, with merge keys (`<<`) as YAML 1.1 had them.

mod access;
mod compose;
mod deserializer;
mod ledger;
mod mapping;
mod merge;
mod message;
mod node;
mod read;
mod scalar;
mod secrets;
mod shapes;
mod spanned;
mod stand_in;
mod syntax;

pub use compose::{MAX_ALIASED_TEXT_BYTES, MAX_DEPTH, MAX_FILE_BYTES, MAX_VALUES, parse};
pub(crate) use message::closest;
pub use node::{Node, NodeValue};
pub use read::{from_node, from_str};
pub use shapes::{NoShape, Shapes, deserialize_shapes};
pub use spanned::Spanned;
