//! The image config: the JSON blob that says how a container of the image starts.
//!
//! Only what a pull looks at and a generated image needs; unknown fields are ignored.
//!
//! Source: image-spec, "OCI Image Configuration".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::manifest::null_as_default;
use crate::{Digest, Platform};

/// An image's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made, RFC 3339; kept as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What the image runs on; its fields stand beside the others.
    #[serde(flatten)]
    pub platform: Platform,
    /// How a container starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ContainerConfig>,
    /// The layers, by the digests of their uncompressed content.
    pub rootfs: RootFs,
    /// How each layer came to be, lowest first.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
}

/// How a container of the image starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// Environment, as `NAME=value`.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The command that arguments are appended to.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Default arguments.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Free notes.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// The layers of an image, by content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the uncompressed layers, lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub diff_ids: Vec<Digest>,
}

/// How one layer came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When, RFC 3339; kept as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// A note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether no layer came of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// A config for `platform` over uncompressed layers, lowest first.
    pub fn new(platform: Platform, diff_ids: Vec<Digest>) -> ImageConfig {
        ImageConfig {
            created: None,
            platform,
            config: Some(ContainerConfig::default()),
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids },
            history: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_read_back_as_written() {
        let config = ImageConfig::new(Platform::linux_arm64(), vec![Digest::of(b"layer")]);
        let text = serde_json::to_string(&config).expect("serializable");
        assert!(text.starts_with(r#"{"architecture":"arm64","os":"linux","config":{},"#), "{text}");
        assert_eq!(serde_json::from_str::<ImageConfig>(&text).expect("a config"), config);
    }

    #[test]
    fn the_nulls_of_docker_are_read() {
        let text = r#"{"os":"linux","architecture":"amd64","config":{"Cmd":null,"Env":["A=b"],"Volumes":null},
            "rootfs":{"type":"layers","diff_ids":null},"history":[{"created_by":"ADD","empty_layer":true}]}"#;
        let config: ImageConfig = serde_json::from_str(text).expect("a config");
        assert_eq!(config.platform, Platform::linux_amd64());
        assert_eq!(config.config.map(|config| config.env), Some(vec!["A=b".to_owned()]));
        assert!(config.history.iter().all(|entry| entry.empty_layer));
    }
}
