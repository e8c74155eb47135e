//! Image manifests, image indexes, and telling one from the other.
//!
//! Bytes are the truth: a digest is of the bytes as pushed, so whoever stores or verifies a
//! manifest keeps those and reads this view of them. Unknown fields are ignored; absent ones are
//! not written.
//!
//! Source: image-spec, "OCI Image Manifest", "OCI Image Index", "OCI Content Descriptors".

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Digest, MediaType, Platform};

/// The largest manifest that is read: 4 MiB, which the spec asks every registry to take.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;

const SCHEMA_VERSION: u32 = 2;

/// What a manifest without `mediaType` is.
static UNSTATED_IMAGE: MediaType = MediaType::OCI_MANIFEST;
static UNSTATED_INDEX: MediaType = MediaType::OCI_INDEX;

/// Points at content: what it is, its digest, its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: MediaType,
    /// The content's digest.
    pub digest: Digest,
    /// The content's length in bytes.
    pub size: u64,
    /// What a listed manifest's image runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Other places to fetch the content from.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free notes.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The kind of artifact, when the content is an artifact's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The content itself, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// One image: a config and layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// OCI or Docker; OCI when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The kind of artifact, when it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The image's configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free notes.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests, usually one per platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    /// Always 2.
    pub schema_version: u32,
    /// OCI index or Docker manifest list; OCI when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The kind of artifact, when it is no set of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The manifests, in order of preference.
    #[serde(default, deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free notes.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a manifest request answers: one image or an index.
#[expect(clippy::large_enum_variant, reason = "manifests are held one at a time; a box would only spoil matching")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// One image.
    Image(ImageManifest),
    /// Several.
    Index(ImageIndex),
}

/// Why bytes are no manifest that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// More than is read: [`MAX_MANIFEST_BYTES`], unless the reader takes more.
    #[error("manifest has {size_bytes} bytes; at most {max_bytes} are read")]
    TooLarge {
        /// The length that was found.
        size_bytes: usize,
        /// The length that is read.
        max_bytes: usize,
    },
    /// Not JSON, nested too deep, or a field is missing or has the wrong shape.
    #[error("manifest is not valid JSON of its kind")]
    Json(#[from] serde_json::Error),
    /// `schemaVersion` is absent or not 2.
    #[error("manifest has schemaVersion {found}; only 2 is supported")]
    SchemaVersion {
        /// What stands there, as JSON; `null` if nothing does.
        found: Value,
    },
    /// `mediaType` is not that of an image manifest or an index.
    #[error("manifest has media type {found}, which is neither an image manifest nor an index")]
    UnsupportedMediaType {
        /// What stands there, as JSON.
        found: Value,
    },
    /// Fields of an image and of an index together: two clients could read two things from one
    /// digest (CVE-2021-41190).
    #[error("manifest has `{field}`, which does not belong to its media type {media_type}")]
    Ambiguous {
        /// The field that does not belong.
        field: &'static str,
        /// What the manifest says it is, or seems to be.
        media_type: MediaType,
    },
    /// No media type, and no field to tell by.
    #[error("manifest has no media type and neither `manifests` nor `config` to tell its kind by")]
    UnknownKind,
}

impl Descriptor {
    /// Points at `bytes`.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Descriptor {
        Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Points at content that is known by digest and size in bytes.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type,
            digest,
            size,
            platform: None,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            artifact_type: None,
            data: None,
        }
    }

    /// The same pointer, for one platform of an index.
    pub fn with_platform(self, platform: Platform) -> Descriptor {
        Descriptor { platform: Some(platform), ..self }
    }
}

