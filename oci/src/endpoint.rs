//! The one place that parses and prints the paths of the distribution API.
//!
//! Names contain slashes, so a path is read from its end: the last segments say what is asked, and
//! what stands before them is the name, whatever it looks like. Methods, query and host belong to
//! the caller.
//!
//! Source: distribution-spec, "Endpoints"; `/v2/token` and the lists without `/v2` are Harness's; facts/registry A10.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Digest, DigestError, ErrorCode, NameError, Reference, ReferenceError, RepositoryName, TagError, UploadId,
    UploadIdError,
};

/// What stands in front of a stored blob. Source: facts/registry A10.
const STORED: &str = "/registry-v2/docker/registry/v2/blobs/";

/// What a path of the API asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// `/v2/`, or `/v2`.
    Ping,
    /// `/v2/<name>/manifests/<reference>`.
    Manifest {
        /// `<name>`.
        repository: RepositoryName,
        /// `<reference>`.
        reference: Reference,
    },
    /// `/v2/<name>/blobs/<digest>`.
    Blob {
        /// `<name>`.
        repository: RepositoryName,
        /// `<digest>`.
        digest: Digest,
    },
    /// `/v2/<name>/tags/list`.
    Tags {
        /// `<name>`.
        repository: RepositoryName,
    },
    /// `/v2/<name>/referrers/<digest>`.
    Referrers {
        /// `<name>`.
        repository: RepositoryName,
        /// `<digest>`.
        digest: Digest,
    },
    /// `/v2/<name>/blobs/uploads/`, where uploads are started; the last slash may be missing.
    Uploads {
        /// `<name>`.
        repository: RepositoryName,
    },
    /// `/v2/<name>/blobs/uploads/<id>`, an upload under way.
    Upload {
        /// `<name>`.
        repository: RepositoryName,
        /// `<id>`.
        id: UploadId,
    },
    /// `/v2/_catalog`.
    Catalog,
    /// `/v2/token`.
    Token,
    /// `/registry-v2/docker/registry/v2/blobs/sha256/<2 hex>/<hex>/data`: where a registry redirects to for a blob.
    Cdn {
        /// `<hex>`, with the algorithm that stands in front of it.
        digest: Digest,
    },
}

/// The kinds of [`Endpoint`], for rules and reports; `other` is every request that is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointKind {
    /// The version check, `/v2/`.
    Ping,
    /// A manifest by tag or digest.
    Manifest,
    /// A blob by digest.
    Blob,
    /// The list of a repository's tags.
    Tags,
    /// The manifests that refer to a digest.
    Referrers,
    /// Starting or continuing a blob's upload.
    Upload,
    /// The list of repositories.
    Catalog,
    /// The token service.
    Token,
    /// A blob at the second host of a registry, where a redirect leads.
    Cdn,
    /// Anything else.
    Other,
}

/// Why a path is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The path has the shape of no endpoint.
    #[error("`{path}` is not a path of the distribution API")]
    NotFound {
        /// The path that was asked for.
        path: String,
    },
    /// A segment that hides a slash, climbs (`..`) or is wrongly percent-encoded.
    #[error("path segment `{segment}` is not allowed: it hides a slash, climbs, or is wrongly percent-encoded")]
    Segment {
        /// The segment as it was sent.
        segment: String,
    },
    /// The repository name is wrong.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The digest is wrong.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The tag is wrong.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// The upload id is wrong.
    #[error(transparent)]
    Upload(#[from] UploadIdError),
}

impl Endpoint {
    /// Reads a path, without its query.
    ///
    /// Percent-encoding is undone segment by segment, so `sha256%3A…` is a digest while `%2F` and
    /// `%2e%2e` are refused.
    ///
    /// # Errors
    /// [`EndpointError::code`] says what to answer.
    pub fn parse(path: &str) -> Result<Endpoint, EndpointError> {
        match path.strip_prefix("/v2") {
            Some("" | "/") => Ok(Endpoint::Ping),
            Some(rest) => parse_below(path, rest),
            None => parse_stored(path).map(|digest| Endpoint::Cdn { digest }).ok_or_else(|| not_found(path)),
        }
    }

