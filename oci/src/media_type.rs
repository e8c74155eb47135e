//! Media types of manifests, configs and layers, and the `Accept` header that chooses among them.
//!
//! Parameters (`; charset=utf-8`) are read and dropped: no type of this field has a meaningful one.
//!
//! Source: image-spec, "OCI Image Media Types"; distribution, "Image Manifest V2, Schema 2"; RFC
//! 9110, "Accept".

use std::borrow::Cow;
use std::str::FromStr;

/// A media type without parameters, in lower case: `application/vnd.oci.image.manifest.v1+json`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Cow<'static, str>);

/// A text that is no media type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("media type `{text}` is not of the form `type/subtype`")]
pub struct MediaTypeError {
    text: String,
}

/// The `Accept` values of a request, as they lie in it. Without any, everything is admitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept<'a> {
    ranges: Vec<MediaRange<'a>>,
}

/// One entry of an `Accept` header, in any case; `None` is a `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MediaRange<'a> {
    main: Option<&'a str>,
    sub: Option<&'a str>,
    refused: bool,
}

impl MediaType {
    /// An OCI image manifest.
    pub const OCI_MANIFEST: MediaType = known("application/vnd.oci.image.manifest.v1+json");
    /// An OCI image index.
    pub const OCI_INDEX: MediaType = known("application/vnd.oci.image.index.v1+json");
    /// An OCI image config.
    pub const OCI_CONFIG: MediaType = known("application/vnd.oci.image.config.v1+json");
    /// An OCI layer, not compressed.
    pub const OCI_LAYER_TAR: MediaType = known("application/vnd.oci.image.layer.v1.tar");
    /// An OCI layer, compressed with gzip.
    pub const OCI_LAYER_GZIP: MediaType = known("application/vnd.oci.image.layer.v1.tar+gzip");
    /// An OCI layer, compressed with zstd.
    pub const OCI_LAYER_ZSTD: MediaType = known("application/vnd.oci.image.layer.v1.tar+zstd");
    /// The empty JSON object, `{}`, which stands for an absent config or layer of an artifact.
    pub const OCI_EMPTY: MediaType = known("application/vnd.oci.empty.v1+json");
    /// A Docker image manifest, schema 2.
    pub const DOCKER_MANIFEST: MediaType = known("application/vnd.docker.distribution.manifest.v2+json");
    /// A Docker manifest list, the older index.
    pub const DOCKER_MANIFEST_LIST: MediaType = known("application/vnd.docker.distribution.manifest.list.v2+json");
    /// A Docker image config.
    pub const DOCKER_CONFIG: MediaType = known("application/vnd.docker.container.image.v1+json");
    /// A Docker layer, not compressed.
    pub const DOCKER_LAYER_TAR: MediaType = known("application/vnd.docker.image.rootfs.diff.tar");
    /// A Docker layer, compressed with gzip.
    pub const DOCKER_LAYER_GZIP: MediaType = known("application/vnd.docker.image.rootfs.diff.tar.gzip");
    /// A signed Docker manifest, schema 1: history, and refused by most clients.
    pub const DOCKER_SCHEMA1_SIGNED: MediaType = known("application/vnd.docker.distribution.manifest.v1+prettyjws");
    /// An unsigned Docker manifest, schema 1.
    pub const DOCKER_SCHEMA1: MediaType = known("application/vnd.docker.distribution.manifest.v1+json");
    /// Plain JSON, the type of error bodies, tokens and lists.
    pub const JSON: MediaType = known("application/json");
    /// Bytes of no stated type, which is how blobs are served.
    pub const OCTET_STREAM: MediaType = known("application/octet-stream");

    /// The type as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it lists manifests: OCI index or Docker manifest list.
    pub fn is_index(&self) -> bool {
        *self == MediaType::OCI_INDEX || *self == MediaType::DOCKER_MANIFEST_LIST
    }

    /// Whether it is one image's manifest, OCI or Docker schema 2.
    pub fn is_image_manifest(&self) -> bool {
        *self == MediaType::OCI_MANIFEST || *self == MediaType::DOCKER_MANIFEST
    }

    /// Whether it is a Docker schema 1 manifest, signed or not.
    pub fn is_schema1(&self) -> bool {
        *self == MediaType::DOCKER_SCHEMA1_SIGNED || *self == MediaType::DOCKER_SCHEMA1
    }

    /// Whether it is any manifest: of an image, an index, or schema 1.
    pub fn is_manifest(&self) -> bool {
        self.is_index() || self.is_image_manifest() || self.is_schema1()
    }
}

const fn known(text: &'static str) -> MediaType {
    MediaType(Cow::Borrowed(text))
}

str_view!(MediaType);
text_form!(
    MediaType,
    "a media type such as `application/vnd.oci.image.manifest.v1+json`",
    pattern = "^[^/\\s]+/[^/\\s]+$"
);

impl FromStr for MediaType {
    type Err = MediaTypeError;

