//! The task that the Harness side gives to whoever pulls: a plain value, and what comes back.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use oci::{AccountName, Digest, ImageReference, Platform};
use serde::Serialize;

use crate::{Secret, clock::Participant, net::Vantage};

/// Pull this image, from there, with these credentials.
#[derive(Clone, Debug)]
pub struct PullTask {
    /// The image as the container runtime is asked for it.
    pub image: ImageReference,
    /// Which image of an index is wanted.
    pub platform: Platform,
    /// What to log in with; none is an anonymous pull.
    pub credentials: Option<Credentials>,
    /// From where: a delegate's address, and the hosts it may talk to.
    pub from: Vantage,
}

/// A user name and a password, for one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub username: AccountName,
    /// Its password or token.
    pub password: Secret,
}

/// An image that was pulled and verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PulledImage {
    /// The digest of what the reference named: an index or a manifest.
    pub digest: Digest,
    /// The digest of the image manifest for the platform; the same if there was no index.
    pub manifest: Digest,
    /// Layers in the manifest.
    pub n_layers: usize,
    /// The sum of the sizes of config and layers.
    pub size_bytes: u64,
    /// Bytes of blobs received, those of broken attempts included.
    pub received_bytes: u64,
    /// Blob downloads that were taken up again where they had stopped.
    pub n_resumed: u32,
    /// Requests sent again after a failure.
    pub n_retries: u32,
}

/// Why an image could not be pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PullFailure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The status of the answer that decided, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The text, in the words in which a container runtime tells it: `toomanyrequests: You have reached …`.
    pub message: String,
    /// Requests sent again before it gave up.
    pub n_retries: u32,
}

/// The kinds of failure of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The registry throttles: 429.
    RateLimited,
    /// Credentials are wrong, missing, or not enough: 401, 403.
    Unauthorized,
    /// No such repository, tag or blob: 404, or an index without the platform.
    NotFound,
    /// The egress allowlist refused the host, or the host does not exist.
    Egress,
    /// The bytes are not what their digest promised.
    DigestMismatch,
    /// The connection failed or ended too early, also after the last attempt.
    Network,
    /// An answer that makes no sense: a manifest that is none, a range that was not asked for.
    Protocol,
    /// Any other status.
    Status,
    /// The local side failed: the folder cannot be written.
    Local,
}

impl fmt::Display for PullFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What carries out pull tasks. The runner gives one to the Harness side, which knows no puller.
pub trait PullAgent: Send + Sync {
    /// Pulls, verifies, and says how it went. The pull takes the place of `participant` on the clock, so that the clock
    /// stands still between it and what its giver does next.
    fn pull<'a>(
        &'a self,
        participant: &'a Participant,
        task: PullTask,
    ) -> BoxFuture<'a, Result<PulledImage, PullFailure>>;
}

/// A shared [`PullAgent`].
pub type SharedAgent = Arc<dyn PullAgent>;
