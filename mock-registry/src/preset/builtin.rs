//! The presets that come with the program, by name.

use std::sync::LazyLock;

use testbed::diagnostic::{Diagnostic, Source};

use super::Preset;

/// The files beside the sources, each under its name.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../presets/", $name, ".yaml")))),*]
    };
}

/// A base stands before those that are derived from it.
const FILES: &[(&str, &str)] = files![
    "dockerhub",
    "dockerhub-anon",
    "dockerhub-personal",
    "dockerhub-paid",
    "dockerhub-abuse",
    "dockerhub-abuse-2019",
    "dockerhub-may-2020",
    "dockerhub-2020",
    "dockerhub-hourly-plan",
    "ghcr",
    "ghcr-secondary",
    "quay",
    "ecr-public",
    "ecr-private",
    "gar",
    "gcr",
    "k8s",
    "acr-basic",
    "acr-standard",
    "acr-premium",
    "acr-cache",
    "mcr",
    "gitlab",
    "gitlab-dependency-proxy",
    "jfrog",
    "harbor",
    "harbor-proxy",
    "nexus-proxy",
    "harness-registry",
    "harness-ar",
    "harness-proxy",
    "wave-proxy",
    "cloudflare",
    "distribution",
    "distribution-proxy",
    "zot",
    "olareg",
    "generic",
];

/// The preset of a registry that names none.
pub(crate) const DEFAULT: &str = "generic";

static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let mut presets = Vec::<Preset>::new();
    for (name, text) in FILES {
        // The files are part of the program; a test reads them all.
        presets.extend(read(name, text, &presets));
    }
    presets
});

fn read(name: &str, text: &str, bases: &[Preset]) -> Result<Preset, Vec<Diagnostic>> {
    let source = Source::new(format!("{name}.yaml"), text);
    Preset::read_over(name, &source, |base| bases.iter().find(|preset| preset.name() == base).cloned())
}

impl Preset {
    /// The preset called `name` that comes with the program.
    pub fn find(name: &str) -> Option<Self> {
        PRESETS.iter().find(|preset| preset.name() == name).cloned()
    }
}

/// The names of all presets that come with the program.
pub fn preset_names() -> Vec<&'static str> {
    FILES.iter().map(|(name, _)| *name).collect()
}

/// One sentence about the preset called `name`.
pub fn preset_about(name: &str) -> Option<String> {
    Preset::find(name).map(|preset| preset.about().to_owned())
}

/// The preset that was probably meant by `name`.
pub fn closest_preset(name: &str) -> Option<&'static str> {
    let distance = |known: &&str| strsim::osa_distance(known, name);
    preset_names().into_iter().min_by_key(distance).filter(|known| distance(known) <= 3.max(name.len() / 2))
}

/// What to say, and what to do, about a name that no preset has.
pub(crate) fn no_preset(name: &str) -> (String, String) {
    let names = preset_names();
    let hint = match closest_preset(name) {
        Some(nearest) => format!("did you mean `{nearest}`? `pullrig presets` lists all {}", names.len()),
        None => format!("there are {}", names.join(", ")),
    };
    (format!("no preset `{name}`"), hint)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Mark;

    #[test]
    fn every_preset_can_be_read() {
        let mut presets = Vec::new();
        for (name, text) in FILES {
            match read(name, text, &presets) {
                Ok(preset) => presets.push(preset),
                Err(wrong) => panic!("{}", wrong.iter().map(|wrong| wrong.render(false) + "\n").collect::<String>()),
            }
        }
        assert_eq!(PRESETS.len(), FILES.len());
    }

    #[test]
    fn every_file_beside_the_sources_is_a_preset() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/presets");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let names = preset_names().into_iter().map(|name| format!("{name}.yaml"));
        assert_eq!(files.collect::<BTreeSet<_>>(), names.collect());
    }

    #[test]
    fn every_value_has_a_source_and_what_is_assumed_is_said() {
        for preset in PRESETS.iter() {
            for (path, evidence) in preset.evidence() {
                let evidence = evidence.unwrap_or_else(|| panic!("{}: `{path}` has no source", preset.name()));
                assert!(!evidence.from.is_empty(), "{}: `{path}`", preset.name());
                let says = evidence.assumes.as_deref().is_some_and(|text| text.len() > 5);
                assert_eq!(says, evidence.mark == Mark::U, "{}: `{path}`", preset.name());
            }
            let is_sentence = preset.about().len() > 20 && !preset.about().ends_with('.');
            assert!(is_sentence, "{}: {}", preset.name(), preset.about());
        }
    }

    #[test]
    fn names_that_are_nearly_right_are_known() {
        assert_eq!(closest_preset("dockerhub-anom"), Some("dockerhub-anon"));
        assert_eq!(closest_preset("something-else-altogether"), None);
    }
}
