//! One repository: what was pushed to it, and the images made up in it.
//!
//! A made-up image is composed, which hashes its layers, when its tag is asked for. What a digest names that is not known is
//! looked for in the images that were not composed yet, smallest first, and in no more than 1 GiB of them for each
//! repository: whoever asks for digests that nobody has must not have terabytes hashed.
//!
//! A read takes a read lock for one look into a map. Who writes waits for the one who writes before; what is pushed is on the
//! medium before it is in the index, and the index is locked for one insertion, never while bytes move.

use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use http::HeaderValue;
use oci::{Digest, Manifest, MediaType, Reference, RepositoryName, Tag};
use tokio::sync::{Mutex, OnceCell};

use super::{
    Content, StoreError,
    content::Kept,
    medium::{Keeper, Medium, run},
    session::Received,
    shelf::Shelf,
    synthetic::Synthetic,
};
use crate::header::header_value;

/// A manifest as it was pushed.
#[derive(Clone, Debug)]
pub(crate) struct StoredManifest {
    /// The digest of `bytes`.
    pub(crate) digest: Digest,
    /// What it is served as.
    pub(crate) media_type: MediaType,
    /// The bytes, unchanged.
    pub(crate) bytes: Bytes,
    /// What every answer with it says of it.
    pub(crate) head: ManifestHead,
    /// What it refers to, read when that is asked for the first time.
    subject: OnceLock<Option<Digest>>,
}

/// The headers of a manifest, written once: a clone of one is a pointer.
#[derive(Clone, Debug)]
pub(crate) struct ManifestHead {
    /// `Content-Type`: the media type.
    pub(crate) content_type: HeaderValue,
    /// `Content-Length`, in bytes.
    pub(crate) content_length: HeaderValue,
    /// `Docker-Content-Digest`.
    pub(crate) content_digest: HeaderValue,
    /// `ETag`: the quoted digest.
    pub(crate) etag: HeaderValue,
}

impl StoredManifest {
    /// `bytes` under their sha256 digest.
    pub(crate) fn new(media_type: MediaType, bytes: Bytes) -> Self {
        Self::under(Digest::of(&bytes), media_type, bytes)
    }

    /// `bytes` under `digest`, which is theirs.
    pub(crate) fn under(digest: Digest, media_type: MediaType, bytes: Bytes) -> Self {
        let head = ManifestHead {
            content_type: header_value(&media_type),
            content_length: HeaderValue::from(bytes.len()),
            content_digest: header_value(&digest),
            etag: header_value(format_args!("\"{digest}\"")),
        };
        Self { digest, media_type, bytes, head, subject: OnceLock::new() }
    }

    /// The digest of the manifest that it refers to, if it refers to one.
    pub(crate) fn subject(&self) -> Option<&Digest> {
        let read = || Some(Manifest::parse(&self.bytes, Some(&self.media_type)).ok()?.subject()?.digest.clone());
        self.subject.get_or_init(read).as_ref()
    }
}

/// One repository. What an earlier life left there is in it once it is [ready](Self::ready).
#[derive(Debug)]
pub(crate) struct Repository {
    name: RepositoryName,
    medium: Arc<dyn Medium>,
    shelf: RwLock<Shelf>,
    /// Held by the one who writes.
    keeper: OnceCell<Arc<Mutex<Box<dyn Keeper>>>>,
}

impl Repository {
    /// The repository called `name`, which nobody has read yet.
    pub(crate) fn new(name: RepositoryName, medium: Arc<dyn Medium>) -> Self {
        Self { name, medium, shelf: RwLock::default(), keeper: OnceCell::new() }
    }

