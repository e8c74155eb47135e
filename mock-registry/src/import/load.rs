//! Puts a selected image into a repository: what is large is streamed into the store, and verified there.

use std::io::SeekFrom;

use bytes::BytesMut;
use oci::{Digest, Manifest};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::{ImportError, ImportSpec, Selection, source::Place};
use crate::{
    error::RegistryError,
    state::App,
    store::{Received, StoredManifest},
};

/// How much is read at once.
const READ_BYTES: usize = 1 << 20;

impl ImportSpec {
    /// Puts the image into `app`, and returns the digest of what its tag names.
    pub(crate) async fn load(&self, app: &App) -> Result<Digest, ImportError> {
        let spec = self.clone();
        let selection = match tokio::task::spawn_blocking(move || Selection::read(&spec)).await {
            Ok(selection) => selection?,
            // It is lost only with the whole runtime, and then nobody waits for it either.
            Err(_) => std::future::pending().await,
        };
        let repository = app.store.find_or_make(&self.repository).await?;
        for (digest, place) in &selection.blobs {
            if !repository.has_blob(digest) {
                let received = receive(app, digest, place).await?;
                repository.put_blob(received).await?;
            }
        }
        // Children before their index, and the tag last.
        for (StoredManifest { digest, media_type, bytes, .. }, manifest) in selection.manifests.into_iter().rev() {
            let layers = match manifest {
                Manifest::Image(image) => image.layers.into_iter().map(|layer| layer.digest).collect(),
                Manifest::Index(_) => Vec::new(),
            };
            let tags = if digest == selection.digest { vec![self.tag.clone()] } else { Vec::new() };
            let refused =
                |error: RegistryError| ImportError::Refused { entry: digest.to_string(), why: error.to_string() };
            let bytes = app.room.keep(bytes).map_err(refused)?;
            repository.put_manifest(StoredManifest::under(digest, media_type, bytes), tags, layers).await?;
        }
        Ok(selection.digest)
    }
}

/// Streams what is in `place` into the store, where it has to have `expected`.
async fn receive(app: &App, expected: &Digest, place: &Place) -> Result<Received, ImportError> {
    let refused = |error| match error {
        RegistryError::DigestMismatch { expected, actual } => {
            ImportError::Digest { entry: place.entry.clone(), expected, actual }
        }
        RegistryError::Store(error) => ImportError::Store(error),
        other => ImportError::Refused { entry: place.entry.clone(), why: other.to_string() },
    };
    let failed = |error| place.failed(error);
    let mut file = tokio::fs::File::open(&place.path).await.map_err(failed)?;
    file.seek(SeekFrom::Start(place.offset)).await.map_err(failed)?;
    let mut part = file.take(place.size_bytes);
    let mut session = app.uploads.session(expected.algorithm());
    loop {
        let mut piece = BytesMut::with_capacity(READ_BYTES);
        if part.read_buf(&mut piece).await.map_err(failed)? == 0 {
            break;
        }
        session.receive().append(piece.freeze()).await.map_err(refused)?;
    }
    session.finish(expected).await.map_err(refused)
}