impl ImageManifest {
    /// A manifest of the given type; `layers` lowest first.
    pub fn new(media_type: MediaType, config: Descriptor, layers: Vec<Descriptor>) -> ImageManifest {
        ImageManifest {
            schema_version: SCHEMA_VERSION,
            media_type: Some(media_type),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The stated type, or OCI's.
    pub fn media_type(&self) -> &MediaType {
        self.media_type.as_ref().unwrap_or(&UNSTATED_IMAGE)
    }

    /// Everything a pull fetches: the config, then the layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.config).chain(&self.layers)
    }
}

impl ImageIndex {
    /// An index of the given type.
    pub fn new(media_type: MediaType, manifests: Vec<Descriptor>) -> ImageIndex {
        ImageIndex {
            schema_version: SCHEMA_VERSION,
            media_type: Some(media_type),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The stated type, or OCI's.
    pub fn media_type(&self) -> &MediaType {
        self.media_type.as_ref().unwrap_or(&UNSTATED_INDEX)
    }

    /// The first manifest for `platform`; entries without a platform are passed over.
    pub fn select(&self, platform: &Platform) -> Option<&Descriptor> {
        self.manifests
            .iter()
            .find(|descriptor| descriptor.platform.as_ref().is_some_and(|offered| platform.matches(offered)))
    }
}

impl Manifest {
    /// Reads a manifest. Its kind is what its `mediaType` says, else what `content_type` says, else
    /// what its fields are.
    ///
    /// # Errors
    /// See [`ManifestError`]. JSON nested deeper than 128 levels is an error too.
    pub fn parse(bytes: &[u8], content_type: Option<&MediaType>) -> Result<Manifest, ManifestError> {
        Self::parse_within(bytes, content_type, MAX_MANIFEST_BYTES)
    }

    /// [`Manifest::parse`] for who reads more, or less, than every registry takes.
    ///
    /// # Errors
    /// As for [`Manifest::parse`], with `max_bytes` as the most that is read.
    pub fn parse_within(
        bytes: &[u8],
        content_type: Option<&MediaType>,
        max_bytes: usize,
    ) -> Result<Manifest, ManifestError> {
        if bytes.len() > max_bytes {
            return Err(ManifestError::TooLarge { size_bytes: bytes.len(), max_bytes });
        }
        // Read as a tree first: it limits depth, also inside fields that the second reading skips.
        let tree: Value = serde_json::from_slice(bytes)?;
        check_schema_version(&tree)?;
        let media_type = media_type_of(&tree, content_type)?;
        check_fields(&tree, &media_type)?;

        // A stated type other than OCI's has to survive a body that leaves it out.
        if media_type.is_index() {
            let mut index: ImageIndex = serde_json::from_slice(bytes)?;
            if *index.media_type() != media_type {
                index.media_type = Some(media_type);
            }
            Ok(Manifest::Index(index))
        } else {
            let mut image: ImageManifest = serde_json::from_slice(bytes)?;
            if *image.media_type() != media_type {
                image.media_type = Some(media_type);
            }
            Ok(Manifest::Image(image))
        }
    }

    /// The type to serve it with.
    pub fn media_type(&self) -> &MediaType {
        match self {
            Manifest::Image(image) => image.media_type(),
            Manifest::Index(index) => index.media_type(),
        }
    }

    /// The manifest that it refers to, if any.
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Manifest::Image(image) => image.subject.as_ref(),
            Manifest::Index(index) => index.subject.as_ref(),
        }
    }
}

impl Serialize for Manifest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Manifest::Image(image) => image.serialize(serializer),
            Manifest::Index(index) => index.serialize(serializer),
        }
    }
}

fn check_schema_version(tree: &Value) -> Result<(), ManifestError> {
    let found = tree.get("schemaVersion").cloned().unwrap_or_default();
    if found.as_u64() == Some(u64::from(SCHEMA_VERSION)) { Ok(()) } else { Err(ManifestError::SchemaVersion { found }) }
}

fn media_type_of(tree: &Value, content_type: Option<&MediaType>) -> Result<MediaType, ManifestError> {
    let usable = |media_type: &MediaType| media_type.is_image_manifest() || media_type.is_index();
    match tree.get("mediaType") {
        None | Some(Value::Null) => {}
        Some(found) => {
            let stated = found.as_str().and_then(|text| text.parse().ok());
            return stated.filter(usable).ok_or_else(|| ManifestError::UnsupportedMediaType { found: found.clone() });
        }
    }
    // `application/json` and the like say nothing; look at the fields then.
    if let Some(content_type) = content_type.filter(|media_type| media_type.is_manifest()) {
        return if usable(content_type) {
            Ok(content_type.clone())
        } else {
            let found = Value::from(content_type.as_str());
            Err(ManifestError::UnsupportedMediaType { found })
        };
    }
    if tree.get("manifests").is_some() {
        Ok(MediaType::OCI_INDEX)
    } else if tree.get("config").is_some() || tree.get("layers").is_some() {
        Ok(MediaType::OCI_MANIFEST)
    } else {
        Err(ManifestError::UnknownKind)
    }
}

