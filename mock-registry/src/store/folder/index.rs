//! `index.json`: every manifest of a repository, and its tags.
//!
//! A tag is a descriptor with the tag as its `org.opencontainers.image.ref.name`; a manifest with several tags has several
//! descriptors, and one without tags has one without that annotation. Each descriptor of ours says besides whether the manifest
//! was pushed as a blob too, and so can be read as one. Others do not, and what they list besides is found through them. What
//! other tools wrote into a descriptor stays.
//!
//! Source: image-spec, "Image Layout", "Annotations".

use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
};

use oci::{Descriptor, Digest, ImageIndex, MediaType, Tag};

use crate::store::{StoreError, StoredManifest};

/// The annotation with a descriptor's tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that tells whether a manifest was pushed as a blob too.
const IS_BLOB: &str = "io.github.pullrig.is-blob";

/// The descriptors of a repository's manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index(ImageIndex);

impl Index {
    /// Of no manifest.
    pub(super) fn empty() -> Self {
        Self(ImageIndex::new(MediaType::OCI_INDEX, Vec::new()))
    }

    /// What `json` says, which was read from `path`.
    ///
    /// # Errors
    /// It is no image index.
    pub(super) fn parse(json: &[u8], path: &Path) -> Result<Self, StoreError> {
        let index = serde_json::from_slice(json);
        index.map(Self).map_err(|source| StoreError::Damaged { path: path.to_path_buf(), source })
    }

    /// As it is written to `index.json`.
    pub(super) fn to_json(&self) -> Vec<u8> {
        // An index has text keys only, so it always serializes.
        serde_json::to_vec(&self.0).unwrap_or_default()
    }

    /// The manifests, each once.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &Descriptor> {
        let mut seen = BTreeSet::new();
        self.0.manifests.iter().filter(move |descriptor| seen.insert(&descriptor.digest))
    }

    /// The tags, and what each names. What is no tag is a name of other tools.
    pub(super) fn tags(&self) -> impl Iterator<Item = (Tag, &Digest)> {
        let tag = |descriptor: &Descriptor| descriptor.annotations.get(REF_NAME)?.parse().ok();
        self.0.manifests.iter().filter_map(move |descriptor| Some((tag(descriptor)?, &descriptor.digest)))
    }

    /// Whether there is a manifest under `digest`.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.of(digest).next().is_some()
    }

    /// Whether what is under `digest` can be read as a blob: it is no manifest, or was pushed as a blob too.
    pub(super) fn is_blob(&self, digest: &Digest) -> bool {
        self.of(digest).all(is_blob)
    }

    /// The manifests that were not pushed as blobs too.
    pub(super) fn no_blobs(&self) -> HashSet<&Digest> {
        let no_blobs = self.0.manifests.iter().filter(|descriptor| !is_blob(descriptor));
        no_blobs.map(|descriptor| &descriptor.digest).collect()
    }

    /// Makes all descriptors ours: what they list besides is listed here.
    pub(super) fn own(&mut self) {
        for descriptor in &mut self.0.manifests {
            descriptor.annotations.entry(IS_BLOB.to_owned()).or_insert_with(|| false.to_string());
        }
    }

    /// Puts a manifest in, lets `tags` name it, and remembers whether it is a blob too.
    pub(super) fn put(&mut self, manifest: &StoredManifest, tags: &[Tag], is_blob: bool) {
        let StoredManifest { digest, media_type, bytes, .. } = manifest;
        let size = bytes.len() as u64;
        for descriptor in self.of_mut(digest) {
            descriptor.media_type = media_type.clone();
            descriptor.size = size;
        }
        let descriptor = Descriptor::new(media_type.clone(), digest.clone(), size);
        for tag in tags {
            self.remove_tag(tag);
            let untagged = |known: &Descriptor| known.digest == *digest && !known.annotations.contains_key(REF_NAME);
            let at = self.0.manifests.iter().position(untagged).unwrap_or_else(|| {
                self.0.manifests.push(descriptor.clone());
                self.0.manifests.len() - 1
            });
            self.0.manifests[at].annotations.insert(REF_NAME.to_owned(), tag.to_string());
        }
        if !self.has(digest) {
            self.0.manifests.push(descriptor);
        }
        self.set_blob(digest, is_blob);
    }

    /// Remembers whether the manifest under `digest` is a blob too.
    pub(super) fn set_blob(&mut self, digest: &Digest, is_blob: bool) {
        for descriptor in self.of_mut(digest) {
            descriptor.annotations.insert(IS_BLOB.to_owned(), is_blob.to_string());
        }
    }

    /// Takes a tag away. Its manifest stays.
    pub(super) fn remove_tag(&mut self, tag: &Tag) {
        let is_tagged =
            |descriptor: &Descriptor| descriptor.annotations.get(REF_NAME).is_some_and(|name| name == tag.as_str());
        while let Some(at) = self.0.manifests.iter().position(is_tagged) {
            let digest = self.0.manifests[at].digest.clone();
            if self.of(&digest).nth(1).is_some() {
                self.0.manifests.remove(at);
            } else {
                self.0.manifests[at].annotations.remove(REF_NAME);
            }
        }
    }

    /// Takes a manifest away with its tags.
    pub(super) fn remove(&mut self, digest: &Digest) {
        self.0.manifests.retain(|descriptor| descriptor.digest != *digest);
    }

    fn of(&self, digest: &Digest) -> impl Iterator<Item = &Descriptor> {
        self.0.manifests.iter().filter(move |descriptor| descriptor.digest == *digest)
    }

    fn of_mut(&mut self, digest: &Digest) -> impl Iterator<Item = &mut Descriptor> {
        self.0.manifests.iter_mut().filter(move |descriptor| descriptor.digest == *digest)
    }
}

/// Whether the descriptor is ours, so that what its manifest lists has descriptors of its own.
pub(super) fn is_ours(descriptor: &Descriptor) -> bool {
    descriptor.annotations.contains_key(IS_BLOB)
}

fn is_blob(descriptor: &Descriptor) -> bool {
    descriptor.annotations.get(IS_BLOB).is_some_and(|value| *value == true.to_string())
}
