//! One node's way through its pull: a pure state machine. What becomes of a request is told to it, and it says what comes next.

use std::time::Duration;

use puller::{Cause, ClientProfile, Decision, Failure, Named, PlannedRequest, RequestKind, Retries, RetryOn, RoundsOf};
use testbed::{Seed, Timestamp};

use super::Restart;

/// A node and how far it has come.
#[derive(Debug)]
pub(super) struct Node<'a> {
    client: &'a ClientProfile,
    plan: &'a [PlannedRequest],
    restart: Restart,
    seed: Seed,
    retries: Retries,
    /// Which request of the plan comes next.
    step: usize,
    /// The request that is made in place of the plan's.
    instead: Option<PlannedRequest>,
    attempt: u32,
    round: u32,
    n_restarts: u32,
}

/// How a request was refused.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) now: Timestamp,
}

/// What a node does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its next request, after such a wait.
    After(Duration),
    /// A pull from the begin, after such a wait.
    AnewAfter(Duration),
    /// Nothing: it has the image.
    Pulled,
    /// Nothing: it gave up.
    GaveUp,
}

impl<'a> Node<'a> {
    /// A node that has not asked anything yet.
    pub(super) fn new(client: &'a ClientProfile, plan: &'a [PlannedRequest], restart: Restart, seed: Seed) -> Self {
        let retries = Retries::new(client, seed);
        Self { client, plan, restart, seed, retries, step: 0, instead: None, attempt: 1, round: 1, n_restarts: 0 }
    }

    /// The request that it makes now.
    pub(super) fn request(&self) -> Option<PlannedRequest> {
        self.instead.or_else(|| self.plan.get(self.step).copied())
    }

    /// Its request was answered well.
    pub(super) fn succeed(&mut self) -> Next {
        self.retries.succeeded();
        self.instead = None;
        self.attempt = 1;
        self.step += 1;
        if self.step < self.plan.len() { Next::After(Duration::ZERO) } else { Next::Pulled }
    }

    /// Its request was refused.
    pub(super) fn refuse(&mut self, refusal: Refusal) -> Next {
        let Some(request) = self.request() else { return Next::Pulled };
        let cause = Cause::Status(refusal.status);
        let failure = Failure {
            asked: String::new(),
            request: request.kind,
            cause,
            retry_after: refusal.retry_after,
            now: refusal.now,
            is_last_host: true,
        };
        if let Decision::RetryAfter(wait) = self.retries.after(&failure, self.attempt) {
            self.attempt += 1;
            return Next::After(wait);
        }
        if request.kind == RequestKind::Head && self.asks_get_instead(cause) {
            let get = PlannedRequest { kind: RequestKind::Manifest, method: "GET", of: Named::Reference, ..request };
            self.instead = Some(get);
            self.attempt = 1;
            return Next::After(Duration::ZERO);
        }
        if let Decision::RetryAfter(wait) = self.retries.after_round(&failure, self.round) {
            self.round += 1;
            self.attempt = 1;
            if self.client.outer.as_ref().is_some_and(|outer| outer.of == RoundsOf::Pull) {
                self.step = 0;
                self.instead = None;
            }
            return Next::After(wait);
        }
        self.n_restarts += 1;
        let Some(wait) = self.restart.after(self.n_restarts) else { return Next::GaveUp };
        let seed = self.seed.child(&format!("restart {}", self.n_restarts));
        let fresh = Self::new(self.client, self.plan, self.restart, seed);
        *self = Self { n_restarts: self.n_restarts, seed: self.seed, ..fresh };
        Next::AnewAfter(wait)
    }

    /// Whether a HEAD that failed so is made good by a GET.
    fn asks_get_instead(&self, cause: Cause) -> bool {
        let habits = &self.client.head;
        habits.falls_back_always || habits.falls_back_on.contains(&RetryOn(cause))
    }
}
