//! Platforms: what an index chooses by, written `linux/arm64/v8`.
//!
//! In manifests a platform is a JSON object; in files and on command lines it is text (`FromStr`,
//! `Display`).
//!
//! Source: image-spec, "OCI Image Index", `platform`; variants compared as containerd's
//! `platforms.Normalize` does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an image runs on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// The CPU, by Go's name: `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// The operating system, by Go's name: `linux`.
    #[serde(default)]
    pub os: String,
    /// The version of the operating system; Windows images have one.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features that the operating system must have.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "crate::manifest::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// The variant of the CPU: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A text that is no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("platform `{text}` is not of the form `os/architecture` or `os/architecture/variant`, such as `linux/amd64`")]
pub struct PlatformError {
    text: String,
}

impl Platform {
    /// A platform without variant.
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Platform {
        Platform {
            architecture: architecture.into(),
            os: os.into(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
        }
    }

    /// `linux/amd64`.
    pub fn linux_amd64() -> Platform {
        Platform::new("linux", "amd64")
    }

    /// `linux/arm64`.
    pub fn linux_arm64() -> Platform {
        Platform::new("linux", "arm64")
    }

    /// Whether a machine of this platform takes an image made for `offered`.
    ///
    /// System and CPU must be equal, and so must variants, where an absent one is the usual one:
    /// `v8` of arm64, `v7` of arm, `v1` of amd64. A version of the system counts only where this
    /// platform names one.
    pub fn matches(&self, offered: &Platform) -> bool {
        self.os == offered.os
            && self.architecture == offered.architecture
            && self.usual_variant() == offered.usual_variant()
            && (self.os_version.is_none() || self.os_version == offered.os_version)
    }

    fn usual_variant(&self) -> Option<&str> {
        let usual = match self.architecture.as_str() {
            "arm64" => Some("v8"),
            "arm" => Some("v7"),
            "amd64" => Some("v1"),
            _ => None,
        };
        self.variant.as_deref().filter(|variant| !variant.is_empty()).or(usual)
    }
}

/// System, CPU and variant; the version of the system is left out.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let word = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        match parts.as_slice() {
            [os, architecture, variant @ ..] if variant.len() <= 1 && parts.iter().all(word) => Ok(Platform {
                variant: variant.first().map(|variant| (*variant).to_owned()),
                ..Platform::new(*os, *architecture)
            }),
            _ => Err(PlatformError { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().expect("a platform")
    }

    fn check(wanted: &str, offered: &str, expect: bool) {
        assert_eq!(platform(wanted).matches(&platform(offered)), expect, "{wanted} and {offered}");
    }

    #[test]
    fn an_absent_variant_is_the_usual_one() {
        check("linux/amd64", "linux/amd64", true);
        check("linux/amd64", "linux/arm64", false);
        check("linux/amd64", "windows/amd64", false);
        check("linux/arm64", "linux/arm64/v8", true);
        check("linux/arm64/v8", "linux/arm64", true);
        check("linux/arm", "linux/arm/v7", true);
        check("linux/arm", "linux/arm/v6", false);
        check("linux/amd64", "linux/amd64/v3", false);
        check("linux/s390x", "linux/s390x", true);
    }

    #[test]
    fn two_or_three_parts_make_a_platform() {
        assert_eq!(platform("linux/amd64"), Platform::linux_amd64());
        for bad in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/a b"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(text in "[a-z]{1,8}/[a-z0-9_]{1,8}(/v[0-9])?") {
            prop_assert_eq!(platform(&text).to_string(), text);
        }
    }
}
