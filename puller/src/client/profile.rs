//! One client, as a file in `puller/clients` has it.

use std::{collections::BTreeMap, sync::LazyLock};

use oci::{ByteSize, MediaType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::{diagnostic::Source, yaml};

use super::{
    habits::{BlobHabits, HeadHabits, MessageStyle, MirrorHabits, RedirectHabits, TokenHabits},
    order::Order,
    rule::{Counting, OuterRounds, RetryRule},
};

/// A client: what it puts on the wire, and what it says. Keys that a file leaves out are what most clients do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClientProfile {
    /// The name, as `like:` has it.
    pub name: String,
    /// Which program, in which versions.
    pub about: String,
    /// `User-Agent`.
    pub user_agent: String,
    /// What is asked for, in which order.
    pub order: Order,
    /// `Accept`, with manifests. Default: OCI's and Docker's manifest and index.
    pub accept: Vec<MediaType>,
    /// Whether `Accept` ends with `*/*`.
    pub accepts_anything: bool,
    /// Whether `Accept` is one line, or one line for each type.
    pub joins_accept: bool,
    /// The largest manifest that is read. Default 4 MiB.
    pub manifest_most: ByteSize,
    /// When requests are made again: the first rule that fits decides, and none is the end.
    pub retry: Vec<RetryRule>,
    /// What failures are counted by.
    pub counting: Counting,
    /// Rounds around the attempts.
    pub outer: Option<OuterRounds>,
    /// How a tag is resolved.
    pub head: HeadHabits,
    /// Tokens.
    pub token: TokenHabits,
    /// Blobs.
    pub blobs: BlobHabits,
    /// Redirects.
    pub redirects: RedirectHabits,
    /// Mirrors.
    pub mirrors: MirrorHabits,
    /// The words of failures.
    pub messages: MessageStyle,
    /// Whether the user sees what a registry warns of. Default false.
    pub shows_warnings: bool,
    /// Whether names of accounts and ids of tokens are taken out of failures' texts.
    pub redacts: bool,
    /// Where the values come from: a key, and the source with its evidence mark.
    pub sources: BTreeMap<String, String>,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../clients/", $name, ".yaml")))),*]
    };
}

/// The files, by name. A test holds this against the folder.
const FILES: [(&str, &str); 14] = files![
    "buildkit",
    "containerd",
    "containerd-2.3.0",
    "crane",
    "docker",
    "docker-containerd",
    "ggcr-old",
    "kaniko",
    "oci-client",
    "oras",
    "podman",
    "pullrig",
    "regclient",
    "skopeo",
];

/// The profile of this project's own client.
const OWN: &str = "pullrig";

static PROFILES: LazyLock<Vec<ClientProfile>> = LazyLock::new(|| {
    let read = |(name, text): &(&str, &str)| yaml::from_str(&Source::new(format!("{name}.yaml"), *text)).ok();
    FILES.iter().filter_map(read).collect()
});

impl ClientProfile {
    /// The client of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// The names of all clients, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }

    /// This project's own client.
    pub fn own() -> Self {
        Self::find(OWN).cloned().unwrap_or_default()
    }
}

impl Default for ClientProfile {
    /// A client without a name that never tries again.
    fn default() -> Self {
        Self {
            name: String::new(),
            about: String::new(),
            user_agent: String::from(concat!("pullrig/", env!("CARGO_PKG_VERSION"))),
            order: Order::default(),
            accept: vec![
                MediaType::OCI_INDEX,
                MediaType::OCI_MANIFEST,
                MediaType::DOCKER_MANIFEST_LIST,
                MediaType::DOCKER_MANIFEST,
            ],
            accepts_anything: false,
            joins_accept: true,
            manifest_most: ByteSize(oci::MAX_MANIFEST_BYTES as u64),
            retry: Vec::new(),
            counting: Counting::default(),
            outer: None,
            head: HeadHabits::default(),
            token: TokenHabits::default(),
            blobs: BlobHabits::default(),
            redirects: RedirectHabits::default(),
            mirrors: MirrorHabits::default(),
            messages: MessageStyle::default(),
            shows_warnings: false,
            redacts: false,
            sources: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_and_called_as_its_client() {
        for (name, text) in FILES {
            let read: Result<ClientProfile, _> = yaml::from_str(&Source::new(format!("{name}.yaml"), text));
            let profile = read.unwrap_or_else(|complaints| panic!("{name}: {complaints:#?}"));
            assert_eq!(profile.name, name);
            assert!(!profile.about.is_empty(), "{name}");
        }
    }

    #[test]
    fn every_file_of_the_folder_is_known() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
        let mut found: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".yaml", ""))
            .collect();
        found.sort();
        assert_eq!(found, ClientProfile::names().collect::<Vec<_>>());
    }

    #[test]
    fn every_value_of_a_file_has_its_source_and_mark() {
        for (name, text) in FILES {
            let profile = ClientProfile::find(name).unwrap();
            let Ok(node) = yaml::parse(&Source::new(name, text)) else { panic!("{name}") };
            for key in [
                "order",
                "retry",
                "outer",
                "head",
                "token",
                "blobs",
                "redirects",
                "mirrors",
                "messages",
                "shows-warnings",
            ] {
                if node.get(key).is_some() {
                    let source = profile.sources.get(key).unwrap_or_else(|| panic!("{name}: {key} has no source"));
                    assert!(["[S]", "[D]", "[I]", "[U]"].iter().any(|mark| source.contains(mark)), "{name}: {source}");
                }
            }
        }
    }

    #[test]
    fn a_profile_is_written_as_it_is_read() {
        for name in ClientProfile::names() {
            let profile = ClientProfile::find(name).unwrap();
            let json = serde_json::to_string(profile).unwrap();
            assert_eq!(serde_json::from_str::<ClientProfile>(&json).unwrap(), *profile, "{name}");
        }
    }
}
