//! Image references as people write them (`alpine`, `harness/ci-addon:1`) and as they are meant
//! (`docker.io/library/alpine:latest`).
//!
//! Follows Docker's normalisation. Which connector or mirror answers for a host is decided
//! elsewhere.
//!
//! Source: distribution/reference, `ParseDockerRef` and `splitDockerDomain`.

use std::fmt;
use std::str::FromStr;

use crate::{Digest, DigestError, HostError, NameError, RegistryHost, RepositoryName, Tag, TagError};

const HUB_LIBRARY: &str = "library";

/// What a manifest is asked for by, the spec's `<reference>`: a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// A name that may move.
    Tag(Tag),
    /// The content itself.
    Digest(Digest),
}

/// Why a text is neither tag nor digest. A text with a `:` is read as a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Read as a tag, and not one.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// Read as a digest, and not one.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// A complete image reference: host, repository, and a tag or a digest or both.
///
/// Docker Hub is always `docker.io` here, and its repositories always have a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageReference {
    host: RegistryHost,
    repository: RepositoryName,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageReferenceError {
    /// The first component is meant as a host and is not one.
    #[error("invalid image reference `{text}`")]
    Host {
        /// The text that was read.
        text: String,
        /// What is wrong with the host.
        source: HostError,
    },
    /// The repository name is wrong.
    #[error("invalid image reference `{text}`")]
    Repository {
        /// The text that was read.
        text: String,
        /// What is wrong with the name.
        source: NameError,
    },
    /// The part after the last `:` is wrong.
    #[error("invalid image reference `{text}`")]
    Tag {
        /// The text that was read.
        text: String,
        /// What is wrong with the tag.
        source: TagError,
    },
    /// The part after the `@` is wrong.
    #[error("invalid image reference `{text}`")]
    Digest {
        /// The text that was read.
        text: String,
        /// What is wrong with the digest.
        source: DigestError,
    },
    /// 64 hexadecimal digits, which Docker keeps for image identifiers.
    #[error("image reference `{text}` is an image identifier, not a name; a digest is written `<name>@sha256:{text}`")]
    Identifier {
        /// The text that was read.
        text: String,
    },
}

impl Reference {
    /// The reference as it is written in a URL.
    pub fn as_str(&self) -> &str {
        match self {
            Reference::Tag(tag) => tag.as_str(),
            Reference::Digest(digest) => digest.as_str(),
        }
    }

    /// The tag, if it is one.
    pub fn tag(&self) -> Option<&Tag> {
        match self {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => None,
        }
    }

    /// The digest, if it is one.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Reference::Tag(_) => None,
            Reference::Digest(digest) => Some(digest),
        }
    }
}

str_view!(Reference);
text_form!(Reference, "a tag such as `3.19` or a digest such as `sha256:…`");

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') { Ok(Reference::Digest(text.parse()?)) } else { Ok(Reference::Tag(text.parse()?)) }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Reference {
        Reference::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Reference {
        Reference::Digest(digest)
    }
}

impl ImageReference {
    /// An image by its parts, normalised as Docker does: `index.docker.io` is `docker.io`, a Hub
    /// name without a slash is under `library/`, and the tag is `latest` when there is neither tag
    /// nor digest.
    pub fn new(
        host: RegistryHost,
        repository: RepositoryName,
        tag: Option<Tag>,
        digest: Option<Digest>,
    ) -> ImageReference {
        let (host, repository) = if host.is_docker_hub() {
            (RegistryHost::docker_hub(), with_namespace(repository))
        } else {
            (host, repository)
        };
        let tag = if tag.is_none() && digest.is_none() { Some(Tag::latest()) } else { tag };
        ImageReference { host, repository, tag, digest }
    }

    /// The registry's host.
    pub fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// The name within the registry.
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// The tag; absent only when there is a digest.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if the image is pinned.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What a client asks the registry for: the digest if there is one, else the tag.
    pub fn reference(&self) -> Reference {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Reference::Digest(digest.clone()),
            (None, Some(tag)) => Reference::Tag(tag.clone()),
            (None, None) => Reference::Tag(Tag::latest()),
        }
    }

    /// The short form that people know: `alpine:3`, `harness/ci-addon:1`. It parses to the same
    /// image.
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        if !self.host.is_docker_hub() {
            return full;
        }
        let in_hub = full.strip_prefix("docker.io/").unwrap_or(&full);
        let official = in_hub.strip_prefix("library/");
        // `docker.io/library/quay.io/x` must keep its front: without it another host would be read.
        official
            .into_iter()
            .chain([in_hub])
            .find(|short| short.parse().as_ref() == Ok(self))
            .unwrap_or(&full)
            .to_owned()
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

