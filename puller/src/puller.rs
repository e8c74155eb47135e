//! The puller as a thing to build and to hand around.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use oci::{Descriptor, Digest, MediaType};
use testbed::{
    Clock, Journal, Seed,
    clock::Participant,
    task::{PullAgent, PullFailure, PullTask, PulledImage},
};

use crate::{
    ClientProfile, Counting, Progress, RetryPolicy, Sink,
    listing::{self, Looked},
    progress::Listener,
    pull,
    push::{self, PushTask},
};

/// A pull client. Cheap to clone; one puller may carry out any number of tasks at once, each with its own tokens.
///
/// A pull takes part in the world's clock. A caller that takes part already lends its place, with [`Puller::pull_as`];
/// with [`Puller::pull`] it would have to wait by [`Participant::wait_for`], or back-off would never end.
#[derive(Clone)]
pub struct Puller(Arc<Settings>);

/// What a puller goes by.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) profile: Arc<ClientProfile>,
    pub(crate) seed: Seed,
    /// How long the head of an answer and each further piece of it may take, in wire time, if that was said.
    pub(crate) timeout: Option<Duration>,
    /// How many sessions there were: each draws its own jitter.
    n_sessions: AtomicU64,
    pub(crate) sink: Sink,
    pub(crate) listener: Listener,
}

impl Settings {
    /// The seed of another session.
    pub(crate) fn next_seed(&self) -> Seed {
        let n = self.n_sessions.fetch_add(1, Ordering::Relaxed);
        self.seed.child(&format!("session {n}"))
    }
}

/// Builds a [`Puller`].
#[derive(Debug)]
pub struct PullerBuilder(Settings);

impl Puller {
    /// A puller that waits on `clock` and is recorded in `journal`.
    pub fn builder(clock: &Clock, journal: &Journal) -> PullerBuilder {
        PullerBuilder(Settings {
            clock: clock.clone(),
            journal: journal.clone(),
            profile: Arc::new(ClientProfile::own()),
            seed: Seed::default(),
            timeout: None,
            n_sessions: AtomicU64::new(0),
            sink: Sink::Null,
            listener: Listener::default(),
        })
    }

    /// Pulls and verifies an image, with a place of its own on the clock.
    ///
    /// # Errors
    /// The registry refuses, cannot be reached, or sends something else than it promised, also after the last attempt;
    /// or the sink cannot be written. The message is what a container runtime would print.
    pub async fn pull(&self, task: &PullTask) -> Result<PulledImage, PullFailure> {
        self.pull_as(&self.0.clock.enter(), task).await
    }

    /// [`Puller::pull`] in the place of `participant`, so that the clock stands still between this and what the caller
    /// does next.
    ///
    /// # Errors
    /// As for [`Puller::pull`].
    pub async fn pull_as(&self, participant: &Participant, task: &PullTask) -> Result<PulledImage, PullFailure> {
        pull::run(&self.0, participant, task).await
    }

    /// Asks only for the manifest, and from an index for the one of the platform, whose digest is returned. The journal
    /// keeps no pull of it, and a registry counts it as one.
    ///
    /// # Errors
    /// As for [`Puller::pull`].
    pub async fn fetch_manifest(&self, task: &PullTask) -> Result<Digest, PullFailure> {
        pull::manifest_only(&self.0, &self.0.clock.enter(), task).await
    }

    /// Resolves a reference, without counting as a pull: with `HEAD`, and with `GET` where the client falls back on it.
    ///
    /// # Errors
    /// As for [`Puller::pull`].
    pub async fn head_as(&self, participant: &Participant, task: &PullTask) -> Result<Looked<Digest>, PullFailure> {
        listing::head(&self.0, participant, task).await
    }

    /// Lists all tags of the repository of `task.image`, `page` at a time if that is given.
    ///
    /// # Errors
    /// As for [`Puller::pull`]; or the list links back to itself.
    pub async fn tags_as(
        &self,
        participant: &Participant,
        task: &PullTask,
        page: Option<u32>,
    ) -> Result<Looked<Vec<String>>, PullFailure> {
        listing::tags(&self.0, participant, task, page).await
    }

    /// Lists what refers to the image, of one artifact type if that is given. Where the registry has no such API, the tag
    /// that stands in for it is read.
    ///
    /// # Errors
    /// As for [`Puller::pull`].
    pub async fn referrers_as(
        &self,
        participant: &Participant,
        task: &PullTask,
        artifact_type: Option<&MediaType>,
    ) -> Result<Looked<Vec<Descriptor>>, PullFailure> {
        listing::referrers(&self.0, participant, task, artifact_type).await
    }

    /// Pushes an image: the blobs that the registry lacks, then the manifest, whose digest is returned.
    ///
    /// # Errors
    /// As for [`Puller::pull`].
    pub async fn push(&self, task: &PushTask) -> Result<Digest, PullFailure> {
        Ok(self.push_as(&self.0.clock.enter(), task).await?.found)
    }

    /// [`Puller::push`] in the place of `participant`, with what it took.
    ///
    /// # Errors
    /// As for [`Puller::pull`].
    pub async fn push_as(&self, participant: &Participant, task: &PushTask) -> Result<Looked<Digest>, PullFailure> {
        push::run(&self.0, participant, task).await
    }
}

impl PullAgent for Puller {
    fn pull<'a>(
        &'a self,
        participant: &'a Participant,
        task: PullTask,
    ) -> BoxFuture<'a, Result<PulledImage, PullFailure>> {
        async move { self.pull_as(participant, &task).await }.boxed()
    }
}

impl PullerBuilder {
    /// The client that it behaves as. Default: [`ClientProfile::own`]. What is said after it holds in place of the profile's.
    pub fn client(mut self, profile: &ClientProfile) -> Self {
        self.0.profile = Arc::new(profile.clone());
        self
    }

    /// When and how often requests are made again, in place of the client's own rules and rounds.
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        let profile = Arc::make_mut(&mut self.0.profile);
        (profile.retry, profile.outer, profile.counting) = (policy.rules(), None, Counting::Request);
        self
    }

    /// How many blobs are fetched at once, in place of the client's own number.
    pub fn concurrency(mut self, concurrency: NonZeroUsize) -> Self {
        Arc::make_mut(&mut self.0.profile).blobs.concurrency = concurrency;
        self
    }

    /// How long the head of an answer and each further piece of it may take, in wire time. Default: a minute and half a
    /// minute.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = Some(timeout);
        self
    }

    /// Where jitter comes from.
    pub fn seed(mut self, seed: Seed) -> Self {
        self.0.seed = seed;
        self
    }

    /// Where images go. Default [`Sink::Null`].
    pub fn sink(mut self, sink: Sink) -> Self {
        self.0.sink = sink;
        self
    }

    /// Whom to tell how it goes. Called from the tasks that pull, so it should be quick; the last one given counts.
    pub fn on_progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.0.listener = Listener::new(listener);
        self
    }

    /// The puller.
    pub fn build(self) -> Puller {
        Puller(Arc::new(self.0))
    }
}

impl fmt::Debug for Puller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Puller").field(&self.0.profile.name).finish()
    }
}
