//! The one place that parses and prints the paths of the distribution API.
//!
//! Names contain slashes, so a path is read from its end: the last segments say what is asked, and
//! what stands before them is the name, whatever it looks like. Methods, query and host belong to
//! the caller.
//!
//! Source: distribution-spec, "Endpoints"; `/v2/token` and the paths without `/v2` are Harness's.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Digest, DigestError, ErrorCode, NameError, Reference, ReferenceError, RepositoryName, TagError};

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
    /// Anything else.
    Other,
}

/// The name of an upload session, which the registry made up: `[A-Za-z0-9_.=-]`, at most 255. A
/// clone is a pointer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(Arc<str>);

/// Why a text is no upload id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("upload id `{text}` is not 1 to 255 characters of `A-Za-z0-9_.=-`")]
pub struct UploadIdError {
    text: String,
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
            None => Err(not_found(path)),
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

    /// The path, from `/v2` on.
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
        }
    }

    /// The repository it is about, if it is about one.
    pub fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Endpoint::Ping | Endpoint::Catalog | Endpoint::Token => None,
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
            Endpoint::Ping | Endpoint::Catalog | Endpoint::Token => {}
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

/// Reads what follows `/v2`; `path` is the whole of it, for the message.
fn parse_below(path: &str, rest: &str) -> Result<Endpoint, EndpointError> {
    let Some(rest) = rest.strip_prefix('/') else {
        return Err(not_found(path));
    };
    let segments = rest.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["_catalog"] => Ok(Endpoint::Catalog),
        ["token"] => Ok(Endpoint::Token),
        [name @ .., "manifests", reference] if !name.is_empty() => {
            Ok(Endpoint::Manifest { repository: repository(name)?, reference: reference.parse()? })
        }
        [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] if !name.is_empty() => {
            Ok(Endpoint::Uploads { repository: repository(name)? })
        }
        [name @ .., "blobs", "uploads", id] if !name.is_empty() => {
            Ok(Endpoint::Upload { repository: repository(name)?, id: id.parse()? })
        }
        [name @ .., "blobs", digest] if !name.is_empty() => {
            Ok(Endpoint::Blob { repository: repository(name)?, digest: digest.parse()? })
        }
        [name @ .., "tags", "list"] if !name.is_empty() => Ok(Endpoint::Tags { repository: repository(name)? }),
        [name @ .., "referrers", digest] if !name.is_empty() => {
            Ok(Endpoint::Referrers { repository: repository(name)?, digest: digest.parse()? })
        }
        _ => Err(not_found(path)),
    }
}

fn repository(segments: &[&str]) -> Result<RepositoryName, NameError> {
    segments.join("/").parse()
}

fn not_found(path: &str) -> EndpointError {
    EndpointError::NotFound { path: path.to_owned() }
}

/// Undoes percent-encoding within one segment.
fn decode(segment: &str) -> Result<String, EndpointError> {
    decode_bytes(segment)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|decoded| !decoded.contains('/') && decoded != "." && decoded != "..")
        .ok_or_else(|| EndpointError::Segment { segment: segment.to_owned() })
}

fn decode_bytes(segment: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let pair = [bytes.next()?, bytes.next()?];
        decoded.extend(hex::decode(pair).ok()?);
    }
    Some(decoded)
}

impl EndpointKind {
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
            EndpointKind::Other => "other",
        }
    }
}

impl fmt::Display for EndpointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl UploadId {
    /// The id as it is written in the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

str_view!(UploadId);
text_form!(UploadId, "an upload id", pattern = "^[A-Za-z0-9_.=-]{1,255}$");

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> Result<Self, UploadIdError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'=' | b'-');
        // `.` and `..` are paths of their own.
        if (1..=255).contains(&text.len()) && text.bytes().all(fits) && text != "." && text != ".." {
            Ok(UploadId(text.into()))
        } else {
            Err(UploadIdError { text: text.to_owned() })
        }
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
        fn no_path_panics(path in "/v2(/([a-z%0-9.]{0,4}|manifests|blobs|uploads|tags)){0,5}|.*") {
            let _ = (Endpoint::parse(&path), Endpoint::parse_bare(&path));
        }
    }
}
