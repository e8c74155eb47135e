//! The index of one repository, which requests are answered from: manifests by digest, tags, blobs, and the images not
//! composed yet.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    ops::Bound,
    sync::Arc,
};

use oci::{Digest, Reference, Tag};

use super::{
    StoredManifest,
    content::Kept,
    synthetic::{Composed, Synthetic},
};

/// How much of a repository is hashed in search of digests that are not known.
pub(super) const MAX_SEARCHED_BYTES: u64 = 1 << 30;

/// What is known of one repository.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    manifests: HashMap<Digest, Arc<StoredManifest>>,
    tags: BTreeMap<Tag, Tagged>,
    blobs: HashMap<Digest, Blob>,
    /// How much was hashed in search of digests.
    pub(super) searched_bytes: u64,
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

#[derive(Debug)]
struct Blob {
    kept: Kept,
    /// Which layer of its manifest it is, from 1.
    layer: Option<usize>,
}

impl Shelf {
    /// The manifest that `reference` names, if that is known.
    pub(super) fn manifest(&self, reference: &Reference) -> Option<Arc<StoredManifest>> {
        let digest = match reference {
            Reference::Digest(digest) => digest,
            Reference::Tag(tag) => match self.tags.get(tag)? {
                Tagged::Known(digest) => digest,
                Tagged::Later { .. } => return None,
            },
        };
        self.manifests.get(digest).cloned()
    }

    /// The blob under `digest`, if that is known.
    pub(super) fn blob(&self, digest: &Digest) -> Option<Kept> {
        self.blobs.get(digest).map(|blob| blob.kept.clone())
    }

    /// Which layer of its manifest the blob is, from 1, if that is known.
    pub(super) fn layer_number(&self, digest: &Digest) -> Option<usize> {
        self.blobs.get(digest)?.layer
    }

    /// The tags behind `last`, which need not be one, sorted; all of them without it.
    pub(super) fn tags_after(&self, last: Option<&str>) -> impl Iterator<Item = &Tag> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.tags.range::<str, _>((start, Bound::Unbounded)).map(|(tag, _)| tag)
    }

    /// The manifests that are known.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &Arc<StoredManifest>> {
        self.manifests.values()
    }

    /// Puts a manifest in, lets `tags` name it, and remembers which blobs are its layers.
    pub(super) fn put_manifest(&mut self, manifest: Arc<StoredManifest>, tags: &[Tag], layers: &[Digest]) {
        for tag in tags {
            self.put_tag(tag.clone(), manifest.digest.clone());
        }
        for (n, layer) in layers.iter().enumerate() {
            if let Some(blob) = self.blobs.get_mut(layer) {
                blob.layer.get_or_insert(n + 1);
            }
        }
        self.manifests.insert(manifest.digest.clone(), manifest);
    }

    /// Lets `tag` name the manifest under `digest`.
    pub(super) fn put_tag(&mut self, tag: Tag, digest: Digest) {
        self.tags.insert(tag, Tagged::Known(digest));
    }

    /// Puts a blob in, in place of one that has the same bytes.
    pub(super) fn put_blob(&mut self, digest: Digest, kept: Kept) {
        match self.blobs.entry(digest) {
            Entry::Occupied(mut present) => present.get_mut().kept = kept,
            Entry::Vacant(vacant) => {
                vacant.insert(Blob { kept, layer: None });
            }
        }
    }

    /// Puts an image in that is composed when it is asked for.
    pub(super) fn put_later(&mut self, tag: Tag, image: Arc<Synthetic>) {
        self.tags.insert(tag, Tagged::Later { image, is_searched: false });
    }

    /// Takes the tag away; false if there is none.
    pub(super) fn remove_tag(&mut self, tag: &Tag) -> bool {
        self.tags.remove(tag).is_some()
    }

    /// Takes the manifest away with the tags that name it; false if there is none.
    pub(super) fn remove_manifest(&mut self, digest: &Digest) -> bool {
        self.tags.retain(|_, tagged| !matches!(tagged, Tagged::Known(named) if named == digest));
        self.manifests.remove(digest).is_some()
    }

    /// Takes the blob away; false if there is none.
    pub(super) fn remove_blob(&mut self, digest: &Digest) -> bool {
        self.blobs.remove(digest).is_some()
    }

    /// The image under `tag`, if it is not composed yet.
    pub(super) fn later(&self, tag: &Tag) -> Option<Arc<Synthetic>> {
        match self.tags.get(tag)? {
            Tagged::Later { image, .. } => Some(Arc::clone(image)),
            Tagged::Known(_) => None,
        }
    }

    /// The image to search next, charged to what may be searched.
    pub(super) fn next_searched(&mut self) -> Option<(Tag, Arc<Synthetic>)> {
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

    /// Puts in what the image under `tag` was composed to.
    pub(super) fn take_in(&mut self, tag: &Tag, image: &Arc<Synthetic>, composed: &Composed) {
        // Meanwhile the tag may have been pushed, or another request may have come first.
        let is_same = matches!(self.tags.get(tag), Some(Tagged::Later { image: now, .. }) if Arc::ptr_eq(now, image));
        if !is_same {
            return;
        }
        self.put_tag(tag.clone(), composed.digest.clone());
        for manifest in &composed.manifests {
            self.manifests.insert(manifest.digest.clone(), Arc::new(manifest.clone()));
        }
        for (digest, content, layer) in &composed.blobs {
            let made_up = || Blob { kept: Kept::Ready(content.clone()), layer: *layer };
            self.blobs.entry(digest.clone()).or_insert_with(made_up);
        }
    }
}
