//! Presets: the real registries as data. The files beside the sources have a source for every value.

use std::{collections::BTreeMap, time::Duration};

use oci::PullLimit;
use serde::Deserialize;
use testbed::{diagnostic::Source, yaml};

use crate::AuthConfig;

const FILES: [(&str, &str); 5] = [
    ("dockerhub", include_str!("../presets/dockerhub.yaml")),
    ("dockerhub-anon", include_str!("../presets/dockerhub-anon.yaml")),
    ("dockerhub-personal", include_str!("../presets/dockerhub-personal.yaml")),
    ("harness-registry", include_str!("../presets/harness-registry.yaml")),
    ("generic", include_str!("../presets/generic.yaml")),
];

/// The preset of a registry that names none.
pub(crate) const DEFAULT: &str = "generic";

/// How a real registry behaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Preset {
    /// One line about it.
    pub(crate) about: String,
    /// The names it answers under.
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    /// The name that its token endpoint answers under, if that is another one.
    #[serde(default)]
    pub(crate) token_host: Option<String>,
    /// The realm of its challenge, when it is reached by its real name.
    #[serde(default)]
    pub(crate) realm: Option<String>,
    /// The service of its challenge. Default: its name in the world.
    #[serde(default)]
    pub(crate) service: Option<String>,
    /// The issuer of its tokens. Default: the service.
    #[serde(default)]
    pub(crate) issuer: Option<String>,
    /// The path in its URL.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// What it asks clients for.
    pub(crate) auth: AuthConfig,
    /// Whether one may pull without an account.
    pub(crate) anonymous: bool,
    /// How long a token lives.
    #[serde(with = "testbed::duration")]
    pub(crate) token_life: Duration,
    /// The limit by address, for pulls without an account.
    #[serde(default)]
    pub(crate) limit: Option<PullLimit>,
    /// The limit of each account.
    #[serde(default)]
    pub(crate) account_limit: Option<PullLimit>,
    /// Whether a repository that is absent looks like one that is private.
    #[serde(default)]
    pub(crate) hides_absent: bool,
    /// Whether image names without a slash are under `library/`.
    #[serde(default)]
    pub(crate) library: bool,
    /// Whether it takes pushes.
    pub(crate) push: bool,
    /// Headers on every answer.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
}

/// The names of all presets.
pub fn preset_names() -> Vec<&'static str> {
    FILES.iter().map(|(name, _)| *name).collect()
}

/// One line about the preset called `name`.
pub fn preset_about(name: &str) -> Option<String> {
    Preset::find(name).map(|preset| preset.about)
}

impl Preset {
    /// The preset called `name`.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let (name, text) = FILES.iter().find(|(known, _)| *known == name)?;
        // The files are part of the program; a test reads them all.
        yaml::from_str(&Source::new(*name, *text)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_read() {
        for (name, text) in FILES {
            let read = yaml::from_str::<Preset>(&Source::new(name, text));
            assert!(read.is_ok(), "{name}: {read:?}");
            assert!(preset_about(name).is_some());
        }
    }
}
