//! Presets: the real registries as data. The files beside the sources have a source for every value.

use std::{collections::BTreeMap, time::Duration};

use oci::{PullLimit, PullLimitError};
use serde::Deserialize;
use testbed::{diagnostic::Source, yaml};

use crate::{
    ACCOUNTS, ANONYMOUS, AbsentRepository, ApiConfig, AuthConfig, ChallengeConfig, LimitConfig, TokenConfig,
    UpstreamConfig,
};

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
    /// The path of its token endpoint, if clients must log in. Default: `/token`.
    #[serde(default = "token_path")]
    pub(crate) token_path: String,
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
    /// Its limits, in order.
    #[serde(default)]
    pub(crate) limits: Vec<LimitConfig>,
    /// What it pulls through from, if it is a proxy.
    #[serde(default)]
    pub(crate) upstream: Option<UpstreamConfig>,
    /// What is particular about its challenges.
    #[serde(default)]
    pub(crate) challenge: Option<ChallengeConfig>,
    /// What is particular about its tokens.
    #[serde(default)]
    pub(crate) token: Option<TokenConfig>,
    /// How a repository that is absent, or private, looks to who may not see it.
    #[serde(default)]
    pub(crate) absent_repository: Option<AbsentRepository>,
    /// Whether image names without a slash are under `library/`.
    #[serde(default)]
    pub(crate) library: bool,
    /// Whether it takes pushes.
    pub(crate) push: bool,
    /// What its API does where the specification leaves a choice; warnings and mirrored hosts are a configuration's alone.
    #[serde(default)]
    pub(crate) api: ApiConfig,
    /// Headers on every answer.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
}

fn token_path() -> String {
    String::from("/token")
}

/// A preset that is another one with other limits.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Derived {
    about: String,
    /// The preset that it is otherwise; not itself a derived one.
    base: String,
    #[serde(default)]
    limit: Option<OtherLimit>,
    #[serde(default)]
    account_limit: Option<OtherLimit>,
}

/// A limit in place of another: `100/6h`, or `none`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct OtherLimit(Option<PullLimit>);

impl TryFrom<String> for OtherLimit {
    type Error = PullLimitError;

    fn try_from(text: String) -> Result<Self, PullLimitError> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|limit| Self(Some(limit))) }
    }
}

impl Derived {
    fn change(&self, limit: LimitConfig) -> LimitConfig {
        let other = match limit.name.as_str() {
            ANONYMOUS => &self.limit,
            ACCOUNTS => &self.account_limit,
            _ => &None,
        };
        match other {
            Some(other) => LimitConfig { allow: other.0.into(), ..limit },
            None => limit,
        }
    }
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
        let source = source_of(name)?;
        // The files are part of the program; a test reads them all.
        let Ok(derived) = yaml::from_str::<Derived>(&source) else { return yaml::from_str(&source).ok() };
        let base: Self = yaml::from_str(&source_of(&derived.base)?).ok()?;
        Some(Self {
            limits: base.limits.iter().cloned().map(|limit| derived.change(limit)).collect(),
            about: derived.about,
            ..base
        })
    }
}

fn source_of(name: &str) -> Option<Source> {
    let (name, text) = FILES.iter().find(|(known, _)| *known == name)?;
    Some(Source::new(*name, *text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_read() {
        for name in preset_names() {
            let source = source_of(name).unwrap();
            let errors = (yaml::from_str::<Preset>(&source).err(), yaml::from_str::<Derived>(&source).err());
            assert!(Preset::find(name).is_some(), "{name}: {errors:?}");
            assert!(preset_about(name).is_some());
        }
    }

    #[test]
    fn a_derived_preset_is_its_base_with_other_limits() {
        let [hub, anon, personal] =
            ["dockerhub", "dockerhub-anon", "dockerhub-personal"].map(|name| Preset::find(name).unwrap());
        let allows = |preset: &Preset| preset.limits.iter().map(|limit| limit.allow.to_string()).collect::<Vec<_>>();
        assert_eq!(allows(&hub), ["100/6h", "200/6h"]);
        assert_eq!(allows(&anon), ["100/6h", "none"]);
        assert_eq!(allows(&personal), ["none", "200/6h"]);
        assert_eq!((&anon.hosts, &personal.realm, anon.push), (&hub.hosts, &hub.realm, hub.push));
        assert!([&hub.about, &anon.about].iter().all(|about| **about != personal.about));
    }
}
