//! What a pull tells while it is under way, for whoever draws bars. What counts as evidence goes into the journal.

use std::{fmt, sync::Arc, time::Duration};

use oci::{Digest, ImageReference};

/// One piece of news about a pull. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is known what will be fetched.
    ManifestResolved {
        /// The image, as it was asked for.
        image: ImageReference,
        /// The digest of the manifest for the platform.
        manifest: Digest,
        /// Different blobs to fetch, the config among them.
        n_blobs: usize,
        /// The sum of their sizes.
        size_bytes: u64,
    },
    /// The first request for a blob is about to be made.
    BlobStarted {
        /// Which one.
        digest: Digest,
        /// Its size.
        size_bytes: u64,
    },
    /// More of a blob has arrived. The number goes back when a download has to start again.
    BlobProgress {
        /// Which one.
        digest: Digest,
        /// How much of it is there.
        n_bytes: u64,
    },
    /// A blob is there and verified.
    BlobDone {
        /// Which one.
        digest: Digest,
    },
    /// Something failed and will be tried again.
    Retrying(Retrying),
}

/// A failure that will be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrying {
    /// The request: `GET /v2/…`.
    pub request: String,
    /// The number of the attempt that failed, from 1.
    pub attempt: u32,
    /// Why it failed.
    pub cause: String,
    /// How long the client waits first, in policy time.
    pub wait: Duration,
}

/// Where the news go; nowhere by default. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Listener(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl Listener {
    pub(crate) fn new(listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Builds the news only if someone listens.
    pub(crate) fn tell(&self, news: impl FnOnce() -> Progress) {
        if let Some(listener) = &self.0 {
            listener(news());
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener" } else { "nobody" })
    }
}