text_form!(ImageReference, "an image reference such as `alpine:3` or `quay.io/org/app@sha256:…`");

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, ImageReferenceError> {
        let owned = || text.to_owned();
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ImageReferenceError::Identifier { text: owned() });
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon before a slash belongs to the host's port.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (rest, None),
        };
        let (host, repository) = match path.split_once('/') {
            Some((first, name)) if RegistryHost::is_meant_by(first) => (Some(first), name),
            _ => (None, path),
        };

        let host = match host {
            Some(host) => host.parse().map_err(|source| ImageReferenceError::Host { text: owned(), source })?,
            None => RegistryHost::docker_hub(),
        };
        let repository =
            repository.parse().map_err(|source| ImageReferenceError::Repository { text: owned(), source })?;
        let tag =
            tag.map(str::parse).transpose().map_err(|source| ImageReferenceError::Tag { text: owned(), source })?;
        let digest = digest
            .map(str::parse)
            .transpose()
            .map_err(|source| ImageReferenceError::Digest { text: owned(), source })?;
        Ok(ImageReference::new(host, repository, tag, digest))
    }
}

/// `alpine` on Docker Hub is `library/alpine`.
fn with_namespace(repository: RepositoryName) -> RepositoryName {
    if repository.as_str().contains('/') {
        return repository;
    }
    // Eight characters more can only fail for a name that no Hub repository can have; it then stays
    // as it is.
    RepositoryName::join(HUB_LIBRARY, &repository).unwrap_or(repository)
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// `#` stands for a digest.
    fn check(input: &str, full: &str, familiar: &str) {
        let image: ImageReference = input.replace('#', DIGEST).parse().expect(input);
        assert_eq!(image.to_string().replace(DIGEST, "#"), full, "for {input}");
        assert_eq!(image.familiar().replace(DIGEST, "#"), familiar, "for {input}");
    }

    fn check_error(input: &str, expect: &str) {
        let error = input.parse::<ImageReference>().expect_err(input);
        let cause = error.source().map(ToString::to_string);
        assert_eq!(cause.unwrap_or_else(|| error.to_string()), expect, "for {input}");
    }

    #[test]
    fn references_are_normalised_as_docker_does() {
        check("alpine", "docker.io/library/alpine:latest", "alpine:latest");
        check("alpine:3", "docker.io/library/alpine:3", "alpine:3");
        check("harness/ci-addon:1", "docker.io/harness/ci-addon:1", "harness/ci-addon:1");
        check("docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest");
        check("index.docker.io/x/y:1", "docker.io/x/y:1", "x/y:1");
        check("alpine@#", "docker.io/library/alpine@#", "alpine@#");
        check("alpine:3@#", "docker.io/library/alpine:3@#", "alpine:3@#");
        check("localhost/a", "localhost/a:latest", "localhost/a:latest");
        check("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000");
        check("localhost:5000/a", "localhost:5000/a:latest", "localhost:5000/a:latest");
        check("[::1]:5000/a/b:c", "[::1]:5000/a/b:c", "[::1]:5000/a/b:c");
        check("registry/a/b", "docker.io/registry/a/b:latest", "registry/a/b:latest");
        check("gcr.io/a", "gcr.io/a:latest", "gcr.io/a:latest");
    }

    #[test]
    fn a_short_form_that_means_something_else_is_not_used() {
        check("docker.io/library/quay.io", "docker.io/library/quay.io:latest", "quay.io:latest");
        check("docker.io/library/quay.io/a", "docker.io/library/quay.io/a:latest", "library/quay.io/a:latest");
        check("docker.io/quay.io/a", "docker.io/quay.io/a:latest", "docker.io/quay.io/a:latest");
        check("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest");
    }

    #[test]
    fn each_mistake_is_named() {
        check_error("Alpine", "repository name `Alpine` must be lowercase");
        check_error("alpine:", "tag is empty");
        check_error("alpine@sha256:1", "a sha256 digest has 64 hexadecimal digits, not 1");
        check_error("a.b:x/alpine", "registry host `a.b:x` has port `x`, which is not a number from 0 to 65535");
        check_error("", "repository name `` is invalid: `` is not letters and digits joined by `.`, `_`, `__` or `-`");
        let hex = &DIGEST["sha256:".len()..];
        check_error(
            hex,
            &format!(
                "image reference `{hex}` is an image identifier, not a name; a digest is written `<name>@{DIGEST}`"
            ),
        );
    }

    #[test]
    fn the_digest_wins_over_the_tag() {
        let image: ImageReference = format!("alpine:3@{DIGEST}").parse().expect("valid");
        assert_eq!(image.reference().as_str(), DIGEST);
        assert_eq!(image.tag().map(Tag::as_str), Some("3"));
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(
            host in crate::arbitrary::registry_host(),
            repository in crate::arbitrary::repository_name(),
            tag in prop::option::of(crate::arbitrary::tag()),
            digest in prop::option::of(crate::arbitrary::digest()),
        ) {
            let image = ImageReference::new(host, repository, tag, digest);
            prop_assert_eq!(image.reference().to_string().parse(), Ok(image.reference()));
            prop_assert_eq!(image.familiar().parse(), Ok(image.clone()));
            prop_assert_eq!(image.to_string().parse(), Ok(image));
        }

        #[test]
        fn no_text_panics(text in "[a-z:@/.]{0,12}|.*") {
            let _ = text.parse::<ImageReference>();
        }
    }
}
