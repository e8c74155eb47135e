//! The words of image distribution as types: pure, no IO, no async, no clock.
//!
//! Everything that crosses the wire between a client and a registry is parsed here once, at the edge, into a value that
//! cannot be wrong, and printed here once. Who may pull, what is stored and when a token ends belongs to the actors.
//!
//! Every type that is written as text obeys one law, held by property tests: `parse(x.to_string()) == x`.
//!
//! ```
//! use oci::{Endpoint, ImageReference};
//!
//! let image: ImageReference = "alpine:3".parse()?;
//! assert_eq!(image.to_string(), "docker.io/library/alpine:3");
//!
//! let asked = Endpoint::parse("/v2/library/alpine/manifests/3")?;
//! assert_eq!(asked.repository(), Some(image.repository()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sources: OCI distribution-spec and image-spec v1.1, the Docker token specification, RFC 9110.

#[macro_use]
mod text;

mod challenge;
mod config;
mod digest;
mod endpoint;
mod error;
mod host;
mod image;
mod limit;
mod manifest;
mod media_type;
mod name;
mod platform;
mod principal;
mod range;
mod scope;
mod size;
mod upload_id;

#[cfg(test)]
mod arbitrary;

pub use challenge::Challenge;
pub use config::{ContainerConfig, History, ImageConfig, RootFs};
pub use digest::{Algorithm, Digest, DigestError, Digester};
pub use endpoint::{Endpoint, EndpointError, EndpointKind};
pub use error::{ErrorBody, ErrorCode, ErrorEntry};
pub use host::{HostError, RegistryHost};
pub use image::{ImageReference, ImageReferenceError, Reference, ReferenceError};
pub use limit::{PullLimit, PullLimitError};
pub use manifest::{Descriptor, ImageIndex, ImageManifest, MAX_MANIFEST_BYTES, Manifest, ManifestError};
pub use media_type::{Accept, MediaType, MediaTypeError};
pub use name::{NameError, RepositoryName, Tag, TagError};
pub use platform::{Platform, PlatformError};
pub use principal::{AccountName, AccountNameError, Principal, PrincipalError};
pub use range::{
    ChunkRangeError, ContentRange, ContentRangeError, RangeError, RangeRequest, RangeSet, ResolvedRange, Unsatisfiable,
};
pub use scope::{Action, Scope, ScopeError};
pub use size::{ByteSize, ByteSizeError};
pub use upload_id::{UploadId, UploadIdError};
