//! The registries and Harness platforms that can be played, by name or from a file, for those who ask on a command line.

use std::path::Path;

use mock_harness::config::WorldPreset;
use mock_registry::{Preset, RegistryConfig, answer_in_words, closest_preset, is_preset_file, preset_names};
use serde::Serialize;
use testbed::{
    diagnostic::Diagnostic,
    dialect::{self, Dialect},
    evidence::{Evidence, Mark},
};

use crate::plan::read;

/// A preset in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What it is called.
    pub name: String,
    /// What it is a preset of.
    pub kind: Kind,
    /// One sentence about it.
    pub about: String,
    /// The preset that it changes, if it does not say everything itself.
    pub base: Option<String>,
    /// How many limits it has, that of a proxy's upstream included.
    pub n_limits: usize,
}

/// What a preset is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A registry: `preset` of one under `registries`, and of `serve`.
    Registry,
    /// A Harness platform: `preset` of the section `harness`, and of an account file.
    Harness,
}

/// All presets that come with the program.
pub fn list() -> Vec<Listed> {
    let listed = |preset: Preset| Listed {
        name: preset.name().to_owned(),
        kind: Kind::Registry,
        about: preset.about().to_owned(),
        base: preset.base().map(str::to_owned),
        n_limits: preset.n_limits(),
    };
    let platform = |preset: WorldPreset| Listed {
        name: preset.name().to_owned(),
        kind: Kind::Harness,
        about: preset.about().to_owned(),
        base: None,
        n_limits: 0,
    };
    let registries = preset_names().into_iter().filter_map(Preset::find).map(listed);
    registries.chain(WorldPreset::ALL.map(platform)).collect()
}

/// The list as two tables, for people.
pub fn render_list(presets: &[Listed]) -> String {
    let width = presets.iter().map(|preset| preset.name.len()).max().unwrap_or_default();
    let mut text = format!("{:<width$}  limits  about\n", "preset");
    for preset in presets.iter().filter(|preset| preset.kind == Kind::Registry) {
        text += &format!("{:<width$}  {:>6}  {}\n", preset.name, preset.n_limits, preset.about);
    }
    text += &format!("\n{:<width$}          about (for `harness: {{ preset: … }}`)\n", "platform");
    for preset in presets.iter().filter(|preset| preset.kind == Kind::Harness) {
        text += &format!("{:<width$}          {}\n", preset.name, preset.about);
    }
    text
}

/// A Harness platform, value by value, each with how it is known.
#[derive(Clone, Debug, Serialize)]
pub struct Platform {
    /// What it is called.
    pub name: &'static str,
    /// One sentence about it.
    pub about: &'static str,
    /// Its values in the order of its file.
    pub values: Vec<PlatformValue>,
}

/// One value of a Harness platform.
#[derive(Clone, Debug, Serialize)]
pub struct PlatformValue {
    /// The path of its key.
    pub key: String,
    /// The value.
    pub value: String,
    /// How it is known.
    #[serde(flatten)]
    pub evidence: Option<&'static Evidence>,
}

/// The Harness platform called `name`; none if that is something else.
pub fn find_platform(name: &str) -> Option<(Platform, &'static str)> {
    let preset = WorldPreset::find(name)?;
    let value = |(key, value, evidence)| PlatformValue { key, value, evidence };
    let values = preset.values().into_iter().map(value).collect();
    Some((Platform { name: preset.name(), about: preset.about(), values }, preset.text()))
}

/// A Harness platform in words: its values, and below those of one source how they are known.
pub fn render_platform(platform: &Platform) -> String {
    let Platform { name, about, values } = platform;
    let mut text = format!("{name}: {about}\n");
    let width = values.iter().map(|value| value.key.len()).max().unwrap_or_default();
    for group in values.chunk_by(|a, b| a.evidence == b.evidence) {
        text.push('\n');
        for PlatformValue { key, value, .. } in group {
            text += &format!("  {key:<width$}  {value}\n");
        }
        if let Some(Evidence { from, mark, assumes }) = group.first().and_then(|value| value.evidence) {
            text += &format!("      {mark}, {}: {from}\n", mark.meaning());
            if let (Mark::U, Some(assumes)) = (mark, assumes) {
                text += &format!("      assumed is {assumes}\n");
            }
        }
    }
    text
}

/// The preset that `text` names, or that is in the file whose path it is.
///
/// # Errors
/// There is none of that name; or everything that is wrong with the file.
pub fn find(text: &str) -> Result<Preset, Vec<Diagnostic>> {
    if is_preset_file(text) {
        let path = Path::new(text);
        return Preset::read(&name_of(text), &read(path).map_err(|complaint| vec![complaint])?);
    }
    Preset::find(text).ok_or_else(|| {
        let complaint = Diagnostic::general(format!("no preset `{text}`"));
        let all = "`pullrig presets` lists them; a file is written with a slash or `.yaml`";
        vec![match closest_preset(text) {
            Some(nearest) => complaint.hint(format!("did you mean `{nearest}`? {all}")),
            None => complaint.hint(all),
        }]
    })
}

