//! Where a pulled image goes: nowhere, or into an OCI image layout.
//!
//! A file of the layout appears whole or not at all: it is written beside its place and renamed. What a failed pull leaves
//! behind is at most whole blobs.
//!
//! Source: image-spec, "OCI Image Layout".

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use oci::{Descriptor, Digest, ImageIndex, ImageReference, MediaType, Platform};
use tempfile::NamedTempFile;
use testbed::task::PullFailure;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use crate::failure::local;

/// The annotation that names an image of a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Where a pulled image goes.
#[derive(Clone, Debug, Default)]
pub enum Sink {
    /// Nowhere: blobs are verified and dropped.
    #[default]
    Null,
    /// Into an OCI image layout.
    Layout(OciLayout),
}

/// A folder in the OCI image layout. Clones share it; several pulls may write to it at once.
///
/// Each image is listed in `index.json` under its full reference, for the platform that was pulled. A later pull of the
/// same reference takes the place of the earlier one.
#[derive(Clone, Debug)]
pub struct OciLayout {
    folder: Arc<Path>,
    // A std mutex, locked within `spawn_blocking`: one read and one write of a small file.
    index: Arc<Mutex<()>>,
}

/// An image that is complete but for its manifest.
pub(crate) struct Finished<'a> {
    pub(crate) image: &'a ImageReference,
    pub(crate) platform: &'a Platform,
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) bytes: &'a Bytes,
}

impl Sink {
    /// A layout in `folder`, which need not exist yet.
    pub fn layout(folder: impl Into<PathBuf>) -> Self {
        Self::Layout(OciLayout { folder: folder.into().into(), index: Arc::default() })
    }

    /// A place for a blob that is about to come.
    pub(crate) async fn create_blob(&self) -> Result<BlobFile, PullFailure> {
        let Self::Layout(layout) = self else { return Ok(BlobFile(None)) };
        let layout = layout.clone();
        let opened = blocking(move || {
            let temp = new_file(&layout.blobs()?)?;
            let file = tokio::fs::File::from_std(temp.reopen()?);
            Ok(Open { temp, file, layout })
        });
        let open = opened.await.map_err(|error| local("cannot write a blob", &error))?;
        Ok(BlobFile(Some(open)))
    }

    /// Adds the manifest, now that all that it names is there.
    pub(crate) async fn finish(&self, finished: Finished<'_>) -> Result<(), PullFailure> {
        let Self::Layout(layout) = self else { return Ok(()) };
        let (layout, bytes) = (layout.clone(), finished.bytes.clone());
        let mut descriptor = finished.descriptor.clone().with_platform(finished.platform.clone());
        descriptor.annotations.insert(String::from(REF_NAME), finished.image.to_string());
        let written = blocking(move || {
            layout.write_blob(&descriptor.digest, &bytes)?;
            layout.list(descriptor)
        });
        written.await.map_err(|error| local("cannot write the image", &error))
    }
}

impl OciLayout {
    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn blobs(&self) -> io::Result<PathBuf> {
        let blobs = self.folder.join("blobs");
        fs::create_dir_all(&blobs)?;
        Ok(blobs)
    }

    fn place_of(&self, digest: &Digest) -> io::Result<PathBuf> {
        let folder = self.blobs()?.join(digest.algorithm().as_str());
        fs::create_dir_all(&folder)?;
        Ok(folder.join(digest.encoded()))
    }

    fn write_blob(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        write_whole(&self.place_of(digest)?, bytes)
    }

    /// Enters `descriptor` into `index.json`, in place of the one with its name.
    fn list(&self, descriptor: Descriptor) -> io::Result<()> {
        let _alone = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let place = self.folder.join("index.json");
        let mut index = match fs::read(&place) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => ImageIndex::new(MediaType::OCI_INDEX, Vec::new()),
            Err(error) => return Err(error),
        };
        let name = descriptor.annotations.get(REF_NAME);
        index.manifests.retain(|listed| listed.annotations.get(REF_NAME) != name);
        index.manifests.push(descriptor);
        write_whole(&self.folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        write_whole(&place, &serde_json::to_vec(&index)?)
    }
}

/// A blob that is being written. Dropping it before it is kept leaves nothing.
pub(crate) struct BlobFile(Option<Open>);

struct Open {
    temp: NamedTempFile,
    file: tokio::fs::File,
    layout: OciLayout,
}

impl BlobFile {
    /// Appends.
    pub(crate) async fn write(&mut self, chunk: Bytes) -> Result<(), PullFailure> {
        let Some(open) = &mut self.0 else { return Ok(()) };
        open.file.write_all(&chunk).await.map_err(|error| local("cannot write a blob", &error))
    }

    /// Forgets what was written.
    pub(crate) async fn clear(&mut self) -> Result<(), PullFailure> {
        let Some(open) = &mut self.0 else { return Ok(()) };
        let clearing = async {
            open.file.flush().await?;
            open.file.set_len(0).await?;
            open.file.rewind().await
        };
        clearing.await.map(drop).map_err(|error| local("cannot write a blob", &error))
    }

    /// Puts it in its place.
    pub(crate) async fn keep(self, digest: &Digest) -> Result<(), PullFailure> {
        let Some(Open { temp, mut file, layout }) = self.0 else { return Ok(()) };
        let digest = digest.clone();
        let keeping = async {
            file.flush().await?;
            blocking(move || {
                temp.persist(layout.place_of(&digest)?)?;
                Ok(())
            })
            .await
        };
        keeping.await.map_err(|error| local("cannot keep a blob", &error))
    }
}

fn write_whole(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    let mut temp = new_file(folder)?;
    temp.write_all(bytes)?;
    temp.persist(place)?;
    Ok(())
}

/// A file that is not in its place yet. Others may read it once it is: temporary files alone would be private.
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".partial-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    builder.tempfile_in(folder)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