    /// Reads the two paths that Harness also serves without `/v2`: `/_catalog` and
    /// `/<name>/tags/list`.
    ///
    /// # Errors
    /// As [`Endpoint::parse`]; every other path is [`EndpointError::NotFound`].
    pub fn parse_bare(path: &str) -> Result<Endpoint, EndpointError> {
        match parse_below(path, path)? {
            endpoint @ (Endpoint::Catalog | Endpoint::Tags { .. }) => Ok(endpoint),
            _ => Err(not_found(path)),
        }
    }

    /// The path, from its first slash on.
    pub fn path(&self) -> String {
        match self {
            Endpoint::Ping => "/v2/".to_owned(),
            Endpoint::Manifest { repository, reference } => format!("/v2/{repository}/manifests/{reference}"),
            Endpoint::Blob { repository, digest } => format!("/v2/{repository}/blobs/{digest}"),
            Endpoint::Tags { repository } => format!("/v2/{repository}/tags/list"),
            Endpoint::Referrers { repository, digest } => {
                format!("/v2/{repository}/referrers/{digest}")
            }
            Endpoint::Uploads { repository } => format!("/v2/{repository}/blobs/uploads/"),
            Endpoint::Upload { repository, id } => format!("/v2/{repository}/blobs/uploads/{id}"),
            Endpoint::Catalog => "/v2/_catalog".to_owned(),
            Endpoint::Token => "/v2/token".to_owned(),
            Endpoint::Cdn { digest } => {
                let (algorithm, encoded) = (digest.algorithm(), digest.encoded());
                // Hexadecimal digits have one byte each.
                format!("{STORED}{algorithm}/{}/{encoded}/data", encoded.get(..2).unwrap_or_default())
            }
        }
    }

    /// What kind of thing is asked for; never [`EndpointKind::Other`].
    pub fn kind(&self) -> EndpointKind {
        match self {
            Endpoint::Ping => EndpointKind::Ping,
            Endpoint::Manifest { .. } => EndpointKind::Manifest,
            Endpoint::Blob { .. } => EndpointKind::Blob,
            Endpoint::Tags { .. } => EndpointKind::Tags,
            Endpoint::Referrers { .. } => EndpointKind::Referrers,
            Endpoint::Uploads { .. } | Endpoint::Upload { .. } => EndpointKind::Upload,
            Endpoint::Catalog => EndpointKind::Catalog,
            Endpoint::Token => EndpointKind::Token,
            Endpoint::Cdn { .. } => EndpointKind::Cdn,
        }
    }

