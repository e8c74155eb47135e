//! Manifests: resolved with `HEAD` by clients that do, asked for by tag or digest, verified, and from an index down to the
//! image of a platform.
//!
//! What counts is the digest of the bytes. `Docker-Content-Digest` may be absent; where it is there it has to be true.
//! The body's own media type outranks `Content-Type`, which some registries get wrong.
//!
//! Source: distribution-spec, "Pulling manifests"; facts/registry E2, E3, E5, E6.

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Method, StatusCode, header::CONTENT_TYPE};
use oci::{Descriptor, Digest, Endpoint, ImageManifest, ImageReference, Manifest, MediaType, Platform, Reference};
use testbed::{
    clock::Participant,
    task::{FailureKind, PullFailure, PullTask},
};

use crate::{
    client::{Cause, RequestKind, RetryOn},
    failure::{Trouble, chain, failure, no_platform},
    hosts::Hosts,
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

/// What a reference means.
pub(crate) enum Meaning {
    /// The image that is here already.
    UpToDate,
    /// Another one.
    Image(Box<Resolved>),
}

/// What is asked of a manifest, beside its name.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    image: &'a ImageReference,
    reference: &'a Reference,
    /// The index's entry for it.
    expected: Option<&'a Descriptor>,
    /// What is here already, if the registry is asked whether it is still that.
    unless: Option<&'a Digest>,
}

/// Finds out what the image of `task` is: by `HEAD` if the client asks so, then the manifest, and from an index the one
/// for the platform.
pub(crate) async fn resolve(hosts: &Hosts, participant: &Participant, task: &PullTask) -> Result<Meaning, PullFailure> {
    let PullTask { image, platform, cached, .. } = task;
    let cached = cached.as_ref().map(|cached| &cached.digest);
    let mut reference = image.reference();
    let order = hosts.order();
    if order.asks_head(cached.is_some()) {
        let found = hosts.ask(participant, |session| head(session, participant, image).boxed()).await?;
        if found.is_some() && found.as_ref() == cached {
            return Ok(Meaning::UpToDate);
        }
        if let Some(digest) = found {
            reference = Reference::Digest(digest);
        }
    }
    let unless = cached.filter(|_| order.conditional);
    let wanted = Wanted { image, reference: &reference, expected: None, unless };
    let Some(fetched) = hosts.ask(participant, |session| fetch(hosts, session, participant, wanted).boxed()).await?
    else {
        return Ok(Meaning::UpToDate);
    };
    if Some(&fetched.digest) == cached {
        return Ok(Meaning::UpToDate);
    }
    descend(hosts, participant, image, platform, fetched).await.map(|resolved| Meaning::Image(Box::new(resolved)))
}

/// Goes from an index down to the image of a platform.
async fn descend(
    hosts: &Hosts,
    participant: &Participant,
    image: &ImageReference,
    platform: &Platform,
    mut fetched: Fetched,
) -> Result<Resolved, PullFailure> {
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
        let wanted = Wanted { image, reference: &reference, expected: Some(child), unless: None };
        let found = hosts.ask(participant, |session| fetch(hosts, session, participant, wanted).boxed()).await?;
        fetched = found.ok_or_else(|| failure(FailureKind::Protocol, format!("{image}: a manifest is missing")))?;
    }
    let message = format!("{image}: indexes are nested more than {MAX_DEPTH} deep");
    Err(failure(FailureKind::Protocol, message))
}

/// Asks with `HEAD` for the digest of `image`; nothing if the client asks with `GET` after such an answer.
pub(crate) async fn head(
    session: &Session,
    participant: &Participant,
    image: &ImageReference,
) -> Result<Option<Digest>, PullFailure> {
    let endpoint = Endpoint::Manifest { repository: image.repository().clone(), reference: image.reference() };
    let ask = Ask { accept: session.accept(), ..Ask::new(RequestKind::Head, Method::HEAD, session.url(&endpoint)) };
    let habits = &session.profile.head;
    let refused = match session.send(participant, &ask).await {
        Ok(response) => {
            let digest =
                text(response.headers(), "docker-content-digest").and_then(|digest| digest.trim().parse().ok());
            if digest.is_none() && !habits.falls_back_without_digest {
                let message = format!("{}: the answer has no digest", ask.name());
                return Err(failure(FailureKind::Protocol, message));
            }
            return Ok(digest);
        }
        Err(failure) => failure,
    };
    // What a token service refuses is refused to GET as well.
    let cause = if refused.of_token { Cause::Final } else { Cause::of(refused.kind, refused.status) };
    let cause = RetryOn(cause);
    if habits.falls_back_always || habits.falls_back_on.contains(&cause) {
        return Ok(None);
    }
    if habits.reads_error_of.contains(&cause) {
        let ask = Ask { kind: RequestKind::Manifest, method: Method::GET, ..ask };
        if let Err(trouble) = session.exchange(participant, &ask).await {
            return Err(trouble.failure);
        }
    }
    Err(refused)
}

/// Fetches one manifest from one host; nothing if it is what is here already.
async fn fetch(
    hosts: &Hosts,
    session: &Session,
    participant: &Participant,
    wanted: Wanted<'_>,
) -> Result<Option<Fetched>, PullFailure> {
    let Wanted { image, reference, unless, .. } = wanted;
    let endpoint = Endpoint::Manifest { repository: image.repository().clone(), reference: reference.clone() };
    let ask = Ask {
        accept: session.accept(),
        unless: unless.map(|digest| format!("\"{digest}\"")),
        ..Ask::new(RequestKind::Manifest, Method::GET, session.url(&endpoint))
    };
    let mut attempts = Attempts::new(session, participant, &ask);
    let mut n_mismatches = 0;
    loop {
        let trouble = match try_fetch(session, participant, &ask, wanted).await {
            Ok(fetched) => {
                hosts.choose(session);
                return Ok(fetched);
            }
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
    wanted: Wanted<'_>,
) -> Result<Option<Fetched>, Trouble> {
    let response = session.exchange(participant, ask).await?;
    if response.status() == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    let stated: Option<Digest> =
        text(response.headers(), "docker-content-digest").and_then(|digest| digest.trim().parse().ok());
    let content_type: Option<MediaType> = text(response.headers(), CONTENT_TYPE).and_then(|text| text.parse().ok());
    let most = usize::try_from(session.profile.manifest_most.bytes()).unwrap_or(usize::MAX);
    let bytes = read_whole(ask, response, most).await?;

    let reference = wanted.reference;
    let subject = format!("manifest {reference}");
    if let Some(expected) = wanted.expected.filter(|expected| expected.size != bytes.len() as u64) {
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
    let manifest = Manifest::parse_within(&bytes, content_type.as_ref(), most).map_err(|error| {
        let message = format!("{subject}: {}", chain(&error));
        Trouble::last(FailureKind::Protocol, message)
    })?;
    let digest = reference.digest().cloned().unwrap_or_else(|| Digest::of(&bytes));
    Ok(Some(Fetched { digest, bytes, manifest }))
}

/// Fetches the manifest of a reference alone, whatever it is; for listings.
pub(crate) async fn fetch_one(
    hosts: &Hosts,
    participant: &Participant,
    image: &ImageReference,
    reference: &Reference,
) -> Result<Fetched, PullFailure> {
    let wanted = Wanted { image, reference, expected: None, unless: None };
    let found = hosts.ask(participant, |session| fetch(hosts, session, participant, wanted).boxed()).await?;
    found.ok_or_else(|| failure(FailureKind::Protocol, format!("{image}: a manifest is missing")))
}
