//! Images that a scenario reads from files: where the files are, and whether they have them.

use std::path::{Component, Path};

use mock_registry::{ImageConfig, ImageSource, ImportError};
use testbed::{
    diagnostic::{Diagnostic, Source},
    yaml::Spanned,
};

use crate::{
    format::{Scenario, Step},
    world::with_causes,
};

/// Replaces the path of every image file in `scenario` by the one that it has seen from here, and looks into the file.
pub(super) fn find_images(scenario: &mut Scenario, source: &Source, folder: &Path) -> Vec<Diagnostic> {
    let mut complaints = Vec::new();
    let mut find = |image: &mut ImageConfig| complaints.extend(find_image(image, source, folder));
    for config in scenario.registries.values_mut() {
        config.images.iter_mut().for_each(&mut find);
    }
    in_steps(&mut scenario.steps, &mut find);
    complaints
}

fn in_steps(steps: &mut [Spanned<Step>], find: &mut impl FnMut(&mut ImageConfig)) {
    for step in steps {
        match &mut step.value {
            Step::Image(image) => find(&mut image.add),
            Step::Parallel(steps) => in_steps(steps, find),
            Step::Repeat(repeat) => in_steps(&mut repeat.steps, find),
            _ => {}
        }
    }
}

fn find_image(image: &mut ImageConfig, source: &Source, folder: &Path) -> Option<Diagnostic> {
    let from = image.from.as_mut()?;
    let span = from.span;
    if !is_below(&from.value) {
        let complaint = format!("{} is not below the scenario's folder", from.value.display());
        let complaint = Diagnostic::at(source, span, complaint);
        return Some(complaint.hint("name a file in the same folder or below it"));
    }
    from.value = folder.join(&from.value);
    // What is wrong with the other keys is said where registries are looked at.
    let Ok(ImageSource::File(image)) = image.source() else { return None };
    let error = image.inspect().err()?;
    let complaint = Diagnostic::at(source, span, with_causes(&error));
    Some(match &error {
        ImportError::Io { .. } => complaint.hint("the path is relative to the scenario's folder"),
        _ => complaint,
    })
}

/// Whether a path leads nowhere but further down.
pub(super) fn is_below(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}
