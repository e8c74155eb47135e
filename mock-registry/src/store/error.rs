//! Why what is pushed cannot be kept, or what was kept cannot be read.

use std::{
    error::Error as _,
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// The place where a registry keeps what is pushed does not work.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system refuses something.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was to be done: `write`.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The place is something else.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The place.
        path: PathBuf,
    },
    /// Another registry has the folder, in this process or in another.
    #[error("{} is in use by another registry", path.display())]
    InUse {
        /// The registry's folder.
        path: PathBuf,
    },
    /// The registry's name cannot be that of a folder.
    #[error("registry `{name}` cannot have a folder of that name; use letters, digits and dashes")]
    Name {
        /// The registry's name.
        name: String,
    },
    /// An `index.json` is no image index.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Makes what the system says of `action` on `path` an error of the store.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }

    /// The error with its cause, on one line.
    pub(crate) fn told(&self) -> String {
        match self.source() {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}