/// The registry that plays what `text` names, or what is in the file whose path it is.
///
/// # Errors
/// There is none of that name; or everything that is wrong with the file.
pub fn registry(text: &str) -> Result<RegistryConfig, Vec<Diagnostic>> {
    let preset = find(text)?;
    Ok(RegistryConfig {
        preset: Some(text.to_owned().into()),
        preset_file: is_preset_file(text).then_some(preset),
        ..RegistryConfig::default()
    })
}

/// What a registry is called that plays `preset`: its name, or that of its file as a host may have it.
pub fn name_of(preset: &str) -> String {
    if !is_preset_file(preset) {
        return preset.to_owned();
    }
    let stem = Path::new(preset).file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let is_plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let name: String = stem.chars().map(|c| if is_plain(&c) { c } else { '-' }).collect();
    match name.trim_matches('-') {
        "" => String::from("preset"),
        name => name.to_owned(),
    }
}

/// All dialects in which a registry may refuse.
pub fn dialects() -> Vec<&'static Dialect> {
    dialect::names().into_iter().filter_map(dialect::find).collect()
}

/// The dialects as a table, for people.
pub fn render_dialects(dialects: &[&Dialect]) -> String {
    let width = dialects.iter().map(|dialect| dialect.name.len()).max().unwrap_or_default();
    let mut text = format!("{:<width$}  status  about\n", "dialect");
    for dialect in dialects {
        text += &format!("{:<width$}  {:>6}  {}\n", dialect.name, dialect.status, dialect.about);
    }
    text
}

/// The dialect called `name`.
///
/// # Errors
/// There is none.
pub fn find_dialect(name: &str) -> Result<&'static Dialect, Diagnostic> {
    dialect::find(name).ok_or_else(|| {
        let complaint = Diagnostic::general(format!("no dialect `{name}`"));
        let all = "`pullrig presets dialects` lists them";
        match dialect::closest(name) {
            Some(nearest) => complaint.hint(format!("did you mean `{nearest}`? {all}")),
            None => complaint.hint(all),
        }
    })
}

/// A dialect in words: the answer with what is different each time in braces, and how it is known.
pub fn render_dialect(dialect: &Dialect) -> String {
    let mut text = format!("{}: {}\n\n", dialect.name, dialect.about);
    for line in answer_in_words(dialect).lines() {
        text += format!("  | {line}").trim_end();
        text.push('\n');
    }
    text += &format!("\nsource: {}\n", dialect.source);
    if let Some(otherwise) = &dialect.otherwise {
        text += &format!("where a value is not known, it is `{otherwise}` instead\n");
    }
    text
}

/// Any of these as JSON, for programs.
///
/// # Errors
/// It has no form in JSON.
pub fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String, Vec<Diagnostic>> {
    let text = serde_json::to_string_pretty(value).map(|text| text + "\n");
    text.map_err(|error| vec![Diagnostic::general(format!("cannot be written as JSON: {error}"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_called_as_its_preset_or_its_file() {
        for (preset, name) in
            [("quay", "quay"), ("./Mine_2.yaml", "mine-2"), ("/tmp/x/hub.yml", "hub"), ("./-.yaml", "preset")]
        {
            assert_eq!(name_of(preset), name);
        }
    }

    #[test]
    fn a_platform_tells_each_value_and_how_it_is_known() {
        let (platform, file) = find_platform("harness-2023").unwrap();
        let told = render_platform(&platform);
        assert!(told.starts_with("harness-2023: Harness in December 2023"), "{told}");
        assert!(
            told.contains("default-images.kubernetes.addonTag") && told.contains("harness/ci-addon:1.16.33"),
            "{told}"
        );
        assert!(told.contains("S, read in source code: harness-core, December 2023, ci-manager-config.yml"), "{told}");
        assert!(file.contains("addonTag: harness/ci-addon:1.16.33"));
        let newest = render_platform(&find_platform("harness-2026").unwrap().0);
        assert!(newest.contains("assumed is that it is Docker Hub"), "{newest}");
        let json = serde_json::to_value(&platform).unwrap();
        assert_eq!(json["values"][0]["mark"], "S", "{json}");
        assert!(find_platform("quay").is_none());
    }

    #[test]
    fn unknown_names_get_the_nearest() {
        let told = find("ghrc").unwrap_err();
        assert!(told[0].hint.as_deref().unwrap().starts_with("did you mean `ghcr`?"), "{told:?}");
        assert!(find("./nowhere.yaml").unwrap_err()[0].message.starts_with("cannot read ./nowhere.yaml: "));
        assert!(find_dialect("quai").unwrap_err().hint.unwrap().starts_with("did you mean `quay`?"));
    }

    #[test]
    fn lists_have_everything() {
        let presets = list();
        assert_eq!(presets.len(), preset_names().len() + WorldPreset::ALL.len());
        let n_limits = |name: &str| presets.iter().find(|preset| preset.name == name).unwrap().n_limits;
        assert_eq!(["dockerhub", "dockerhub-paid", "harbor-proxy", "quay"].map(n_limits), [2, 0, 1, 11]);
        // Two lines of headings, and an empty one between.
        assert_eq!(render_list(&presets).lines().count(), presets.len() + 3);
        assert!(render_dialects(&dialects()).contains("gitlab-ban"));
        let quay = render_dialect(find_dialect("quay").unwrap());
        assert!(quay.contains("  | 429 Too Many Requests\n") && quay.contains("source: B2"), "{quay}");
    }
}
