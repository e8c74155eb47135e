//! One image of a file, with all that belongs to it: found and checked, but for what is large.

use std::collections::HashSet;

use oci::{Descriptor, Digest, ImageReference, Manifest};

use super::{
    ImportError, ImportSpec,
    docker::{self, SavedImage},
    layout,
    source::{Place, Source},
};
use crate::store::StoredManifest;

/// The most manifests of one image, what refers to it included.
const MAX_MANIFESTS: usize = 1_000;

/// An image that a file lists.
pub(super) struct Listed {
    /// What it is called there; it may have no name.
    pub(super) names: Vec<String>,
    /// Where it begins.
    pub(super) root: Root,
}

/// Where an image begins.
pub(super) enum Root {
    /// A manifest or an index.
    Manifest(Descriptor),
    /// An entry of the list of `docker save`.
    Saved(SavedImage),
}

/// An image that is ready to be loaded.
#[derive(Debug)]
pub(crate) struct Selection {
    /// What the tag names.
    pub(super) digest: Digest,
    /// Its manifests, an index before what it lists.
    pub(super) manifests: Vec<(StoredManifest, Manifest)>,
    /// Its configs and layers.
    pub(super) blobs: Vec<(Digest, Place)>,
}

/// What belongs to an image, as far as it was found.
#[derive(Default)]
struct Found {
    manifests: Vec<(StoredManifest, Manifest)>,
    blobs: Vec<(Digest, Place)>,
    seen: HashSet<Digest>,
}

impl Selection {
    /// Finds the image that `spec` asks for. This reads manifests and configs, and no layers but those that are compressed
    /// without a digest.
    pub(crate) fn read(spec: &ImportSpec) -> Result<Self, ImportError> {
        let source = Source::open(spec.path())?;
        let (listed, referrers) = if layout::is_layout(&source) {
            layout::list(&source)?
        } else if docker::is_saved(&source) {
            (docker::list(&source)?, Vec::new())
        } else {
            return Err(ImportError::Unknown { path: spec.from.clone() });
        };
        let mut found = Found::default();
        let digest = match &choose(&listed, spec)?.root {
            Root::Manifest(descriptor) => {
                found.add_tree(&source, descriptor)?;
                descriptor.digest.clone()
            }
            Root::Saved(image) => found.add_saved(&source, image)?,
        };
        found.add_referrers(&source, referrers)?;
        let Found { manifests, blobs, .. } = found;
        Ok(Self { digest, manifests, blobs })
    }
}

impl Found {
    /// Adds a manifest with all that it names. An index may list images that are not there: `docker save` keeps the platforms
    /// that it has.
    fn add_tree(&mut self, source: &Source, root: &Descriptor) -> Result<(), ImportError> {
        let mut wanted = vec![root.clone()];
        while let Some(descriptor) = wanted.pop() {
            if !self.seen.insert(descriptor.digest.clone()) {
                continue;
            }
            if self.manifests.len() >= MAX_MANIFESTS {
                return Err(ImportError::TooMany { what: "manifests", max: MAX_MANIFESTS });
            }
            let (stored, manifest) = layout::read_manifest(source, &descriptor)?;
            match &manifest {
                Manifest::Image(image) => {
                    for blob in image.blobs() {
                        self.add_blob(source, blob)?;
                    }
                }
                Manifest::Index(index) => {
                    let here = |child: &&Descriptor| layout::has_blob(source, &child.digest);
                    let n_before = wanted.len();
                    wanted.extend(index.manifests.iter().filter(here).cloned());
                    if wanted.len() == n_before && !index.manifests.is_empty() {
                        let entry = descriptor.digest.to_string();
                        return Err(ImportError::Entry { entry, why: "lists images of which none is there" });
                    }
                }
            }
            self.manifests.push((stored, manifest));
        }
        Ok(())
    }

    fn add_blob(&mut self, source: &Source, blob: &Descriptor) -> Result<(), ImportError> {
        // What can be fetched elsewhere need not be here.
        let is_elsewhere = !blob.urls.is_empty() && !layout::has_blob(source, &blob.digest);
        if is_elsewhere || !self.seen.insert(blob.digest.clone()) {
            return Ok(());
        }
        let place = layout::find_blob(source, &blob.digest)?;
        place.check_size(blob.size)?;
        self.blobs.push((blob.digest.clone(), place));
        Ok(())
    }

    fn add_saved(&mut self, source: &Source, image: &SavedImage) -> Result<Digest, ImportError> {
        let docker::Written { manifest, blobs } = docker::write(source, image)?;
        for (descriptor, place) in manifest.blobs().zip(blobs) {
            if self.seen.insert(descriptor.digest.clone()) {
                self.blobs.push((descriptor.digest.clone(), place));
            }
        }
        let media_type = manifest.media_type().clone();
        // A manifest has text keys only, so it always serializes.
        let bytes = serde_json::to_vec(&manifest).unwrap_or_default();
        let stored = StoredManifest::new(media_type, bytes.into());
        let digest = stored.digest.clone();
        self.manifests.push((stored, Manifest::Image(manifest)));
        Ok(digest)
    }

    /// Adds what refers to the image, and what refers to that.
    fn add_referrers(&mut self, source: &Source, mut referrers: Vec<Descriptor>) -> Result<(), ImportError> {
        loop {
            let n_before = referrers.len();
            let mut others = Vec::new();
            for descriptor in referrers {
                let (_, manifest) = layout::read_manifest(source, &descriptor)?;
                if manifest.subject().is_some_and(|subject| self.seen.contains(&subject.digest)) {
                    self.add_tree(source, &descriptor)?;
                } else {
                    others.push(descriptor);
                }
            }
            if others.len() == n_before {
                return Ok(());
            }
            referrers = others;
        }
    }
}

/// The image of that name, else that of that tag, else the only one.
fn choose<'a>(listed: &'a [Listed], spec: &ImportSpec) -> Result<&'a Listed, ImportError> {
    let by_name = listed.iter().find(|image| image.names.iter().any(|name| is_called(name, spec)));
    if let Some(image) = by_name {
        return Ok(image);
    }
    let mut by_tag = listed.iter().filter(|image| image.names.iter().any(|name| name == spec.tag.as_str()));
    match (by_tag.next(), by_tag.next(), listed) {
        (Some(image), None, _) | (None, None, [image]) => Ok(image),
        (None, None, []) => Err(ImportError::Empty),
        _ => {
            let name = |image: &Listed| {
                image.names.first().map_or(String::from("one without a name"), |name| format!("`{name}`"))
            };
            let wanted = format!("{}:{}", spec.repository, spec.tag);
            Err(ImportError::NoSuchImage { wanted, names: listed.iter().map(name).collect() })
        }
    }
}

/// Whether an image called `name` is the one that is asked for, in whatever registry.
fn is_called(name: &str, spec: &ImportSpec) -> bool {
    let Ok(named) = name.parse::<ImageReference>() else { return false };
    let (repository, wanted) = (named.repository().as_str(), spec.repository.as_str());
    // Docker Hub's own images are called with and without their namespace.
    let is_same = repository == wanted || repository.strip_prefix("library/") == Some(wanted);
    is_same && named.tag() == Some(&spec.tag)
}