    /// Reads what an earlier life left here, the first time.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn ready(self: Arc<Self>) -> Result<Arc<Self>, StoreError> {
        if !self.keeper.initialized() {
            // Boxed, as composing is: what is done once needs no room in every exchange.
            Box::pin(self.keeper()).await?;
        }
        Ok(self)
    }

    async fn keeper(self: &Arc<Self>) -> Result<&Arc<Mutex<Box<dyn Keeper>>>, StoreError> {
        let open = async || {
            let repository = Arc::clone(self);
            run(self.medium.is_immediate(), move || repository.open()).await
        };
        self.keeper.get_or_try_init(open).await
    }

    fn open(&self) -> Result<Arc<Mutex<Box<dyn Keeper>>>, StoreError> {
        let (keeper, found) = self.medium.open(&self.name)?;
        let mut shelf = self.shelf_mut();
        for (digest, blob) in found.blobs {
            shelf.put_blob(digest, blob);
        }
        for manifest in found.manifests {
            let layers = match Manifest::parse(&manifest.bytes, Some(&manifest.media_type)) {
                Ok(Manifest::Image(image)) => image.layers.into_iter().map(|layer| layer.digest).collect(),
                _ => Vec::new(),
            };
            shelf.put_manifest(Arc::new(manifest), &[], &layers);
        }
        for (tag, digest) in found.tags {
            shelf.put_tag(tag, digest);
        }
        Ok(Arc::new(Mutex::new(keeper)))
    }

    /// The manifest that `reference` names; composes made-up images of this repository if it has to.
    pub(crate) async fn manifest(&self, reference: &Reference) -> Option<Arc<StoredManifest>> {
        loop {
            if let Some(manifest) = self.shelf().manifest(reference) {
                return Some(manifest);
            }
            if Box::pin(self.compose_next(reference.tag())).await.is_none() {
                // Another request may have composed it since it was looked for.
                return self.shelf().manifest(reference);
            }
        }
    }

    /// The blob under `digest`, open to be read; composes made-up images of this repository if it has to. One that was damaged
    /// on the medium is absent.
    ///
    /// # Errors
    /// The medium cannot be read.
    pub(crate) async fn blob(&self, digest: &Digest) -> Result<Option<Content>, StoreError> {
        Ok(match self.kept_blob(digest).await {
            None => None,
            Some(Kept::Ready(content)) => Some(content),
            Some(Kept::File(file)) => Box::pin(file.open()).await?.map(|file| Content::File(Arc::new(file))),
        })
    }

    /// The blob under `digest` as the index holds it; composes made-up images of this repository if it has to.
    pub(crate) async fn kept_blob(&self, digest: &Digest) -> Option<Kept> {
        loop {
            if let Some(kept) = self.shelf().blob(digest) {
                return Some(kept);
            }
            if Box::pin(self.compose_next(None)).await.is_none() {
                return self.shelf().blob(digest);
            }
        }
    }

    /// Whether the blob is known to be here, nothing being composed for it.
    pub(crate) fn knows_blob(&self, digest: &Digest) -> bool {
        self.shelf().blob(digest).is_some()
    }

    /// Whether the blob is known, made-up images aside that were not composed yet.
    pub(crate) fn has_blob(&self, digest: &Digest) -> bool {
        self.shelf().blob(digest).is_some()
    }

    /// Which layer of its manifest the blob is, from 1, if that is known.
    pub(crate) fn layer_number(&self, digest: &Digest) -> Option<usize> {
        self.shelf().layer_number(digest)
    }

    /// All tags, sorted.
    pub(crate) fn tags(&self) -> Vec<Tag> {
        self.shelf().tags_after(None).cloned().collect()
    }

    /// The first `n` tags behind `last`, which need not be one, sorted.
    pub(crate) fn tags_after(&self, last: Option<&str>, n: usize) -> Vec<Tag> {
        self.shelf().tags_after(last).take(n).cloned().collect()
    }

    /// The manifests that are known, for those who look for referrers.
    pub(crate) fn manifests(&self) -> Vec<Arc<StoredManifest>> {
        self.shelf().manifests().cloned().collect()
    }

    /// Keeps `manifest`, lets `tags` name it, and remembers which blobs are its `layers`.
    ///
    /// # Errors
    /// The medium cannot keep it.
    pub(crate) async fn put_manifest(
        self: &Arc<Self>,
        manifest: StoredManifest,
        tags: Vec<Tag>,
        layers: Vec<Digest>,
    ) -> Result<(), StoreError> {
        self.write(move |repository, keeper| {
            let is_blob = repository.shelf().blob(&manifest.digest).is_some();
            keeper.keep_manifest(&manifest, &tags, is_blob)?;
            repository.shelf_mut().put_manifest(Arc::new(manifest), &tags, &layers);
            Ok(())
        })
        .await
    }

    /// Keeps a blob that has arrived.
    ///
    /// # Errors
    /// The medium cannot keep it.
    pub(crate) async fn put_blob(self: &Arc<Self>, received: Received) -> Result<(), StoreError> {
        self.write(move |repository, keeper| {
            let Received { digest, intake } = received;
            let kept = intake.keep(&repository.name, &digest)?;
            keeper.admit_blob(&digest)?;
            repository.shelf_mut().put_blob(digest, kept);
            Ok(())
        })
        .await
    }

    /// Keeps a blob of another repository here too; false if it is there no longer, or is not to be had without its bytes
    /// being pushed.
    ///
    /// # Errors
    /// The medium cannot keep it.
    pub(crate) async fn link_blob(self: &Arc<Self>, digest: &Digest, blob: Kept) -> Result<bool, StoreError> {
        let digest = digest.clone();
        self.write(move |repository, keeper| {
            let Some(kept) = keeper.link_blob(&digest, &blob)? else { return Ok(false) };
            keeper.admit_blob(&digest)?;
            repository.shelf_mut().put_blob(digest, kept);
            Ok(true)
        })
        .await
    }

    /// Keeps an image that is composed when it is asked for.
    pub(crate) fn put_later(&self, tag: Tag, image: Arc<Synthetic>) {
        self.shelf_mut().put_later(tag, image);
    }

    /// Takes the tag away without composing what it names; false if there is none.
    ///
    /// # Errors
    /// The medium cannot be written.
    pub(crate) async fn remove_tag(self: &Arc<Self>, tag: &Tag) -> Result<bool, StoreError> {
        let tag = tag.clone();
        self.write(move |repository, keeper| {
            keeper.remove_tag(&tag)?;
            Ok(repository.shelf_mut().remove_tag(&tag))
        })
        .await
    }

    /// Takes a tag away alone, or a manifest with the tags that name it; false if there is none. Composes what it takes
    /// away: a manifest stays without its tag, and must not come back after its end.
    ///
    /// # Errors
    /// The medium cannot be written.
    pub(crate) async fn delete_manifest(self: &Arc<Self>, reference: &Reference) -> Result<bool, StoreError> {
        if self.manifest(reference).await.is_none() {
            return Ok(false);
        }
        let digest = match reference {
            Reference::Tag(tag) => return self.remove_tag(tag).await,
            Reference::Digest(digest) => digest.clone(),
        };
        self.write(move |repository, keeper| {
            keeper.remove_manifest(&digest)?;
            Ok(repository.shelf_mut().remove_manifest(&digest))
        })
        .await
    }

    /// Takes the blob away, composing it if it has to; false if there is none.
    ///
    /// # Errors
    /// The medium cannot be written.
    pub(crate) async fn delete_blob(self: &Arc<Self>, digest: &Digest) -> Result<bool, StoreError> {
        if self.kept_blob(digest).await.is_none() {
            return Ok(false);
        }
        let digest = digest.clone();
        self.write(move |repository, keeper| {
            keeper.remove_blob(&digest)?;
            Ok(repository.shelf_mut().remove_blob(&digest))
        })
        .await
    }

    /// Changes what is kept, alone. It is done to its end also when nobody waits for it any more, so that index and medium
    /// stay the same.
    async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&Self, &mut dyn Keeper) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut keeper = Arc::clone(self.keeper().await?).lock_owned().await;
        let repository = Arc::clone(self);
        run(self.medium.is_immediate(), move || change(&repository, &mut **keeper)).await
    }

    /// Composes the image under `wanted`, or the smallest one if there is no tag; `None` if there is none left.
    async fn compose_next(&self, wanted: Option<&Tag>) -> Option<()> {
        let (tag, image) = match wanted {
            Some(tag) => (tag.clone(), self.shelf().later(tag)?),
            None => self.shelf_mut().next_searched()?,
        };
        let composed = image.composed().await;
        self.shelf_mut().take_in(&tag, &image, composed);
        Some(())
    }

    fn shelf(&self) -> RwLockReadGuard<'_, Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf_mut(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use testbed::Seed;

    use super::*;
    use crate::{
        ImageSpec,
        store::{Memory, Room, shelf::MAX_SEARCHED_BYTES, synthetic::Noise},
    };

    fn repository() -> Repository {
        Repository::new("a/b".parse().unwrap(), Arc::new(Memory::new(Room::default())))
    }

    fn put(repository: &Repository, name: &str, size: &str) -> Arc<Synthetic> {
        let spec = ImageSpec::new(name, [size.parse().unwrap()]).unwrap();
        let image = Arc::new(Synthetic::new(&Noise::new(Seed(1)), &spec));
        repository.put_later(spec.tag, Arc::clone(&image));
        image
    }

    #[tokio::test]
    async fn a_digest_is_searched_in_small_images_and_not_in_huge_ones() {
        let repository = repository();
        let huge = put(&repository, "a/b:1", "2GiB");
        let small = put(&repository, "a/b:2", "2MiB");
        let known = small.composed().await.digest.clone();
        assert!(repository.blob(&Digest::of(b"absent")).await.unwrap().is_none());
        assert!(repository.manifest(&Reference::Digest(Digest::of(b"absent"))).await.is_none());
        assert!(huge.uncomposed_bytes() > 0);
        assert!(repository.manifest(&Reference::Digest(known)).await.is_some());
    }

    #[tokio::test]
    async fn those_who_search_at_once_are_charged_once() {
        let repository = repository();
        let image = put(&repository, "a/b:1", "2MiB");
        repository.shelf_mut().searched_bytes = MAX_SEARCHED_BYTES - (3 << 20);
        let found = [0; 3].map(|_| repository.shelf_mut().next_searched());
        assert!(found.iter().all(Option::is_some));
        let layer = image.composed().await.blobs[0].0.clone();
        assert!(repository.blob(&layer).await.unwrap().is_some());
    }
}
