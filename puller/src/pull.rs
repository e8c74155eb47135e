//! A pull, told from top to bottom.
//!
//! 1. The manifest, by tag or digest, first without a token: the registry's challenge says what it wants to see.
//! 2. From an index, the manifest for the platform.
//! 3. The config, then the layers, several at once, each verified while it streams.
//! 4. The sink gets the manifest last, so that whoever reads it finds everything that it names.
//!
//! There is no version check first and no `HEAD`: like podman and crane, a pull by tag is one `GET`, so it counts once
//! against a limit (facts/registry A4, E2).

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use oci::{Descriptor, Digest, ImageManifest, RepositoryName, Scope};
use testbed::{
    Event,
    clock::Participant,
    journal::{PullFinished, PullStarted},
    task::{FailureKind, PullFailure, PullTask, PulledImage},
};
use tokio::task::JoinSet;

use crate::{
    blob,
    client::RequestKind,
    failure::failure,
    manifest,
    progress::Progress,
    puller::Settings,
    session::Session,
    sink::{Finished, Sink},
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

    let (outcome, received_bytes) = match open(settings, task) {
        Ok(session) => {
            let pulled = pull(settings, participant, task, &session).await;
            let n_retries = session.cost.n_retries();
            (pulled.map_err(|failure| PullFailure { n_retries, ..failure }), session.cost.received_bytes())
        }
        Err(failure) => (Err(failure), 0),
    };

    settings.journal.record(Event::PullFinished(PullFinished {
        from,
        image,
        outcome: outcome.as_ref().map(|pulled| pulled.digest.clone()).map_err(Clone::clone),
        received_bytes,
    }));
    outcome
}

/// The first steps alone: the digest of the manifest for the platform.
pub(crate) async fn manifest_only(
    settings: &Settings,
    participant: &Participant,
    task: &PullTask,
) -> Result<Digest, PullFailure> {
    let session = open(settings, task)?;
    let resolved = manifest::resolve(&session, participant, &task.image, &task.platform).await?;
    Ok(resolved.descriptor.digest)
}

fn open(settings: &Settings, task: &PullTask) -> Result<Arc<Session>, PullFailure> {
    let scope = Scope::pull(task.image.repository());
    Session::open(settings, &task.image, scope, &task.from, task.credentials.as_ref()).map(Arc::new)
}

async fn pull(
    settings: &Settings,
    participant: &Participant,
    task: &PullTask,
    session: &Arc<Session>,
) -> Result<PulledImage, PullFailure> {
    let PullTask { image: wanted, platform, .. } = task;
    let resolved = manifest::resolve(session, participant, wanted, platform).await?;
    let (config, layers) = blobs_of(&resolved.image);
    session.listener.tell(|| Progress::ManifestResolved {
        image: wanted.clone(),
        manifest: resolved.descriptor.digest.clone(),
        n_blobs: 1 + layers.len(),
        size_bytes: layers.iter().fold(config.size, |sum, layer| sum.saturating_add(layer.size)),
    });

    let (sink, repository) = (&settings.sink, wanted.repository());
    blob::fetch(session, participant, repository, &config, RequestKind::Config, sink).await?;
    let n_workers = settings.profile.blobs.concurrency.get().min(layers.len());
    let workers = Workers { session, repository, layers: layers.into(), sink };
    workers.fetch(n_workers, participant).await?;

    let finished = Finished { image: wanted, platform, descriptor: &resolved.descriptor, bytes: &resolved.bytes };
    sink.finish(finished).await?;
    Ok(PulledImage {
        digest: resolved.top,
        manifest: resolved.descriptor.digest,
        n_layers: resolved.image.layers.len(),
        size_bytes: resolved.image.blobs().fold(0, |sum, blob| sum.saturating_add(blob.size)),
        received_bytes: session.cost.received_bytes(),
        n_resumed: session.cost.n_resumed(),
        n_retries: session.cost.n_retries(),
    })
}

/// The config and the layers; a blob that the manifest names several times is in them once.
fn blobs_of(image: &ImageManifest) -> (Descriptor, Vec<Descriptor>) {
    let mut seen = HashSet::from([&image.config.digest]);
    let layers = image.layers.iter().filter(|layer| seen.insert(&layer.digest));
    (image.config.clone(), layers.cloned().collect())
}

/// Fetches layers, several at once.
struct Workers<'a> {
    session: &'a Arc<Session>,
    repository: &'a RepositoryName,
    layers: Arc<[Descriptor]>,
    sink: &'a Sink,
}

impl Workers<'_> {
    /// Lets `n_workers` take one layer after the other; the first failure ends them all.
    ///
    /// Each worker takes part in the clock for itself, so it moves only when all that have work left back off. One that
    /// ends brings its place back with its outcome: were it given up at once, the clock could move before anyone has
    /// seen how the worker ended.
    async fn fetch(&self, n_workers: usize, parent: &Participant) -> Result<(), PullFailure> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..n_workers {
            let participant = parent.clock().enter();
            let (session, next) = (Arc::clone(self.session), Arc::clone(&next));
            let (repository, layers, sink) = (self.repository.clone(), Arc::clone(&self.layers), self.sink.clone());
            workers.spawn(async move {
                while let Some(layer) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let fetched =
                        blob::fetch(&session, &participant, &repository, layer, RequestKind::Layer, &sink).await;
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
