//! The journal: what happened in a world, in order, as typed events.
//!
//! Every reporter, check and verdict is a function of it. Secrets never enter it: they are left out where an event is
//! built.

mod book;
mod canonical;
mod event;

pub use book::{Entry, Journal};
pub use canonical::{canonical, read_canonical};
pub use event::{
    BodyEnd, BodyEnded, ConnectorChoice, ConnectorReason, Counted, DelegateSelected, EgressRefused, Event, Exchange,
    ExecutionEnded, Protocol, PullFinished, PullStarted, RetryWait, StageResolved, StepFinished, StepStarted, Subject,
};
