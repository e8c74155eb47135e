//! Who a request is, and whether it may: none, Basic, or bearer tokens.
//!
//! [`identity`] reads what the client shows, [`token`] makes and reads tokens, [`grant`] decides what a principal may do,
//! [`challenge`] says what to show instead, and [`authorize`] puts them together. The token endpoint itself is in `api`.
//!
//! Source: Docker token specification; facts/registry A2, C1, C3.

mod authorize;
mod challenge;
mod grant;
mod identity;
mod token;

pub(crate) use authorize::{authorize, compose_refusal};
pub(crate) use challenge::{compose_challenges, join_scopes};
pub(crate) use grant::{grant, may_pull};
pub(crate) use identity::{Identity, Proof};
pub(crate) use token::{Tokens, Wish};
