//! The image layout of one repository: read when the repository is first asked for, written at each push.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use oci::{Algorithm, Descriptor, Digest, MAX_MANIFEST_BYTES, Manifest, RepositoryName, Tag};

use super::{
    blob::BlobFile,
    index::{Index, is_ours},
    names::entries,
    place::Shared,
    scratch::Scratch,
};
use crate::store::{
    StoreError, StoredManifest,
    content::Kept,
    medium::{Found, Keeper},
};

/// The folder with everything that has a digest.
pub(super) const BLOBS: &str = "blobs";
/// The file with every manifest.
pub(super) const INDEX: &str = "index.json";
/// The file that makes a folder a layout.
pub(super) const MARKER: &str = "oci-layout";

const MARKER_JSON: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The layout of one repository.
#[derive(Debug)]
pub(super) struct Layout {
    folder: Arc<Shared>,
    path: Arc<Path>,
    index: Index,
}

/// Where the layout at `layout` has what is under `digest`.
pub(super) fn path_of_blob(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join(BLOBS).join(digest.algorithm().as_str()).join(digest.encoded())
}

/// Puts `scratch` under `digest` into the layout at `layout`, which is made now if it is new.
pub(super) fn put_blob(
    folder: &Shared,
    mut scratch: Scratch,
    layout: &Path,
    digest: &Digest,
) -> Result<(), StoreError> {
    let path = path_of_blob(layout, digest);
    match scratch.rename(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(folder, layout)?;
            scratch.rename(&path)
        }
        renamed => renamed,
    }
    .map_err(StoreError::io("write", &path))
}

/// Makes an empty layout at `layout`. It is found at a start once all of it is there.
fn make(folder: &Shared, layout: &Path) -> Result<(), StoreError> {
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let blobs = layout.join(BLOBS).join(algorithm.as_str());
        fs::create_dir_all(&blobs).map_err(StoreError::io("make", &blobs))?;
    }
    for (name, content) in [(INDEX, &*Index::empty().to_json()), (MARKER, MARKER_JSON)] {
        let path = layout.join(name);
        if !path.exists() {
            write(folder, &path, content)?;
        }
    }
    Ok(())
}

