//! A warning: a code for programs, a text for people.

use std::fmt;

use serde::Serialize;

/// Something that is odd about a stage, and often not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Which; it does not change.
    pub code: WarningCode,
    /// What, and what to do; it may be worded anew.
    pub message: String,
}

/// The warnings there are. Source: facts/harness A3, A5, A10, C, F, G.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningCode {
    /// Images come from Docker Hub without a login, where pulls are counted by address.
    AnonymousDockerHub,
    /// The account lacks the default connector, and an organisation or a project has one of that name.
    DefaultBelowAccount,
    /// The default connector serves images of other kinds too: is it still what Harness's own images need?
    DefaultRepurposed,
    /// The URL is one of Docker Hub's that Harness does not take for Docker Hub's.
    DockerHubPrefixed,
    /// The URL is Docker Hub's web site.
    DockerHubWebSite,
    /// The override stands in a Docker runtime, where it may not count.
    DockerRuntimeOverride,
    /// The URL is the web site of Amazon's public registry.
    EcrWebSite,
    /// The URL is the registry of Harness that has ended.
    EndedRegistry,
    /// The URL is Harness's repository at Google, without `-public`.
    GarNotPublic,
    /// A hosted stage, and the connector for Harness's own images goes through a delegate.
    HostedThroughDelegate,
    /// What is pulled is no image reference.
    ImageName,
    /// The connector is no image registry's, is accepted, and changes nothing.
    NotARegistry,
    /// A connector of that name is at another level.
    OtherLevel,
    /// The delegates that could serve an account's connector are all of organisations and projects.
    ProjectDelegates,
    /// No delegate has the connector's selectors.
    SelectorsWithoutDelegate,
    /// It is not known which image a step runs.
    UnknownImage,
    /// It is not known whether a stage of this kind pulls images.
    UnknownStage,
    /// The URL has `/v2` in its path.
    V2InPath,
    /// A connector of that name is there, in other letters.
    WrongCase,
}

impl WarningCode {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 19] = [
        Self::AnonymousDockerHub,
        Self::DefaultBelowAccount,
        Self::DefaultRepurposed,
        Self::DockerHubPrefixed,
        Self::DockerHubWebSite,
        Self::DockerRuntimeOverride,
        Self::EcrWebSite,
        Self::EndedRegistry,
        Self::GarNotPublic,
        Self::HostedThroughDelegate,
        Self::ImageName,
        Self::NotARegistry,
        Self::OtherLevel,
        Self::ProjectDelegates,
        Self::SelectorsWithoutDelegate,
        Self::UnknownImage,
        Self::UnknownStage,
        Self::V2InPath,
        Self::WrongCase,
    ];

    /// The code as it is written: `v2-in-path`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnonymousDockerHub => "anonymous-docker-hub",
            Self::DefaultBelowAccount => "default-below-account",
            Self::DefaultRepurposed => "default-repurposed",
            Self::DockerHubPrefixed => "docker-hub-prefixed",
            Self::DockerHubWebSite => "docker-hub-web-site",
            Self::DockerRuntimeOverride => "docker-runtime-override",
            Self::EcrWebSite => "ecr-web-site",
            Self::EndedRegistry => "ended-registry",
            Self::GarNotPublic => "gar-not-public",
            Self::HostedThroughDelegate => "hosted-through-delegate",
            Self::ImageName => "image-name",
            Self::NotARegistry => "not-a-registry",
            Self::OtherLevel => "other-level",
            Self::ProjectDelegates => "project-delegates",
            Self::SelectorsWithoutDelegate => "selectors-without-delegate",
            Self::UnknownImage => "unknown-image",
            Self::UnknownStage => "unknown-stage",
            Self::V2InPath => "v2-in-path",
            Self::WrongCase => "wrong-case",
        }
    }
}

impl Warning {
    pub(super) fn new(code: WarningCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

impl fmt::Display for WarningCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_everywhere_as_they_are_called() {
        for code in WarningCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
        assert!(WarningCode::ALL.is_sorted());
    }
}
