//! What a journal says about clients: the pulls that they made.
//!
//! Pure functions of journal entries. A registry sees requests and not intentions, so a pull is put together from what
//! belongs together: `reading` pairs exchanges with the ends of their bodies, `group` says which of them are one pull, and
//! [`pulls`] tells what each came to.

mod group;
mod pull;
mod reading;

pub use pull::{Client, Pull, pulls};