/// Writes a file beside `path`, and renames it.
fn write(folder: &Shared, path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let mut scratch = folder.scratch();
    scratch.write(content)?;
    scratch.rename(path).map_err(StoreError::io("write", path))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

impl Layout {
    /// The layout of `repository`, and what is in it.
    ///
    /// # Errors
    /// It cannot be read; its `index.json` is damaged.
    pub(super) fn open(folder: Arc<Shared>, repository: &RepositoryName) -> Result<(Self, Found), StoreError> {
        let path: Arc<Path> = folder.layout_of(repository).into();
        let index_path = path.join(INDEX);
        let index = match fs::read(&index_path) {
            Ok(json) => Index::parse(&json, &index_path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Index::empty(),
            Err(error) => return Err(StoreError::io("read", &index_path)(error)),
        };
        let mut layout = Self { folder, path, index };
        let found = layout.find()?;
        Ok((layout, found))
    }

    /// What is there. Children that only an index names are in `self.index` too from now on, so that they can be taken away.
    fn find(&mut self) -> Result<Found, StoreError> {
        let mut found = Found::default();
        let mut seen = HashSet::new();
        let mut waiting: Vec<Descriptor> = self.index.manifests().cloned().collect();
        while let Some(descriptor) = waiting.pop() {
            if !seen.insert(descriptor.digest.clone()) {
                continue;
            }
            let Some(manifest) = self.read_manifest(&descriptor)? else { continue };
            // Other tools list no children in `index.json`.
            if !is_ours(&descriptor)
                && let Ok(Manifest::Index(index)) = Manifest::parse(&manifest.bytes, Some(&manifest.media_type))
            {
                waiting.extend(index.manifests.into_iter().filter(|child| child.media_type.is_manifest()));
            }
            if !self.index.has(&manifest.digest) {
                self.index.put(&manifest, &[], false);
            }
            found.manifests.push(manifest);
        }
        self.index.own();
        let is_whole: HashSet<&Digest> = found.manifests.iter().map(|manifest| &manifest.digest).collect();
        let tags = self.index.tags().filter(|(_, digest)| is_whole.contains(digest));
        found.tags = tags.map(|(tag, digest)| (tag, digest.clone())).collect();
        let no_blobs = self.index.no_blobs();
        let blobs = self.digests()?.into_iter().filter(|digest| !no_blobs.contains(digest));
        found.blobs = blobs.map(|digest| (digest.clone(), self.blob(digest))).collect();
        Ok(found)
    }

    /// The manifest that `descriptor` names; `None` if it is absent or damaged.
    fn read_manifest(&self, descriptor: &Descriptor) -> Result<Option<StoredManifest>, StoreError> {
        let path = path_of_blob(&self.path, &descriptor.digest);
        let mut bytes = Vec::new();
        // What is too large for a manifest is cut off, and has another digest then.
        let read = File::open(&path).and_then(|file| file.take(MAX_MANIFEST_BYTES as u64).read_to_end(&mut bytes));
        match read {
            Ok(_) => {}
            // Of an image with many platforms often not all are here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        }
        if Digest::of_with(descriptor.digest.algorithm(), &bytes) != descriptor.digest {
            tracing::warn!(path = %path.display(), "manifest is damaged in the store; answered as absent");
            return Ok(None);
        }
        let (digest, media_type) = (descriptor.digest.clone(), descriptor.media_type.clone());
        Ok(Some(StoredManifest::under(digest, media_type, bytes.into())))
    }

    /// Everything that has a digest here.
    fn digests(&self) -> Result<Vec<Digest>, StoreError> {
        let mut digests = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let folder = self.path.join(BLOBS).join(algorithm.as_str());
            let entries = match entries(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io("read", &folder)(error)),
            };
            for entry in entries {
                let (name, _) = entry.map_err(StoreError::io("read", &folder))?;
                digests.extend(format!("{algorithm}:{name}").parse::<Digest>());
            }
        }
        Ok(digests)
    }

    fn blob(&self, digest: Digest) -> Kept {
        let layout = Arc::clone(&self.path);
        Kept::File(Arc::new(BlobFile::new(layout, digest, self.folder.buffers(), None)))
    }

    /// Writes `index` if it is another one than before.
    fn write_index(&mut self, index: Index) -> Result<(), StoreError> {
        if index != self.index {
            write(&self.folder, &self.path.join(INDEX), &index.to_json())?;
            self.index = index;
        }
        Ok(())
    }
}

impl Keeper for Layout {
    fn admit_blob(&mut self, digest: &Digest) -> Result<(), StoreError> {
        if self.index.is_blob(digest) {
            return Ok(());
        }
        let mut index = self.index.clone();
        index.set_blob(digest, true);
        self.write_index(index)
    }

    fn link_blob(&mut self, digest: &Digest, blob: &Kept) -> Result<Option<Kept>, StoreError> {
        let Kept::File(source) = blob else { return Ok(None) };
        let path = source.path();
        let mut scratch = self.folder.scratch();
        match scratch.link(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            linked => linked.map_err(StoreError::io("link", &path))?,
        }
        put_blob(&self.folder, scratch, &self.path, digest)?;
        let (layout, buffers) = (Arc::clone(&self.path), self.folder.buffers());
        Ok(Some(Kept::File(Arc::new(BlobFile::new(layout, digest.clone(), buffers, source.checked())))))
    }

    fn remove_blob(&mut self, digest: &Digest) -> Result<(), StoreError> {
        if !self.index.has(digest) {
            return remove(&path_of_blob(&self.path, digest));
        }
        let mut index = self.index.clone();
        index.set_blob(digest, false);
        self.write_index(index)
    }

    fn keep_manifest(&mut self, manifest: &StoredManifest, tags: &[Tag], is_blob: bool) -> Result<(), StoreError> {
        let mut scratch = self.folder.scratch();
        scratch.write(&manifest.bytes)?;
        put_blob(&self.folder, scratch, &self.path, &manifest.digest)?;
        let mut index = self.index.clone();
        index.put(manifest, tags, is_blob);
        self.write_index(index)
    }

    fn remove_tag(&mut self, tag: &Tag) -> Result<(), StoreError> {
        let mut index = self.index.clone();
        index.remove_tag(tag);
        self.write_index(index)
    }

    fn remove_manifest(&mut self, digest: &Digest) -> Result<(), StoreError> {
        if !self.index.has(digest) {
            return Ok(());
        }
        let is_blob = self.index.is_blob(digest);
        let mut index = self.index.clone();
        index.remove(digest);
        self.write_index(index)?;
        if is_blob { Ok(()) } else { remove(&path_of_blob(&self.path, digest)) }
    }
}