fn check_fields(tree: &Value, media_type: &MediaType) -> Result<(), ManifestError> {
    let foreign: &[&'static str] = if media_type.is_index() { &["config", "layers"] } else { &["manifests"] };
    match foreign.iter().find(|field| tree.get(**field).is_some()) {
        Some(field) => Err(ManifestError::Ambiguous { field, media_type: media_type.clone() }),
        None => Ok(()),
    }
}

/// Go writes an absent list or map as `null`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    const CONFIG: &str = r#""config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;

    fn check_as(input: &str, content_type: Option<&MediaType>, expect: &str) {
        let input = input.replace("CONFIG", CONFIG);
        let actual = match Manifest::parse(input.as_bytes(), content_type) {
            Ok(Manifest::Image(image)) => format!("image {}", image.media_type()),
            Ok(Manifest::Index(index)) => format!("index {}", index.media_type()),
            Err(error) => match error.source() {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
        };
        assert_eq!(actual, expect, "for {input}");
    }

    fn check(input: &str, expect: &str) {
        check_as(input, None, expect);
    }

    #[test]
    fn the_kind_is_stated_or_told_or_seen() {
        check(
            r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",CONFIG,"layers":[]}"#,
            "image application/vnd.docker.distribution.manifest.v2+json",
        );
        let untyped = r#"{"schemaVersion":2,CONFIG,"layers":null,"unknown":[1]}"#;
        check(untyped, "image application/vnd.oci.image.manifest.v1+json");
        check_as(
            untyped,
            Some(&MediaType::DOCKER_MANIFEST),
            "image application/vnd.docker.distribution.manifest.v2+json",
        );
        check_as(untyped, Some(&MediaType::JSON), "image application/vnd.oci.image.manifest.v1+json");
        check(
            r#"{"schemaVersion":2,"manifests":null,"annotations":null}"#,
            "index application/vnd.oci.image.index.v1+json",
        );
    }

    #[test]
    fn each_mistake_is_named() {
        check(r#"{"schemaVersion":1}"#, "manifest has schemaVersion 1; only 2 is supported");
        check("{}", "manifest has schemaVersion null; only 2 is supported");
        check("[]", "manifest has schemaVersion null; only 2 is supported");
        check(
            r#"{"schemaVersion":2}"#,
            "manifest has no media type and neither `manifests` nor `config` to tell its kind by",
        );
        check(
            r#"{"schemaVersion":2,"mediaType":"text/plain"}"#,
            r#"manifest has media type "text/plain", which is neither an image manifest nor an index"#,
        );
        check(
            r#"{"schemaVersion":2,"mediaType":7}"#,
            "manifest has media type 7, which is neither an image manifest nor an index",
        );
        check_as(
            r#"{"schemaVersion":2}"#,
            Some(&MediaType::DOCKER_SCHEMA1_SIGNED),
            r#"manifest has media type "application/vnd.docker.distribution.manifest.v1+prettyjws", which is neither an image manifest nor an index"#,
        );
        check(
            r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
            "manifest has `layers`, which does not belong to its media type application/vnd.oci.image.index.v1+json",
        );
        check(
            r#"{"schemaVersion":2,"layers":[]}"#,
            "manifest is not valid JSON of its kind: missing field `config` at line 1 column 31",
        );
    }

    #[test]
    fn deep_and_large_input_is_an_error() {
        let deep = format!(r#"{{"schemaVersion":2,"x":{}"#, "[".repeat(1_000_000));
        let error = Manifest::parse(deep.as_bytes(), None).expect_err("too deep");
        assert!(
            matches!(&error, ManifestError::Json(cause) if cause.to_string().contains("recursion limit")),
            "{error:?}"
        );

        let large = vec![b' '; MAX_MANIFEST_BYTES + 1];
        let error = Manifest::parse(&large, None).expect_err("too large");
        assert_eq!(error.to_string(), "manifest has 4194305 bytes; at most 4194304 are read");
        let padded = format!("{}{{\"schemaVersion\":2,\"manifests\":[]}}", " ".repeat(MAX_MANIFEST_BYTES));
        assert!(Manifest::parse_within(padded.as_bytes(), None, padded.len()).is_ok());
        assert!(Manifest::parse_within(padded.as_bytes(), None, padded.len() - 1).is_err());
    }

    #[test]
    fn negative_sizes_and_wrong_digests_are_refused() {
        for (good, bad) in [(r#""size":2"#, r#""size":-2"#), ("sha256:44", "sha256:4")] {
            let text = format!(r#"{{"schemaVersion":2,{}}}"#, CONFIG.replace(good, bad));
            assert!(Manifest::parse(text.as_bytes(), None).is_err(), "{text}");
        }
    }

    #[test]
    fn an_image_is_written_without_absent_fields_and_read_back() {
        let config = Descriptor::of(MediaType::OCI_CONFIG, b"{}");
        let image = ImageManifest::new(MediaType::OCI_MANIFEST, config, Vec::new());
        let text = serde_json::to_string(&image).expect("serializable");
        assert_eq!(
            text,
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",{CONFIG},"layers":[]}}"#
            )
        );
        let read = Manifest::parse(text.as_bytes(), None).expect("a manifest");
        assert_eq!(read, Manifest::Image(image));
    }

    #[test]
    fn an_index_selects_the_first_manifest_of_the_platform() {
        let entry = |bytes: &[u8]| Descriptor::of(MediaType::OCI_MANIFEST, bytes);
        let index = ImageIndex::new(
            MediaType::OCI_INDEX,
            vec![
                entry(b"no platform"),
                entry(b"arm").with_platform(Platform::linux_arm64()),
                entry(b"amd").with_platform(Platform::linux_amd64()),
                entry(b"again").with_platform(Platform::linux_amd64()),
            ],
        );
        let selected = index.select(&Platform::linux_amd64()).expect("listed");
        assert_eq!(selected.digest, Digest::of(b"amd"));
        assert_eq!(index.select(&Platform::new("windows", "amd64")), None);

        let text = serde_json::to_vec(&index).expect("serializable");
        let read = Manifest::parse(&text, None).expect("an index");
        assert_eq!(read, Manifest::Index(index));
    }
}
