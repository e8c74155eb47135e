//! Presets that a scenario reads from files below its folder.

use std::path::Path;

use mock_registry::{Preset, is_preset_file};
use testbed::diagnostic::{Diagnostic, Source};

use super::images::is_below;
use crate::{format::Scenario, presets::name_of};

/// Reads the preset of every registry in `scenario` that names a file.
pub(super) fn find_presets(
    scenario: &mut Scenario,
    source: &Source,
    read: &dyn Fn(&Path) -> Result<Source, Diagnostic>,
) -> Vec<Diagnostic> {
    let mut complaints = Vec::new();
    for config in scenario.registries.values_mut() {
        let Some(preset) = config.preset.as_ref().filter(|preset| is_preset_file(&preset.value)) else { continue };
        let path = Path::new(&preset.value);
        if !is_below(path) {
            let complaint = format!("{} is not below the scenario's folder", path.display());
            let complaint = Diagnostic::at(source, preset.span, complaint);
            complaints.push(complaint.hint("name a file in the same folder or below it"));
            continue;
        }
        match read(path) {
            Err(complaint) => {
                let complaint = Diagnostic::at(source, preset.span, complaint.message);
                complaints.push(complaint.hint("the path is relative to the scenario's folder"));
            }
            Ok(text) => match Preset::read(&name_of(&preset.value), &text) {
                Ok(read) => config.preset_file = Some(read),
                Err(wrong) => complaints.extend(wrong),
            },
        }
    }
    complaints
}
