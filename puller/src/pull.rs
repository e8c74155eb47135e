//! A pull, told from top to bottom.
//!
//! 1. The version check, for clients that make it, and `HEAD` for those that ask so what a tag means.
//! 2. The manifest, by tag or digest, first without a token: the registry's challenge says what it wants to see.
//! 3. From an index, the manifest for the platform.
//! 4. The config and the layers, several at once, each verified while it streams.
//! 5. The sink gets the manifest last, so that whoever reads it finds everything that it names.
//!
//! Each request goes to one host after the other, as `hosts.rs` tells. A client with rounds begins the whole anew; blobs
//! that are here by then are not asked for again.
//!
//! This project's own client makes no version check and no `HEAD`: like podman and crane, a pull by tag is one `GET`, so it
//! counts once against a limit (facts/registry A4, E2).

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::FutureExt as _;
use oci::{Descriptor, Digest, ImageManifest, RepositoryName};
use testbed::{
    Event,
    clock::Participant,
    journal::{PullFinished, PullStarted},
    task::{FailureKind, PullFailure, PullTask, PulledImage},
};
use tokio::task::JoinSet;

use crate::{
    blob,
    client::{ConfigTurn, RequestKind},
    failure::failure,
    hosts::{Asker, Hosts, after_pull},
    listing,
    manifest::{self, Meaning},
    progress::Progress,
    puller::Settings,
    session::Cost,
    sink::{Finished, Sink},
    words,
};

/// Carries out a task, between the two events that the journal keeps of it.
pub(crate) async fn run(
    settings: &Settings,
    participant: &Participant,
    task: &PullTask,
) -> Result<PulledImage, PullFailure> {
    let from = String::from(task.from.name());
    let image = task.image.to_string();
    settings.journal.record(Event::PullStarted(PullStarted {
        from: from.clone(),
        image: image.clone(),
        account: task.credentials.as_ref().map(|credentials| credentials.username.to_string()),
    }));

    let pull = Pull { settings, task, cost: Arc::default(), kept: Arc::default() };
    let outcome = pull.rounds(participant).await;
    let outcome = outcome.map_err(|failure| words::of_pull(settings.profile.messages, &task.image, failure));

    let told = |failure: &PullFailure| {
        let message = words::without_token_ids(&failure.message);
        PullFailure { message, ..failure.clone() }
    };
    settings.journal.record(Event::PullFinished(PullFinished {
        from,
        image,
        outcome: outcome.as_ref().map(|pulled| pulled.digest.clone()).map_err(told),
        received_bytes: pull.cost.received_bytes(),
    }));
    outcome
}

/// The first steps alone: the digest of the manifest for the platform.
pub(crate) async fn manifest_only(
    settings: &Settings,
    participant: &Participant,
    task: &PullTask,
) -> Result<Digest, PullFailure> {
    let hosts = Hosts::open(settings, Asker::of(task), &Arc::default())?;
    match manifest::resolve(&hosts, participant, task).await? {
        Meaning::Image(resolved) => Ok(resolved.descriptor.digest),
        Meaning::UpToDate => task.cached.as_ref().map(|cached| cached.manifest.clone()).ok_or_else(nothing_cached),
    }
}

fn nothing_cached() -> PullFailure {
    failure(FailureKind::Protocol, "the registry says that nothing has changed, and there is nothing here")
}

/// A pull under way.
struct Pull<'a> {
    settings: &'a Settings,
    task: &'a PullTask,
    cost: Arc<Cost>,
    /// The blobs that are here. A std mutex: looked at and added to.
    kept: Arc<Mutex<HashSet<Digest>>>,
}