    /// The repository it is about, if it is about one.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Endpoint::Ping | Endpoint::Catalog | Endpoint::Token | Endpoint::Cdn { .. } => None,
            Endpoint::Manifest { repository, .. }
            | Endpoint::Blob { repository, .. }
            | Endpoint::Tags { repository }
            | Endpoint::Referrers { repository, .. }
            | Endpoint::Uploads { repository }
            | Endpoint::Upload { repository, .. } => Some(repository),
        }
    }

    /// The same question about another repository; unchanged if it is about none.
    ///
    /// Serves registries under a path: `/v2/registry/<name>/…` is about `<name>` once the prefix is
    /// stripped.
    pub fn with_repository(mut self, name: RepositoryName) -> Endpoint {
        match &mut self {
            Endpoint::Ping | Endpoint::Catalog | Endpoint::Token | Endpoint::Cdn { .. } => {}
            Endpoint::Manifest { repository, .. }
            | Endpoint::Blob { repository, .. }
            | Endpoint::Tags { repository }
            | Endpoint::Referrers { repository, .. }
            | Endpoint::Uploads { repository }
            | Endpoint::Upload { repository, .. } => *repository = name,
        }
        self
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// Reads what follows `/v2`; `path` is the whole of it, for the message. Nothing is copied but the values themselves.
fn parse_below(path: &str, rest: &str) -> Result<Endpoint, EndpointError> {
    let Some(rest) = rest.strip_prefix('/') else {
        return Err(not_found(path));
    };
    let rest = &*decode(rest)?;
    match rest {
        "_catalog" => return Ok(Endpoint::Catalog),
        "token" => return Ok(Endpoint::Token),
        _ => {}
    }
    let split = rest.rsplit_once('/').and_then(|(front, last)| Some((front.rsplit_once('/')?, last)));
    let Some(((name, kind), last)) = split else {
        return Err(not_found(path));
    };
    match (kind, last) {
        ("manifests", reference) => Ok(Endpoint::Manifest { repository: name.parse()?, reference: reference.parse()? }),
        ("blobs", "uploads") => Ok(Endpoint::Uploads { repository: name.parse()? }),
        ("blobs", digest) => Ok(Endpoint::Blob { repository: name.parse()?, digest: digest.parse()? }),
        ("uploads", id) => match name.strip_suffix("/blobs") {
            Some(name) if id.is_empty() => Ok(Endpoint::Uploads { repository: name.parse()? }),
            Some(name) => Ok(Endpoint::Upload { repository: name.parse()?, id: id.parse()? }),
            None => Err(not_found(path)),
        },
        ("tags", "list") => Ok(Endpoint::Tags { repository: name.parse()? }),
        ("referrers", digest) => Ok(Endpoint::Referrers { repository: name.parse()?, digest: digest.parse()? }),
        _ => Err(not_found(path)),
    }
}

/// Reads the path of a blob as the reference registry stores it, below what Docker Hub puts in front of that.
fn parse_stored(path: &str) -> Option<Digest> {
    let (algorithm, rest) = path.strip_prefix(STORED)?.split_once('/')?;
    let (start, rest) = rest.split_once('/')?;
    let encoded = rest.strip_suffix("/data")?;
    format!("{algorithm}:{encoded}").parse().ok().filter(|_| encoded.get(..2) == Some(start))
}

fn not_found(path: &str) -> EndpointError {
    EndpointError::NotFound { path: path.to_owned() }
}

/// Undoes percent-encoding segment by segment: a slash that was encoded would be taken for a path's, and is refused, as are
/// `.` and `..` in any spelling. A path without `%` is lent as it is.
fn decode(path: &str) -> Result<Cow<'_, str>, EndpointError> {
    if !path.contains('%') {
        return match path.split('/').find(|segment| climbs(segment)) {
            Some(segment) => Err(EndpointError::Segment { segment: segment.to_owned() }),
            None => Ok(Cow::Borrowed(path)),
        };
    }
    let mut decoded = String::with_capacity(path.len());
    for (n, segment) in path.split('/').enumerate() {
        if n > 0 {
            decoded.push('/');
        }
        let plain = decode_segment(segment).filter(|plain| !plain.contains('/') && !climbs(plain));
        decoded.push_str(&plain.ok_or_else(|| EndpointError::Segment { segment: segment.to_owned() })?);
    }
    Ok(Cow::Owned(decoded))
}

fn climbs(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

/// `None`: a `%` without two hexadecimal digits, or what comes out is not UTF-8.
fn decode_segment(segment: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { digit(bytes.next()?)? << 4 | digit(bytes.next()?)? } else { byte });
    }
    String::from_utf8(decoded).ok()
}

impl EndpointKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Ping,
        Self::Manifest,
        Self::Blob,
        Self::Tags,
        Self::Referrers,
        Self::Upload,
        Self::Catalog,
        Self::Token,
        Self::Cdn,
        Self::Other,
    ];

    /// The word for it in scenario files and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            EndpointKind::Ping => "ping",
            EndpointKind::Manifest => "manifest",
            EndpointKind::Blob => "blob",
            EndpointKind::Tags => "tags",
            EndpointKind::Referrers => "referrers",
            EndpointKind::Upload => "upload",
            EndpointKind::Catalog => "catalog",
            EndpointKind::Token => "token",
            EndpointKind::Cdn => "cdn",
            EndpointKind::Other => "other",
        }
    }
}

