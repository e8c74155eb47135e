//! The platforms that come with the program, as data: `preset: harness-2026` in a `harness:` section.
//!
//! A preset is a section under the user's: what the user says stands over it, key by key. Beside that it has the images
//! that Harness's own steps run, and for every value where it is known from.
//!
//! Source: facts/harness A4, A8, F.

use std::{collections::BTreeMap, sync::LazyLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use testbed::{
    diagnostic::Source,
    evidence::{Evidence, source_of},
    yaml::{self, Node, NodeValue},
};

/// A platform that comes with the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(expecting = "a preset of the Harness platform")]
pub enum WorldPreset {
    /// As its code of December 2023 has it.
    #[serde(rename = "harness-2023")]
    Harness2023,
    /// As the newest public schemas, charts and pages have it.
    #[default]
    #[serde(rename = "harness-2026")]
    Harness2026,
}

/// The images that Harness's own steps run unless an account says otherwise, each by its field of the execution config.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "images by infrastructure")]
pub struct DefaultImages {
    /// In pods.
    pub kubernetes: BTreeMap<String, String>,
    /// On VMs, on Harness Cloud and on local runners.
    pub vm: BTreeMap<String, String>,
}

/// What a preset's file has beside keys of a `harness:` section.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PresetFile {
    about: String,
    default_images: DefaultImages,
    sources: BTreeMap<String, Evidence>,
}

struct Read {
    file: PresetFile,
    /// The file's keys of a `harness:` section.
    section: Node,
}

/// The keys of a preset's file that are none of a `harness:` section.
const OWN_KEYS: [&str; 3] = ["about", "default-images", "sources"];

static READ: LazyLock<[Option<Read>; 2]> = LazyLock::new(|| WorldPreset::ALL.map(WorldPreset::read));

impl WorldPreset {
    /// All of them, the oldest first.
    pub const ALL: [Self; 2] = [Self::Harness2023, Self::Harness2026];

    /// What it is called: `harness-2026`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Harness2023 => "harness-2023",
            Self::Harness2026 => "harness-2026",
        }
    }

    /// The preset called `name`.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// Its file.
    pub fn text(self) -> &'static str {
        match self {
            Self::Harness2023 => include_str!("../../presets/harness-2023.yaml"),
            Self::Harness2026 => include_str!("../../presets/harness-2026.yaml"),
        }
    }

    /// One sentence about it.
    pub fn about(self) -> &'static str {
        self.get().map_or("", |read| &read.file.about)
    }

    /// The images that Harness's own steps run.
    pub fn default_images(self) -> &'static DefaultImages {
        static NONE: DefaultImages = DefaultImages { kubernetes: BTreeMap::new(), vm: BTreeMap::new() };
        self.get().map_or(&NONE, |read| &read.file.default_images)
    }

    /// Its values, each by the path of its key, with how it is known.
    pub fn values(self) -> Vec<(String, String, Option<&'static Evidence>)> {
        let Some(read) = self.get() else { return Vec::new() };
        let mut values = Vec::new();
        collect(&read.section, "", &mut values);
        for (kind, images) in [("kubernetes", &self.default_images().kubernetes), ("vm", &self.default_images().vm)] {
            values
                .extend(images.iter().map(|(field, image)| (format!("default-images.{kind}.{field}"), image.clone())));
        }
        let known = |(path, value): (String, String)| {
            let evidence = source_of(&read.file.sources, &path);
            (path, value, evidence)
        };
        values.into_iter().map(known).collect()
    }

    fn get(self) -> Option<&'static Read> {
        // The files are part of the program; a test reads them all.
        READ[self as usize].as_ref()
    }

    fn read(self) -> Option<Read> {
        let source = Source::new(format!("{}.yaml", self.name()), self.text());
        let tree = yaml::parse(&source).ok()?;
        let NodeValue::Mapping(entries) = &tree.value else { return None };
        let is_own = |key: &Node| key.scalar_text().is_some_and(|key| OWN_KEYS.contains(&key));
        let (own, section): (Vec<_>, Vec<_>) = entries.iter().cloned().partition(|(key, _)| is_own(key));
        let file = yaml::from_node(&source, &tree.with_value(NodeValue::Mapping(own.into()))).ok()?;
        Some(Read { file, section: tree.with_value(NodeValue::Mapping(section.into())) })
    }
}