impl Pull<'_> {
    /// One round, and more if the client has them.
    async fn rounds(&self, participant: &Participant) -> Result<PulledImage, PullFailure> {
        let mut round = 1;
        loop {
            let failure = match self.round(participant).await {
                Ok(pulled) => return Ok(pulled),
                Err(failure) => failure,
            };
            let Some(wait) = after_pull(&self.settings.profile, &failure, round) else {
                return Err(self.cost.of_failure(failure));
            };
            self.cost.add_waited(wait);
            participant.sleep(wait).await;
            round += 1;
        }
    }

    /// Deals with the hosts from the beginning: tokens of an earlier round are forgotten.
    async fn round(&self, participant: &Participant) -> Result<PulledImage, PullFailure> {
        let hosts = Arc::new(Hosts::open(self.settings, Asker::of(self.task), &self.cost)?);
        if !hosts.is_per_pull() {
            return self.from(&hosts, participant).await;
        }
        let at_one = |session| {
            let hosts = Arc::new(Hosts::single(session));
            async move { self.from(&hosts, participant).await }.boxed()
        };
        hosts.ask(participant, at_one).await
    }

    async fn from(&self, hosts: &Arc<Hosts>, participant: &Participant) -> Result<PulledImage, PullFailure> {
        let Self { settings, task, .. } = self;
        let PullTask { image: wanted, platform, cached, .. } = task;
        let resolved = match manifest::resolve(hosts, participant, task).await? {
            Meaning::Image(resolved) => resolved,
            Meaning::UpToDate => {
                return cached.clone().map(|cached| self.up_to_date(cached)).ok_or_else(nothing_cached);
            }
        };
        let (config, layers) = blobs_of(&resolved.image);
        settings.listener.tell(|| Progress::ManifestResolved {
            image: wanted.clone(),
            manifest: resolved.descriptor.digest.clone(),
            n_blobs: 1 + layers.len(),
            size_bytes: layers.iter().fold(config.size, |sum, layer| sum.saturating_add(layer.size)),
        });
        if settings.profile.order.referrers {
            // Attestations are looked for, and an image without any is as good.
            let _ = listing::referrers_of(hosts, participant, task, &resolved.top, None).await;
        }

        let mut workers = Workers {
            hosts,
            kept: &self.kept,
            repository: wanted.repository(),
            blobs: Arc::default(),
            sink: &settings.sink,
        };
        let config = (config, RequestKind::Config);
        let layers = layers.into_iter().map(|layer| (layer, RequestKind::Layer));
        match settings.profile.order.config {
            ConfigTurn::First => {
                workers.fetch_one(participant, &config).await?;
                workers.blobs = layers.collect();
            }
            ConfigTurn::WithLayers => workers.blobs = [config].into_iter().chain(layers).collect(),
        }
        workers.fetch(settings.profile.blobs.concurrency.get(), participant).await?;

        let finished = Finished { image: wanted, platform, descriptor: &resolved.descriptor, bytes: &resolved.bytes };
        settings.sink.finish(finished).await?;
        Ok(PulledImage {
            digest: resolved.top,
            manifest: resolved.descriptor.digest,
            n_layers: resolved.image.layers.len(),
            size_bytes: resolved.image.blobs().fold(0, |sum, blob| sum.saturating_add(blob.size)),
            received_bytes: self.cost.received_bytes(),
            n_resumed: self.cost.n_resumed(),
            n_retries: self.cost.n_retries(),
            is_up_to_date: false,
            effort: self.cost.effort(),
        })
    }

    fn up_to_date(&self, cached: PulledImage) -> PulledImage {
        PulledImage {
            received_bytes: 0,
            n_resumed: 0,
            n_retries: self.cost.n_retries(),
            is_up_to_date: true,
            effort: self.cost.effort(),
            ..cached
        }
    }
}

/// The config and the layers; a blob that the manifest names several times is in them once.
fn blobs_of(image: &ImageManifest) -> (Descriptor, Vec<Descriptor>) {
    let mut seen = HashSet::from([&image.config.digest]);
    let layers = image.layers.iter().filter(|layer| seen.insert(&layer.digest));
    (image.config.clone(), layers.cloned().collect())
}

/// Fetches blobs, several at once.
struct Workers<'a> {
    hosts: &'a Arc<Hosts>,
    kept: &'a Arc<Mutex<HashSet<Digest>>>,
    repository: &'a RepositoryName,
    blobs: Arc<[(Descriptor, RequestKind)]>,
    sink: &'a Sink,
}

impl Workers<'_> {
    async fn fetch_one(&self, participant: &Participant, blob: &(Descriptor, RequestKind)) -> Result<(), PullFailure> {
        fetch_blob(self.hosts, participant, self.repository, blob, self.kept, self.sink).await
    }

    /// Lets up to `n_workers` take one blob after the other; the first failure ends them all.
    ///
    /// Each worker takes part in the clock for itself, so it moves only when all that have work left back off. One that
    /// ends brings its place back with its outcome: were it given up at once, the clock could move before anyone has
    /// seen how the worker ended.
    async fn fetch(&self, n_workers: usize, parent: &Participant) -> Result<(), PullFailure> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..n_workers.min(self.blobs.len()) {
            let participant = parent.clock().enter();
            let (hosts, next, kept) = (Arc::clone(self.hosts), Arc::clone(&next), Arc::clone(self.kept));
            let (repository, blobs, sink) = (self.repository.clone(), Arc::clone(&self.blobs), self.sink.clone());
            workers.spawn(async move {
                while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let fetched = fetch_blob(&hosts, &participant, &repository, blob, &kept, &sink).await;
                    if fetched.is_err() {
                        return (Some(participant), fetched);
                    }
                }
                (Some(participant), Ok(()))
            });
        }
        let joined = async {
            while let Some(worker) = workers.join_next().await {
                let (participant, outcome) = worker.unwrap_or_else(|error| {
                    let message = format!("a download ended unexpectedly: {error}");
                    (None, Err(failure(FailureKind::Local, message)))
                });
                if outcome.is_err() || workers.is_empty() {
                    return (participant, outcome);
                }
            }
            (None, Ok(()))
        };
        let (_place, outcome) = parent.wait_for(joined).await;
        // Waits until the others are gone too: they hold files, and places on the clock.
        workers.shutdown().await;
        outcome
    }
}

/// Fetches a blob that is not here yet, from whichever host has it.
async fn fetch_blob(
    hosts: &Hosts,
    participant: &Participant,
    repository: &RepositoryName,
    (descriptor, kind): &(Descriptor, RequestKind),
    kept: &Mutex<HashSet<Digest>>,
    sink: &Sink,
) -> Result<(), PullFailure> {
    if kept.lock().unwrap_or_else(PoisonError::into_inner).contains(&descriptor.digest) {
        return Ok(());
    }
    let fetch = |session| blob::fetch(session, participant, repository, descriptor, *kind, sink).boxed();
    hosts.ask(participant, |session| fetch(&**session)).await?;
    kept.lock().unwrap_or_else(PoisonError::into_inner).insert(descriptor.digest.clone());
    Ok(())
}
