//! One repository: manifests by digest, tags, blobs, and the images not composed yet.
//!
//! A read takes a read lock for one look into a map; a push holds the write lock for one insertion, never while bytes move.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;
use oci::{Digest, MediaType, Reference, Tag};

use super::{
    Content,
    synthetic::{Composed, Synthetic},
};

/// A manifest as it was pushed.
#[derive(Clone, Debug)]
pub(crate) struct StoredManifest {
    /// The digest of `bytes`.
    pub(crate) digest: Digest,
    /// What it is served as.
    pub(crate) media_type: MediaType,
    /// The bytes, unchanged.
    pub(crate) bytes: Bytes,
}

impl StoredManifest {
    /// `bytes` under their sha256 digest.
    pub(crate) fn new(media_type: MediaType, bytes: Bytes) -> Self {
        Self { digest: Digest::of(&bytes), media_type, bytes }
    }
}

/// One repository.
#[derive(Debug, Default)]
pub(crate) struct Repository(RwLock<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    manifests: HashMap<Digest, StoredManifest>,
    tags: BTreeMap<Tag, Tagged>,
    blobs: HashMap<Digest, Blob>,
}

#[derive(Clone, Debug)]
enum Tagged {
    Known(Digest),
    /// What the tag names is computed when it is asked for.
    Later(Arc<Synthetic>),
}

#[derive(Clone, Debug)]
struct Blob {
    content: Content,
    /// Which layer of its manifest it is, from 1.
    layer: Option<usize>,
}

impl Repository {
    /// The manifest that `reference` names; composes made-up images of this repository if it has to.
    pub(crate) async fn manifest(&self, reference: &Reference) -> Option<StoredManifest> {
        loop {
            if let Some(manifest) = self.known_manifest(reference) {
                return Some(manifest);
            }
            self.compose_next(reference.tag()).await?;
        }
    }

    /// The blob under `digest`; composes made-up images of this repository if it has to.
    pub(crate) async fn blob(&self, digest: &Digest) -> Option<Content> {
        loop {
            if let Some(blob) = self.shelf().blobs.get(digest) {
                return Some(blob.content.clone());
            }
            self.compose_next(None).await?;
        }
    }

    /// Which layer of its manifest the blob is, from 1, if that is known.
    pub(crate) fn layer_number(&self, digest: &Digest) -> Option<usize> {
        self.shelf().blobs.get(digest)?.layer
    }

    /// All tags, sorted.
    pub(crate) fn tags(&self) -> Vec<Tag> {
        self.shelf().tags.keys().cloned().collect()
    }

    /// The manifests that are known, for those who look for referrers.
    pub(crate) fn manifests(&self) -> Vec<StoredManifest> {
        self.shelf().manifests.values().cloned().collect()
    }

    /// Keeps `manifest`, lets `tags` name it, and remembers which blobs are its layers.
    pub(crate) fn put_manifest(&self, manifest: StoredManifest, tags: &[Tag], layers: &[Digest]) {
        let mut shelf = self.shelf_mut();
        for tag in tags {
            shelf.tags.insert(tag.clone(), Tagged::Known(manifest.digest.clone()));
        }
        for (n, layer) in layers.iter().enumerate() {
            if let Some(blob) = shelf.blobs.get_mut(layer) {
                blob.layer.get_or_insert(n + 1);
            }
        }
        shelf.manifests.insert(manifest.digest.clone(), manifest);
    }

    /// Keeps a blob.
    pub(crate) fn put_blob(&self, digest: Digest, content: Content) {
        self.shelf_mut().blobs.entry(digest).or_insert(Blob { content, layer: None });
    }

    /// Keeps an image that is composed when it is asked for.
    pub(crate) fn put_later(&self, tag: Tag, image: Arc<Synthetic>) {
        self.shelf_mut().tags.insert(tag, Tagged::Later(image));
    }

    /// Takes the tag away; false if there is none.
    pub(crate) fn remove_tag(&self, tag: &Tag) -> bool {
        self.shelf_mut().tags.remove(tag).is_some()
    }

    /// Takes the manifest and the tags that name it away; false if there is none.
    pub(crate) fn remove_manifest(&self, digest: &Digest) -> bool {
        let mut shelf = self.shelf_mut();
        shelf.tags.retain(|_, tagged| !matches!(tagged, Tagged::Known(named) if named == digest));
        shelf.manifests.remove(digest).is_some()
    }

    /// Takes the blob away; false if there is none.
    pub(crate) fn remove_blob(&self, digest: &Digest) -> bool {
        self.shelf_mut().blobs.remove(digest).is_some()
    }

    fn known_manifest(&self, reference: &Reference) -> Option<StoredManifest> {
        let shelf = self.shelf();
        let digest = match reference {
            Reference::Digest(digest) => digest,
            Reference::Tag(tag) => match shelf.tags.get(tag)? {
                Tagged::Known(digest) => digest,
                Tagged::Later(_) => return None,
            },
        };
        shelf.manifests.get(digest).cloned()
    }

    /// Composes the image under `tag`, or any one if there is no tag; `None` if there is none left.
    async fn compose_next(&self, tag: Option<&Tag>) -> Option<()> {
        let (tag, image) = self.shelf().next_later(tag)?;
        let composed = image.composed().await;
        self.shelf_mut().take_in(&tag, &image, composed);
        Some(())
    }

    fn shelf(&self) -> RwLockReadGuard<'_, Shelf> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf_mut(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn next_later(&self, wanted: Option<&Tag>) -> Option<(Tag, Arc<Synthetic>)> {
        let later = |(tag, tagged): (&Tag, &Tagged)| match tagged {
            Tagged::Later(image) => Some((tag.clone(), Arc::clone(image))),
            Tagged::Known(_) => None,
        };
        match wanted {
            Some(tag) => self.tags.get_key_value(tag).and_then(later),
            None => self.tags.iter().find_map(later),
        }
    }

    fn take_in(&mut self, tag: &Tag, image: &Arc<Synthetic>, composed: &Composed) {
        // Meanwhile the tag may have been pushed, or another request may have come first.
        let is_same = matches!(self.tags.get(tag), Some(Tagged::Later(now)) if Arc::ptr_eq(now, image));
        if !is_same {
            return;
        }
        self.tags.insert(tag.clone(), Tagged::Known(composed.digest.clone()));
        for manifest in &composed.manifests {
            self.manifests.insert(manifest.digest.clone(), manifest.clone());
        }
        for (digest, content, layer) in &composed.blobs {
            self.blobs.entry(digest.clone()).or_insert_with(|| Blob { content: content.clone(), layer: *layer });
        }
    }
}