impl fmt::Display for EndpointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl EndpointError {
    /// The code that a registry answers with.
    pub fn code(&self) -> ErrorCode {
        match self {
            EndpointError::NotFound { .. } => ErrorCode::Unsupported,
            EndpointError::Segment { .. } | EndpointError::Name(_) => ErrorCode::NameInvalid,
            EndpointError::Digest(_) => ErrorCode::DigestInvalid,
            EndpointError::Tag(_) => ErrorCode::TagInvalid,
            EndpointError::Upload(_) => ErrorCode::BlobUploadInvalid,
        }
    }
}

impl From<ReferenceError> for EndpointError {
    fn from(error: ReferenceError) -> EndpointError {
        match error {
            ReferenceError::Tag(error) => EndpointError::Tag(error),
            ReferenceError::Digest(error) => EndpointError::Digest(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn summary(parsed: Result<Endpoint, EndpointError>) -> String {
        match parsed {
            Ok(endpoint) => match endpoint.repository() {
                Some(repository) => format!("{} {repository}", endpoint.kind()),
                None => endpoint.kind().to_string(),
            },
            Err(error) => error.code().to_string(),
        }
    }

    /// `#` stands for a digest.
    fn check(path: &str, expect: &str) {
        assert_eq!(summary(Endpoint::parse(&path.replace('#', DIGEST))), expect, "for {path}");
    }

    fn check_bare(path: &str, expect: &str) {
        assert_eq!(summary(Endpoint::parse_bare(path)), expect, "for {path}");
    }

    #[test]
    fn every_endpoint_is_read() {
        check("/v2", "ping");
        check("/v2/", "ping");
        check("/v2/library/alpine/manifests/3", "manifest library/alpine");
        check("/v2/library/alpine/manifests/#", "manifest library/alpine");
        check("/v2/a/blobs/#", "blob a");
        check("/v2/a/tags/list", "tags a");
        check("/v2/a/referrers/#", "referrers a");
        check("/v2/a/blobs/uploads", "upload a");
        check("/v2/a/blobs/uploads/", "upload a");
        check("/v2/a/blobs/uploads/0-_.=Z", "upload a");
        check("/v2/_catalog", "catalog");
        check("/v2/token", "token");
        let stored = DIGEST.replace("sha256:", "/registry-v2/docker/registry/v2/blobs/sha256/e3/");
        check(&format!("{stored}/data"), "cdn");
        check(&stored, "UNSUPPORTED");
        check(&stored.replace("/e3/", "/00/"), "UNSUPPORTED");
    }

    #[test]
    fn names_may_look_like_paths() {
        check("/v2/manifests/manifests/tags/manifests/list", "manifest manifests/manifests/tags");
        check("/v2/a/manifests/tags/list", "tags a/manifests");
        check("/v2/a/blobs/uploads/manifests/1", "manifest a/blobs/uploads");
        check("/v2/tags/list", "UNSUPPORTED");
        check("/v2/token/tags/list", "tags token");
    }

    #[test]
    fn mistakes_have_the_code_of_what_is_wrong() {
        check("/", "UNSUPPORTED");
        check("/v1/_ping", "UNSUPPORTED");
        check("/v2x/a/tags/list", "UNSUPPORTED");
        check("/v2/a", "UNSUPPORTED");
        check("/v2/a/tags/list/", "UNSUPPORTED");
        check("/v2//manifests/1", "NAME_INVALID");
        check("/v2/A/manifests/1", "NAME_INVALID");
        check("/v2/a/manifests/-1", "TAG_INVALID");
        check("/v2/a/manifests/", "TAG_INVALID");
        check("/v2/a/manifests/sha256:1", "DIGEST_INVALID");
        check("/v2/a/blobs/latest", "DIGEST_INVALID");
        check("/v2/a/blobs/uploads/a%20b", "BLOB_UPLOAD_INVALID");
    }

    #[test]
    fn percent_encoding_is_undone_but_hides_nothing() {
        check(&format!("/v2/a/blobs/{}", DIGEST.replace(':', "%3A")), "blob a");
        check(&format!("/v2/a/manifests/{}", DIGEST.replace(':', "%3a")), "manifest a");
        check("/v2/a%2Fb/tags/list", "NAME_INVALID");
        check("/v2/a/../b/tags/list", "NAME_INVALID");
        check("/v2/a/%2e%2E/b/tags/list", "NAME_INVALID");
        check("/v2/a/manifests/%2e", "NAME_INVALID");
        check("/v2/a%252fb/tags/list", "NAME_INVALID");
        check("/v2/a/manifests/%", "NAME_INVALID");
        check("/v2/a/manifests/%zz", "NAME_INVALID");
        check("/v2/a/manifests/%ff", "NAME_INVALID");
        check("/v2/a/manifests/%\u{e9}1", "NAME_INVALID");
    }

    #[test]
    fn bare_paths_are_the_catalog_and_the_tags() {
        check_bare("/_catalog", "catalog");
        check_bare("/org/app/tags/list", "tags org/app");
        check_bare("/org/app/manifests/1", "UNSUPPORTED");
        check_bare("/token", "UNSUPPORTED");
        check_bare("_catalog", "UNSUPPORTED");
    }

    #[test]
    fn a_prefix_is_taken_off_by_naming_another_repository() {
        let asked = Endpoint::parse("/v2/registry/org/app/tags/list").expect("valid");
        let name = asked.repository().and_then(|name| name.strip_prefix("registry"));
        let meant = asked.with_repository(name.expect("the prefix is there"));
        assert_eq!(meant.path(), "/v2/org/app/tags/list");
    }

    #[test]
    fn kinds_print_as_they_serialize() {
        for kind in [EndpointKind::Ping, EndpointKind::Referrers, EndpointKind::Other] {
            assert_eq!(serde_json::json!(kind), kind.as_str());
        }
    }

    fn endpoint() -> impl Strategy<Value = Endpoint> {
        use crate::arbitrary::{digest, reference, repository_name};
        let id = "[A-Za-z0-9_=-][A-Za-z0-9_.=-]{0,40}".prop_map(|id| id.parse().expect("an id"));
        prop_oneof![
            Just(Endpoint::Ping),
            Just(Endpoint::Catalog),
            Just(Endpoint::Token),
            digest().prop_map(|digest| Endpoint::Cdn { digest }),
            (repository_name(), reference())
                .prop_map(|(repository, reference)| Endpoint::Manifest { repository, reference }),
            (repository_name(), digest()).prop_map(|(repository, digest)| Endpoint::Blob { repository, digest }),
            (repository_name(), digest()).prop_map(|(repository, digest)| Endpoint::Referrers { repository, digest }),
            repository_name().prop_map(|repository| Endpoint::Tags { repository }),
            repository_name().prop_map(|repository| Endpoint::Uploads { repository }),
            (repository_name(), id).prop_map(|(repository, id)| Endpoint::Upload { repository, id }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(endpoint in endpoint()) {
            prop_assert_eq!(Endpoint::parse(&endpoint.path()), Ok(endpoint));
        }

        #[test]
        fn percent_encoding_changes_nothing(endpoint in endpoint(), every in 1..5_usize) {
            prop_assume!(endpoint.kind() != EndpointKind::Cdn);
            let encode = |(n, c): (usize, char)| match c {
                '/' => c.to_string(),
                _ if n % every == 0 && n > 3 => format!("%{:02x}", u32::from(c)),
                _ => c.to_string(),
            };
            let encoded: String = endpoint.path().chars().enumerate().map(encode).collect();
            prop_assert_eq!(Endpoint::parse(&encoded), Ok(endpoint));
        }

        #[test]
        fn no_path_panics(path in "/v2(/([a-z%0-9.]{0,4}|manifests|blobs|uploads|tags)){0,5}|.*") {
            let _ = (Endpoint::parse(&path), Endpoint::parse_bare(&path));
        }
    }
}
