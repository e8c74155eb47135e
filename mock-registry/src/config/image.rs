//! One image of a registry, as people write it, and what is wrong with it.

use std::path::PathBuf;

use oci::{ByteSize, MediaType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::yaml::Spanned;

use super::ConfigError;
use crate::{Compression, ImageFormat, ImageSpec, ImportSpec, ReferrerSpec, image::ImageSpecError};

/// An image whose bytes are made up: the same seed, name and sizes give the same bytes in every registry. Or, with `from`,
/// one that is read from a file.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "an image")]
pub struct ImageConfig {
    /// Repository and tag, as they are called in the registry: `harness/ci-addon:1.16.92`. Without a tag: `latest`.
    pub name: Spanned<String>,
    /// The file that it is read from, in place of all keys below: an OCI image layout, as a folder or a tar, or an archive of
    /// `docker save`. In a scenario it is relative to the scenario's folder, and below it. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Spanned<PathBuf>>,
    /// The sizes of its layers, lowest first: `[2MiB, 512KiB]`. Each is that of a tar, before it is compressed. Default:
    /// none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<ByteSize>,
    /// How the layers are compressed. Noise does not get smaller by it. Default: `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Spanned<Compression>>,
    /// In whose words the manifests are written. Default: `oci`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: ImageFormat,
    /// The platforms of its index: `[linux/amd64, linux/arm64]`. Default: one `linux/amd64` manifest and no index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Spanned<String>>,
    /// How large its image manifests are at least, made so by an annotation: `5MiB`. Default: as large as they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_size: Option<ByteSize>,
    /// Artifacts that refer to what the tag names, such as signatures and bills of materials. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub referrers: Vec<ReferrerConfig>,
}

/// An artifact that refers to an image; its blob is made up.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a referrer")]
pub struct ReferrerConfig {
    /// What it is: `application/spdx+json`, `application/vnd.dev.sigstore.bundle.v0.3+json`. Its blob has this type too.
    pub artifact_type: MediaType,
    /// How many bytes its blob has. Default: 1 KiB.
    #[serde(default = "small")]
    pub size: ByteSize,
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// It is made up.
    MadeUp(ImageSpec),
    /// It is read from a file.
    File(ImportSpec),
}

fn is_default(format: &ImageFormat) -> bool {
    *format == ImageFormat::default()
}

fn small() -> ByteSize {
    ByteSize(1024)
}

impl ImageConfig {
    /// What is to be made up, or read.
    ///
    /// # Errors
    /// Everything that is wrong with it, with the field below the image.
    pub fn source(&self) -> Result<ImageSource, Vec<ConfigError>> {
        match &self.from {
            Some(from) => self.to_import(from).map(ImageSource::File).map_err(|error| vec![error]),
            None => self.to_spec().map(ImageSource::MadeUp),
        }
    }

    fn to_import(&self, from: &Spanned<PathBuf>) -> Result<ImportSpec, ConfigError> {
        let Self { name, from: _, layers, compression, format, platforms, manifest_size, referrers } = self;
        let is_alone = layers.is_empty()
            && compression.is_none()
            && *format == ImageFormat::default()
            && platforms.is_empty()
            && manifest_size.is_none()
            && referrers.is_empty();
        if !is_alone {
            let error = ConfigError::new("from", "an image that is read from a file is as it is there");
            return Err(error.hint("leave out `from`, or all keys but `name`").at(from.span));
        }
        ImportSpec::new(name, &from.value).map_err(|error| self.wrong_name(error))
    }

    fn to_spec(&self) -> Result<ImageSpec, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut platforms = Vec::new();
        for (n, platform) in self.platforms.iter().enumerate() {
            match platform.parse() {
                Ok(platform) => platforms.push(platform),
                Err(error) => errors.push(ConfigError::new(format!("platforms[{n}]"), error).at(platform.span)),
            }
        }
        let spec = match self.name.parse::<ImageSpec>() {
            Ok(spec) => spec,
            Err(error) => {
                errors.push(self.wrong_name(error));
                return Err(errors);
            }
        };
        let referrer = |referrer: &ReferrerConfig| ReferrerSpec {
            artifact_type: referrer.artifact_type.clone(),
            size: referrer.size,
        };
        let spec = ImageSpec {
            layers: self.layers.clone(),
            compression: self.compression.as_ref().map_or(Compression::None, |compression| compression.value),
            format: self.format,
            platforms,
            manifest_size: self.manifest_size.unwrap_or(ByteSize(0)),
            referrers: self.referrers.iter().map(referrer).collect(),
            ..spec
        };
        if let Err(error) = spec.check() {
            errors.push(self.complaint(error));
        }
        if errors.is_empty() { Ok(spec) } else { Err(errors) }
    }

    fn wrong_name(&self, error: ImageSpecError) -> ConfigError {
        let error = ConfigError::new("name", error).at(self.name.span);
        error.hint("write repository and tag, without the registry's host: `harness/ci-addon:1.16.92`")
    }

    fn complaint(&self, error: ImageSpecError) -> ConfigError {
        match (&error, &self.compression) {
            (ImageSpecError::Compression, Some(compression)) => ConfigError::new("compression", error)
                .hint("write `compression: gzip`, or leave `format: docker` out")
                .at(compression.span),
            _ => ConfigError::new("", error).at(self.name.span),
        }
    }
}

