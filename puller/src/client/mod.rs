//! Clients as data: what docker, containerd, podman and others put on the wire, one file each in `puller/clients`.
//!
//! [`ClientProfile`] is the data, [`Retries`] decides after a failure, and [`ClientProfile::requests_of_a_pull`] says what a
//! pull asks for. All of it is pure: no request is made here, and no clock is read.

mod habits;
mod hint;
mod order;
mod profile;
mod retries;
mod rule;

pub use habits::{
    BlobHabits, FullAnswer, HeadHabits, Issued, MessageStyle, MirrorHabits, MirroredRegistries, MirrorsDecided,
    NoExpiry, OnUnauthorized, PingScope, RealmGuard, RedirectHabits, RedirectedChallenge, Resume, TokenField,
    TokenHabits, TokenMethod,
};
pub use hint::{HintForm, read_hint};
pub use order::{ConfigTurn, HeadTurn, Login, Named, Order, PlannedRequest, PullShape};
pub use profile::ClientProfile;
pub use retries::{Decision, Failure, Retries};
pub use rule::{Beyond, Cause, Counting, OuterRounds, RequestKind, RetryAfterRule, RetryOn, RetryRule, RoundsOf, Wait};
