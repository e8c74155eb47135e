//! What a journal says about clients: the pulls that they made, and whether they behaved.
//!
//! Pure functions of journal entries. A registry sees requests and not intentions, so a pull is put together from
//! what belongs together: `reading` pairs exchanges with the ends of their bodies, `group` says which of them are one
//! pull, and [`pulls`] tells what each came to. `case` is what judges look at, and [`verdicts`] are what they find;
//! each judge is one file in `judges`.

mod case;
mod group;
mod judges;
mod pull;
mod reading;
mod verdict;

pub use pull::{Client, Pull, pulls};
pub use verdict::{Finding, Judge, UnknownJudge, Verdict, finding, verdicts};