#[cfg(test)]
mod tests {
    use testbed::{diagnostic::Source, yaml};

    use super::*;

    /// Compares the complaints, each as field, message and the place in the text.
    fn check(text: &str, expect: &[(&str, &str, &str)]) {
        let source = Source::new("image.yaml", text);
        let config: ImageConfig = yaml::from_str(&source).unwrap();
        let errors = config.source().err().unwrap_or_default();
        let told: Vec<_> = errors
            .iter()
            .map(|error| {
                (error.field.as_str(), error.message.as_str(), error.span.map_or("", |span| source.slice(span)))
            })
            .collect();
        assert_eq!(told, expect, "{text}");
    }

    #[test]
    fn what_cannot_be_made_up_is_told_with_its_place() {
        check("{ name: a/b, compression: zstd, layers: [1TiB], referrers: [{ artifact-type: a/b }] }", &[]);
        check(
            "{ name: a/b, format: docker, compression: zstd }",
            &[("compression", "Docker's manifests know no layers compressed with zstd", "zstd")],
        );
        check(
            "{ name: a/b, from: app.tar, layers: [1] }",
            &[("from", "an image that is read from a file is as it is there", "app.tar")],
        );
        check("{ name: a/b, layers: [1, 2TiB] }", &[("", "layer 2 has 2TiB; at most 1TiB can be made up", "a/b")]);
        check(
            "{ name: a/b, from: app.tar, manifest-size: 5MiB }",
            &[("from", "an image that is read from a file is as it is there", "app.tar")],
        );
        check(
            "{ name: a/b, manifest-size: 17MiB }",
            &[("", "a manifest of 17MiB is too large; at most 16MiB can be made up", "a/b")],
        );
        check(
            "{ name: a/b, referrers: [{ artifact-type: a/b, size: 2TiB }] }",
            &[("", "referrer 1 has 2TiB; at most 1TiB can be made up", "a/b")],
        );
        check(
            "{ name: 'a@sha256:1' }",
            &[(
                "name",
                "image name `a@sha256:1` has a digest; give a tag, the digest follows from the content",
                "'a@sha256:1'",
            )],
        );
    }

    #[test]
    fn what_is_no_media_type_is_told_on_reading() {
        let source = Source::new("image.yaml", "{ name: a/b, referrers: [{ artifact-type: sbom }] }");
        let complaints = yaml::from_str::<ImageConfig>(&source).unwrap_err();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].to_string().contains("media type `sbom`"), "{}", complaints[0]);
    }
}