    fn from_str(text: &str) -> Result<Self, MediaTypeError> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        match essence.split_once('/') {
            Some((main, sub)) if is_token(main) && is_token(sub) => {
                Ok(MediaType(Cow::Owned(essence.to_ascii_lowercase())))
            }
            _ => Err(MediaTypeError { text: text.to_owned() }),
        }
    }
}

impl<'a> Accept<'a> {
    /// Reads every value of the header, each of which may be a comma-separated list. Entries that
    /// are no media range are skipped, as servers do.
    pub fn parse(values: impl IntoIterator<Item = &'a str>) -> Accept<'a> {
        let ranges = values.into_iter().flat_map(|value| value.split(',')).filter_map(MediaRange::parse).collect();
        Accept { ranges }
    }

    /// Whether nothing was asked for, which admits everything.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether a client that sent this takes `media_type`.
    ///
    /// The most specific range that covers the type decides; weights count only where they are 0, a
    /// refusal.
    pub fn admits(&self, media_type: &MediaType) -> bool {
        if self.is_empty() {
            return true;
        }
        self.ranges
            .iter()
            .filter(|range| range.covers(media_type))
            .max_by_key(|range| (range.specificity(), range.refused))
            .is_some_and(|range| !range.refused)
    }
}

impl<'a> MediaRange<'a> {
    fn parse(entry: &'a str) -> Option<MediaRange<'a>> {
        let mut parts = entry.split(';').map(str::trim);
        let (main, sub) = parts.next()?.split_once('/')?;
        if !is_token(main) || !is_token(sub) || (main == "*" && sub != "*") {
            return None;
        }
        let part = |text: &'a str| Some(text).filter(|text| *text != "*");
        Some(MediaRange { main: part(main), sub: part(sub), refused: parts.any(is_zero_weight) })
    }

    fn covers(&self, media_type: &MediaType) -> bool {
        let Some((main, sub)) = media_type.as_str().split_once('/') else {
            return false;
        };
        self.main.is_none_or(|wanted| wanted.eq_ignore_ascii_case(main))
            && self.sub.is_none_or(|wanted| wanted.eq_ignore_ascii_case(sub))
    }

    fn specificity(&self) -> u8 {
        u8::from(self.main.is_some()) + u8::from(self.sub.is_some())
    }
}

fn is_zero_weight(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f32>().is_ok_and(|weight| weight == 0.0)
    })
}

/// RFC 9110 `token`.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(accept: &[&str], media_type: &MediaType, expect: bool) {
        let accept = Accept::parse(accept.iter().copied());
        assert_eq!(accept.admits(media_type), expect, "{accept:?} and {media_type}");
    }

    #[test]
    fn accept_admits_what_it_covers() {
        let (image, index) = (&MediaType::OCI_MANIFEST, &MediaType::OCI_INDEX);
        check(&[], index, true);
        check(&[""], index, true);
        check(&["*/*"], index, true);
        check(&["application/*"], index, true);
        check(&["text/*"], index, false);
        check(&[image.as_str()], index, false);
        check(&[image.as_str(), index.as_str()], index, true);
        check(&["application/json, Application/vnd.OCI.image.index.v1+json"], index, true);
        check(&["application/vnd.oci.image.index.v1+json;q=0.5"], index, true);
        check(&["application/vnd.oci.image.index.v1+json; q=0", "*/*"], index, false);
        check(&["application/vnd.oci.image.index.v1+json; q=0.000, */*"], image, true);
        check(&["*/*;q=0"], image, false);
        check(&["nonsense, */json"], image, true);
    }

    #[test]
    fn types_are_sorted_into_manifests_and_indexes() {
        let kinds =
            |media_type: MediaType| (media_type.is_image_manifest(), media_type.is_index(), media_type.is_manifest());
        assert_eq!(kinds(MediaType::OCI_MANIFEST), (true, false, true));
        assert_eq!(kinds(MediaType::DOCKER_MANIFEST), (true, false, true));
        assert_eq!(kinds(MediaType::OCI_INDEX), (false, true, true));
        assert_eq!(kinds(MediaType::DOCKER_MANIFEST_LIST), (false, true, true));
        assert_eq!(kinds(MediaType::DOCKER_SCHEMA1_SIGNED), (false, false, true));
        assert_eq!(kinds(MediaType::OCI_LAYER_GZIP), (false, false, false));
    }

    #[test]
    fn parameters_are_dropped_and_nonsense_is_refused() {
        assert_eq!("application/json; charset=utf-8".parse(), Ok(MediaType::JSON));
        assert_eq!("Application/JSON".parse(), Ok(MediaType::JSON));
        for bad in ["", "json", "/", "a/", "a/b/c", "a b/c", "a/b c"] {
            assert!(bad.parse::<MediaType>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(text in "[a-z]{1,8}/[a-zA-Z0-9.+-]{1,20}(; ?q=1)?") {
            let media_type: MediaType = text.parse().expect("fits the grammar");
            prop_assert_eq!(media_type.to_string().parse(), Ok(media_type));
        }
    }
}
