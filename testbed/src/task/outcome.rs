//! What comes of a pull task.

use std::{fmt, time::Duration};

use oci::Digest;
use serde::{Deserialize, Serialize};

/// An image that was pulled and verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether the image was here already, and nothing was fetched.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_up_to_date: bool,
    /// What it took.
    #[serde(skip)]
    pub effort: Effort,
}

/// What an operation of a client took, also one that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Requests sent, redirects followed and requests for tokens among them.
    pub n_requests: u32,
    /// Requests for tokens.
    pub n_tokens: u32,
    /// Waits before requests that were sent again, in policy time; those of requests side by side are added.
    pub waited: Duration,
    /// What the registry warned of, each once.
    pub warnings: Vec<String>,
}

/// Why an image could not be pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullFailure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The status of the answer that decided, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Whether the token service failed, and not the registry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_token: bool,
    /// The text, in the words in which a container runtime tells it: `toomanyrequests: You have reached …`.
    pub message: String,
    /// Requests sent again before it gave up.
    pub n_retries: u32,
    /// What it took.
    #[serde(skip)]
    pub effort: Effort,
}

/// The kinds of failure of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
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
