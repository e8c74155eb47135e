//! Why an image cannot be read from a file.

use std::{io, path::PathBuf};

use oci::{Digest, ManifestError};
use thiserror::Error;

use crate::store::StoreError;

/// Why an image cannot be read from a file.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The system refuses something.
    #[error("cannot read {}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is no folder, and no tar either, or a damaged one.
    #[error("{} is no tar that can be read", path.display())]
    Tar {
        /// The file.
        path: PathBuf,
    },
    /// The file is compressed as a whole.
    #[error("{} is compressed with {compression}; decompress it first", path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// What with.
        compression: &'static str,
    },
    /// The file is neither of the two kinds.
    #[error(
        "{} is neither an OCI image layout nor an archive of `docker save`: it has no `index.json` and no `manifest.json`",
        path.display()
    )]
    Unknown {
        /// The file or folder.
        path: PathBuf,
    },
    /// An entry cannot be what it says.
    #[error("entry `{entry}` {why}")]
    Entry {
        /// Its name.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There are too many entries or manifests.
    #[error("there are more than {max} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// An entry that is named is not there.
    #[error("entry `{entry}` is missing")]
    Missing {
        /// Its name.
        entry: String,
    },
    /// An entry that has to be small is not.
    #[error("entry `{entry}` has {size_bytes} bytes; at most {max_bytes} are read")]
    TooLarge {
        /// Its name.
        entry: String,
        /// Its length.
        size_bytes: u64,
        /// How long it may be.
        max_bytes: u64,
    },
    /// An entry is not JSON of its kind.
    #[error("entry `{entry}` is not valid JSON of its kind")]
    Json {
        /// Its name.
        entry: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A manifest or an index is none.
    #[error("entry `{entry}` is no manifest")]
    Manifest {
        /// Its name.
        entry: String,
        /// What is wrong with it.
        #[source]
        source: ManifestError,
    },
    /// An entry has another length than was promised.
    #[error("entry `{entry}` has {actual} bytes, and its descriptor says {expected}")]
    Size {
        /// Its name.
        entry: String,
        /// What was promised.
        expected: u64,
        /// What it has.
        actual: u64,
    },
    /// An entry has another digest than was promised.
    #[error("entry `{entry}` has the digest {actual}, and should have {expected}")]
    Digest {
        /// Its name.
        entry: String,
        /// What was promised.
        expected: Digest,
        /// What it has.
        actual: Digest,
    },
    /// Several images, and none of them is the one that is wanted.
    #[error("there is no image `{wanted}`; there are {}", names.join(", "))]
    NoSuchImage {
        /// What was asked for.
        wanted: String,
        /// What there is.
        names: Vec<String>,
    },
    /// There is no image at all.
    #[error("there is no image in it")]
    Empty,
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry takes no more of it.
    #[error("entry `{entry}` is refused: {why}")]
    Refused {
        /// Its name.
        entry: String,
        /// Why.
        why: String,
    },
}