/// A `harness:` section, or an account file, over the preset that it names.
///
/// Whatever reads a section from a file lays it over its preset first; an unknown name is left to be complained about.
pub fn over_preset(section: &Node) -> Node {
    let named = section.get("preset");
    let preset = named.and_then(Node::scalar_text).and_then(WorldPreset::find).and_then(WorldPreset::get);
    match (named, preset) {
        // What is wrong with a value of the preset would be said where it is named.
        (Some(named), Some(preset)) => section.over(&preset.section.at_place(named.span)),
        _ => section.clone(),
    }
}

fn collect(node: &Node, path: &str, values: &mut Vec<(String, String)>) {
    match &node.value {
        NodeValue::Mapping(entries) => {
            for (key, value) in entries.iter() {
                let key = key.scalar_text().unwrap_or_default();
                let path = if path.is_empty() { String::from(key) } else { format!("{path}.{key}") };
                collect(value, &path, values);
            }
        }
        _ => values.push((String::from(path), String::from(node.scalar_text().unwrap_or_default()))),
    }
}

#[cfg(test)]
mod tests {
    use testbed::evidence::Mark;

    use super::*;
    use crate::{
        PlatformConfig,
        config::{DockerRuntimeOverride, HarnessImage, TestedAt},
    };

    fn read(text: &str) -> PlatformConfig {
        let source = Source::new("account.yaml", text);
        let section = over_preset(&yaml::parse(&source).unwrap());
        yaml::from_node(&source, &section).unwrap_or_else(|complaints| panic!("{}", complaints[0].render(false)))
    }

    #[test]
    fn every_file_beside_the_sources_is_a_preset_that_can_be_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/presets");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), WorldPreset::ALL.len());
        for preset in WorldPreset::ALL {
            assert!(preset.get().is_some(), "{}", preset.name());
            assert_eq!(WorldPreset::find(preset.name()), Some(preset));
            let config = read(&format!("preset: {}\n", preset.name()));
            assert_eq!((config.preset, config.harness_image), (Some(preset), Some(HarnessImage::BuiltIn)));
        }
    }

    #[test]
    fn every_value_has_a_source_and_what_is_assumed_is_said() {
        for preset in WorldPreset::ALL {
            let values = preset.values();
            assert!(values.len() > 40, "{}", preset.name());
            for (path, _, evidence) in &values {
                let evidence = evidence.unwrap_or_else(|| panic!("{}: `{path}` has no source", preset.name()));
                assert_eq!(evidence.assumes.is_some(), evidence.mark == Mark::U, "{}: `{path}`", preset.name());
            }
            for source in preset.get().unwrap().file.sources.keys() {
                let is_used = values.iter().any(|(path, ..)| testbed::evidence::covers(source, path));
                assert!(is_used, "{}: `{source}` is no value", preset.name());
            }
        }
    }

    #[test]
    fn what_the_user_says_stands_over_the_preset_key_by_key() {
        let config = read("preset: harness-2023\nbehaviour: { tested-at: epoch-ms }\nharness-image: absent\n");
        assert_eq!(config.harness_image, Some(HarnessImage::Absent));
        assert_eq!(config.behaviour.tested_at, TestedAt::EpochMs);
        assert_eq!(config.behaviour.docker_runtime_override, DockerRuntimeOverride::Ignored);
        let newer = read("behaviour: { tested-at: zero }\npreset: harness-2026\n");
        assert_eq!(newer.behaviour.docker_runtime_override, DockerRuntimeOverride::Honoured);
        assert_eq!(newer.behaviour.tested_at, TestedAt::Zero);
    }

    #[test]
    fn an_unknown_preset_is_told_where_it_is_named() {
        let source = Source::new("account.yaml", "account: x\npreset: harness-2025\n");
        let section = over_preset(&yaml::parse(&source).unwrap());
        let complaints = yaml::from_node::<PlatformConfig>(&source, &section).unwrap_err();
        assert_eq!(complaints.len(), 1);
        assert!(
            complaints[0].to_string().starts_with("account.yaml:2:9: `harness-2025` is not a"),
            "{}",
            complaints[0]
        );
    }
}
