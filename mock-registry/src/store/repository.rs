//! One repository: manifests by digest, tags, blobs, and the images not composed yet.
//!
//! A made-up image is composed, which hashes its layers, when its tag is asked for. What a digest names that is not known is
//! looked for in the images that were not composed yet, smallest first, and in no more than 1 GiB of them for each
//! repository: whoever asks for digests that nobody has must not have terabytes hashed.
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

/// How much of a repository is hashed in search of digests that are not known.
const MAX_SEARCHED_BYTES: u64 = 1 << 30;

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
    /// How much was hashed in search of digests.
    searched_bytes: u64,
}

#[derive(Clone, Debug)]
enum Tagged {
    Known(Digest),
    /// What the tag names is computed when it is asked for.
    Later {
        image: Arc<Synthetic>,
        /// Whether it was charged to what may be searched: once, however many look into it at the same time.
        is_searched: bool,
    },
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
        self.shelf_mut().tags.insert(tag, Tagged::Later { image, is_searched: false });
    }

    /// Takes the tag away; false if there is none.
    pub(crate) fn remove_tag(&self, tag: &Tag) -> bool {
        self.shelf_mut().tags.remove(tag).is_some()
    }

    /// Takes a tag away alone, or a manifest with the tags that name it; false if there is none. Composes what it takes
    /// away: a manifest stays without its tag, and must not come back after its end.
    pub(crate) async fn delete_manifest(&self, reference: &Reference) -> bool {
        if self.manifest(reference).await.is_none() {
            return false;
        }
        let mut shelf = self.shelf_mut();
        match reference {
            Reference::Tag(tag) => shelf.tags.remove(tag).is_some(),
            Reference::Digest(digest) => {
                shelf.tags.retain(|_, tagged| !matches!(tagged, Tagged::Known(named) if named == digest));
                shelf.manifests.remove(digest).is_some()
            }
        }
    }

    /// Takes the blob away, composing it if it has to; false if there is none.
    pub(crate) async fn delete_blob(&self, digest: &Digest) -> bool {
        self.blob(digest).await.is_some() && self.shelf_mut().blobs.remove(digest).is_some()
    }

    fn known_manifest(&self, reference: &Reference) -> Option<StoredManifest> {
        let shelf = self.shelf();
        let digest = match reference {
            Reference::Digest(digest) => digest,
            Reference::Tag(tag) => match shelf.tags.get(tag)? {
                Tagged::Known(digest) => digest,
                Tagged::Later { .. } => return None,
            },
        };
        shelf.manifests.get(digest).cloned()
    }

    /// Composes the image under `wanted`, or the smallest one if there is no tag; `None` if there is none left.
    async fn compose_next(&self, wanted: Option<&Tag>) -> Option<()> {
        let (tag, image) = match wanted {
            Some(tag) => self.shelf().later(tag)?,
            None => self.shelf_mut().next_searched()?,
        };
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
    fn later(&self, tag: &Tag) -> Option<(Tag, Arc<Synthetic>)> {
        match self.tags.get(tag)? {
            Tagged::Later { image, .. } => Some((tag.clone(), Arc::clone(image))),
            Tagged::Known(_) => None,
        }
    }

    /// The image to search next, charged to what may be searched.
    fn next_searched(&mut self) -> Option<(Tag, Arc<Synthetic>)> {
        let later = self.tags.iter_mut().filter_map(|(tag, tagged)| match tagged {
            Tagged::Later { image, is_searched } => {
                let n_bytes = if *is_searched { 0 } else { image.uncomposed_bytes() };
                Some((n_bytes, tag, image, is_searched))
            }
            Tagged::Known(_) => None,
        });
        let (n_bytes, tag, image, is_searched) = later.min_by_key(|(n_bytes, ..)| *n_bytes)?;
        let searched_bytes = self.searched_bytes.checked_add(n_bytes).filter(|sum| *sum <= MAX_SEARCHED_BYTES)?;
        *is_searched = true;
        self.searched_bytes = searched_bytes;
        Some((tag.clone(), Arc::clone(image)))
    }

    fn take_in(&mut self, tag: &Tag, image: &Arc<Synthetic>, composed: &Composed) {
        // Meanwhile the tag may have been pushed, or another request may have come first.
        let is_same = matches!(self.tags.get(tag), Some(Tagged::Later { image: now, .. }) if Arc::ptr_eq(now, image));
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

#[cfg(test)]
mod tests {
    use testbed::Seed;

    use super::*;
    use crate::{ImageSpec, store::layer::Noise};

    fn put(repository: &Repository, name: &str, size: &str) -> Arc<Synthetic> {
        let spec = ImageSpec::new(name, [size.parse().unwrap()]).unwrap();
        let image = Arc::new(Synthetic::new(&Noise::new(Seed(1)), &spec));
        repository.put_later(spec.tag, Arc::clone(&image));
        image
    }

    #[tokio::test]
    async fn a_digest_is_searched_in_small_images_and_not_in_huge_ones() {
        let repository = Repository::default();
        let huge = put(&repository, "a/b:1", "2GiB");
        let small = put(&repository, "a/b:2", "2MiB");
        let known = small.composed().await.digest.clone();
        assert!(repository.blob(&Digest::of(b"absent")).await.is_none());
        assert!(repository.manifest(&Reference::Digest(Digest::of(b"absent"))).await.is_none());
        assert!(huge.uncomposed_bytes() > 0);
        assert!(repository.manifest(&Reference::Digest(known)).await.is_some());
    }

    #[tokio::test]
    async fn those_who_search_at_once_are_charged_once() {
        let repository = Repository::default();
        let image = put(&repository, "a/b:1", "2MiB");
        repository.shelf_mut().searched_bytes = MAX_SEARCHED_BYTES - (3 << 20);
        let found = [0; 3].map(|_| repository.shelf_mut().next_searched());
        assert!(found.iter().all(Option::is_some));
        let layer = image.composed().await.blobs[0].0.clone();
        assert!(repository.blob(&layer).await.is_some());
    }
}
