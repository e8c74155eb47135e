//! Carries out a workload: a fixed number of workers, each taking the next operation as soon as its last one is done.
//!
//! This is a closed loop: a registry that answers slowly is asked less often. Each worker has its own histogram, merged at
//! the end, so that measuring shares nothing but one counter.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use puller::Puller;
use testbed::{
    Clock, Journal,
    net::Vantage,
    task::{PullFailure, PullTask},
};
use tokio::task::JoinSet;

use crate::{
    histogram::Latencies,
    report::Report,
    workload::{Extent, Kind, Share, Workload},
};

/// What was counted, by one worker or by all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Of successful operations.
    pub(crate) latencies: Latencies,
    pub(crate) received_bytes: u64,
    pub(crate) failures: BTreeMap<String, u64>,
}

/// Puts `workload` on the registries that `from` reaches, and reports how it went.
///
/// Back-off waits on `clock`; everything reported is wire time. Failures are counted in the report and are no error. The
/// journal keeps every pull, so its limit is worth a thought before millions of them.
pub async fn run(workload: &Workload, clock: &Clock, journal: &Journal, from: &Vantage) -> Report {
    let puller = Puller::builder(clock, journal).policy(workload.policy.clone()).build();
    let driver = Arc::new(Driver { workload: workload.clone(), puller, from: from.clone(), next: AtomicU64::new(0) });
    driver.drive(Until { n: workload.n_warm_up, deadline: None }).await;

    driver.next.store(0, Ordering::Relaxed);
    let started = now();
    let until = match workload.extent {
        Extent::Count(n) => Until { n: n.get(), deadline: None },
        Extent::For(duration) => Until { n: u64::MAX, deadline: started.checked_add(duration) },
    };
    let tally = driver.drive(until).await;
    Report::new(&tally, started.elapsed())
}

/// When to start nothing more.
#[derive(Clone, Copy)]
struct Until {
    n: u64,
    deadline: Option<Instant>,
}

struct Driver {
    workload: Workload,
    puller: Puller,
    from: Vantage,
    next: AtomicU64,
}

impl Driver {
    async fn drive(self: &Arc<Self>, until: Until) -> Tally {
        let mut workers = JoinSet::new();
        for _ in 0..self.workload.concurrency.get() {
            let driver = Arc::clone(self);
            workers.spawn(async move { driver.work(until).await });
        }
        let mut total = Tally::default();
        while let Some(worker) = workers.join_next().await {
            match worker {
                Ok(tally) => total.merge(tally),
                Err(error) => total.count_failure(format!("worker ended: {error}")),
            }
        }
        total
    }

    async fn work(&self, until: Until) -> Tally {
        let mut tally = Tally::default();
        loop {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            if n >= until.n || until.deadline.is_some_and(|deadline| now() >= deadline) {
                return tally;
            }
            let started = now();
            let outcome = self.operate(self.workload.mix.pick(n)).await;
            tally.count(outcome, started.elapsed());
        }
    }

    /// Carries out one operation, and returns the bytes of blobs that it received.
    async fn operate(&self, share: &Share) -> Result<u64, PullFailure> {
        let task = PullTask {
            platform: self.workload.platform.clone(),
            credentials: self.workload.credentials.clone(),
            ..PullTask::new(share.image.clone(), self.from.clone())
        };
        match share.kind {
            Kind::Pull => self.puller.pull(&task).await.map(|pulled| pulled.received_bytes),
            Kind::Manifest => self.puller.fetch_manifest(&task).await.map(|_| 0),
        }
    }
}

impl Tally {
    fn count(&mut self, outcome: Result<u64, PullFailure>, took: Duration) {
        match outcome {
            Ok(received_bytes) => {
                self.latencies.record(took);
                self.received_bytes += received_bytes;
            }
            Err(failure) => self.count_failure(name(&failure)),
        }
    }

    fn count_failure(&mut self, kind: String) {
        *self.failures.entry(kind).or_default() += 1;
    }

    fn merge(&mut self, other: Self) {
        self.latencies.merge(&other.latencies);
        self.received_bytes += other.received_bytes;
        for (kind, n) in other.failures {
            *self.failures.entry(kind).or_default() += n;
        }
    }
}

/// The kind of a failure as it is written everywhere, with the status if there was one: `rate-limited 429`.
fn name(failure: &PullFailure) -> String {
    let kind = serde_json::to_value(failure.kind).ok();
    let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or("unknown");
    match failure.status {
        Some(status) => format!("{kind} {status}"),
        None => String::from(kind),
    }
}

#[expect(clippy::disallowed_methods, reason = "a load is measured in wire time")]
fn now() -> Instant {
    Instant::now()
}
