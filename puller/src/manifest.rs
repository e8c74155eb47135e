//! Manifests: asked for by tag or digest, verified, and from an index down to the image of a platform.
//!
//! What counts is the digest of the bytes. `Docker-Content-Digest` may be absent; where it is there it has to be true.
//! The body's own media type outranks `Content-Type`, which some registries get wrong.
//!
//! Source: distribution-spec, "Pulling manifests"; facts/registry E2, E3, E5.

use bytes::Bytes;
use http::{Method, header::CONTENT_TYPE};
use oci::{
    Descriptor, Digest, Endpoint, ImageManifest, ImageReference, MAX_MANIFEST_BYTES, Manifest, MediaType, Platform,
    Reference,
};
use testbed::{
    clock::Participant,
    task::{FailureKind, PullFailure},
};

use crate::{
    client::RequestKind,
    failure::{Trouble, chain, failure, no_platform},
    session::{Attempts, Session},
    transport::{Ask, read_whole, text},
};

/// How deep indexes may be nested; one level is usual.
const MAX_DEPTH: usize = 4;
/// How often content with the wrong digest is fetched before it is the outcome.
pub(crate) const MAX_MISMATCHES: u32 = 2;

/// A manifest with the bytes that its digest is of.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
    pub(crate) manifest: Manifest,
}

/// The image that a reference means on a platform.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The digest of what the reference names, maybe an index.
    pub(crate) top: Digest,
    /// The image manifest's descriptor.
    pub(crate) descriptor: Descriptor,
    /// Its bytes.
    pub(crate) bytes: Bytes,
    /// What they say.
    pub(crate) image: ImageManifest,
}

/// Fetches the manifest of `image`, and from an index the one for `platform`.
pub(crate) async fn resolve(
    session: &Session,
    participant: &Participant,
    image: &ImageReference,
    platform: &Platform,
) -> Result<Resolved, PullFailure> {
    let mut fetched = fetch(session, participant, image, &image.reference(), None).await?;
    let top = fetched.digest.clone();
    for _ in 0..MAX_DEPTH {
        let index = match fetched.manifest {
            Manifest::Image(image) => {
                let size_bytes = fetched.bytes.len() as u64;
                let descriptor = Descriptor::new(image.media_type().clone(), fetched.digest, size_bytes);
                return Ok(Resolved { top, descriptor, bytes: fetched.bytes, image });
            }
            Manifest::Index(index) => index,
        };
        let child = index.select(platform).ok_or_else(|| no_platform(image, platform))?;
        let reference = Reference::Digest(child.digest.clone());
        fetched = fetch(session, participant, image, &reference, Some(child)).await?;
    }
    let message = format!("{image}: indexes are nested more than {MAX_DEPTH} deep");
    Err(failure(FailureKind::Protocol, message))
}

/// Fetches one manifest; `expected` is the index's entry for it.
async fn fetch(
    session: &Session,
    participant: &Participant,
    image: &ImageReference,
    reference: &Reference,
    expected: Option<&Descriptor>,
) -> Result<Fetched, PullFailure> {
    let endpoint = Endpoint::Manifest { repository: image.repository().clone(), reference: reference.clone() };
    let ask = Ask { accept: Some(accept()), ..Ask::new(RequestKind::Manifest, Method::GET, session.url(&endpoint)) };
    let mut attempts = Attempts::new(session, participant, &ask);
    let mut n_mismatches = 0;
    loop {
        let trouble = match try_fetch(session, participant, &ask, reference, expected).await {
            Ok(fetched) => return Ok(fetched),
            Err(trouble) => trouble,
        };
        if trouble.failure.kind == FailureKind::DigestMismatch {
            n_mismatches += 1;
            if n_mismatches == MAX_MISMATCHES {
                return Err(trouble.failure);
            }
        }
        attempts.wait_after(trouble).await?;
    }
}

async fn try_fetch(
    session: &Session,
    participant: &Participant,
    ask: &Ask,
    reference: &Reference,
    expected: Option<&Descriptor>,
) -> Result<Fetched, Trouble> {
    let response = session.exchange(participant, ask).await?;
    let stated: Option<Digest> =
        text(response.headers(), "docker-content-digest").and_then(|digest| digest.trim().parse().ok());
    let content_type: Option<MediaType> = text(response.headers(), CONTENT_TYPE).and_then(|text| text.parse().ok());
    let bytes = read_whole(ask, response, MAX_MANIFEST_BYTES).await?;

    let subject = format!("manifest {reference}");
    if let Some(expected) = expected.filter(|expected| expected.size != bytes.len() as u64) {
        let (listed, found) = (expected.size, bytes.len());
        let message = format!("{subject}: size mismatch: the index says {listed} bytes, received {found}");
        return Err(Trouble::last(FailureKind::Protocol, message));
    }
    for promised in reference.digest().into_iter().chain(&stated) {
        let actual = Digest::of_with(promised.algorithm(), &bytes);
        if actual != *promised {
            return Err(Trouble::digest(&subject, promised, &actual));
        }
    }
    let manifest = Manifest::parse(&bytes, content_type.as_ref()).map_err(|error| {
        let message = format!("{subject}: {}", chain(&error));
        Trouble::last(FailureKind::Protocol, message)
    })?;
    let digest = reference.digest().cloned().unwrap_or_else(|| Digest::of(&bytes));
    Ok(Fetched { digest, bytes, manifest })
}

/// The four types that are understood, as one list.
fn accept() -> String {
    [MediaType::OCI_INDEX, MediaType::OCI_MANIFEST, MediaType::DOCKER_MANIFEST_LIST, MediaType::DOCKER_MANIFEST]
        .map(|media_type| media_type.to_string())
        .join(", ")
}
