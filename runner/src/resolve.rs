//! Where the stages of pipelines would pull from, and why, without pulling.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use mock_harness::{
    Account, ImageResolution, Pipeline, PlatformConfig, StageResolution,
    config::{DelegateConfig, HarnessImage, over_preset},
    resolve_pipeline,
};
use serde::Serialize;
use testbed::{
    Seed,
    diagnostic::{Diagnostic, Source},
    yaml,
};

use crate::{format::Scenario, plan};

/// One pipeline, resolved.
#[derive(Clone, Debug, Serialize)]
pub struct ResolvedPipeline {
    /// The file.
    pub file: String,
    /// The pipeline's identifier.
    pub pipeline: String,
    /// Its stages that need containers.
    pub stages: Vec<StageResolution>,
}

/// Reads the account that pipelines are resolved in: an account file, or the `harness` section of a scenario. Without a
/// file it is an account as Harness makes it, with the built-in `harnessImage` and one delegate.
///
/// # Errors
/// All complaints about the file.
pub fn load_account(file: Option<&Path>) -> Result<Account, Vec<Diagnostic>> {
    let Some(file) = file else {
        let new = PlatformConfig {
            harness_image: Some(HarnessImage::BuiltIn),
            delegates: vec![DelegateConfig::new("any")],
            ..PlatformConfig::default()
        };
        return plan::account(&new, &Source::new("a new account", ""), None);
    };
    let source = plan::read(file).map_err(|complaint| vec![complaint])?;
    let document = yaml::parse(&source)?;
    if document.get("scenario").is_none() {
        return plan::account(&yaml::from_node(&source, &over_preset(&document))?, &source, Some(&document));
    }
    let document = document.with_changed("harness", over_preset);
    let scenario: Scenario = yaml::from_node(&source, &document)?;
    let config = scenario.harness.ok_or_else(|| {
        let complaint = Diagnostic::about(&source, "this scenario has no `harness` section, so there is no account");
        vec![complaint.hint("name an account file, or a scenario with a Harness platform")]
    })?;
    plan::account(&config, &source, document.get("harness"))
}

/// Resolves the pipeline in `file`, with `inputs` for its runtime inputs.
///
/// # Errors
/// All complaints about the file.
pub fn resolve(
    file: &Path,
    account: &Account,
    inputs: &BTreeMap<String, String>,
    seed: Seed,
) -> Result<ResolvedPipeline, Vec<Diagnostic>> {
    let source = plan::read(file).map_err(|complaint| vec![complaint])?;
    let pipeline = Pipeline::parse_with_inputs(&source, inputs)?;
    let stages = resolve_pipeline(&pipeline, account, seed);
    Ok(ResolvedPipeline { file: String::from(source.name()), pipeline: pipeline.identifier, stages })
}

impl ResolvedPipeline {
    /// The decisions for people: a block for each stage, a table of its images.
    pub fn render(&self) -> String {
        let mut text = format!("{} ({})\n", self.file, self.pipeline);
        if self.stages.is_empty() {
            text.push_str("  no stage needs containers\n");
        }
        for stage in &self.stages {
            render_stage(stage, &mut text);
        }
        text
    }
}

fn render_stage(stage: &StageResolution, text: &mut String) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "\n  stage {} on {}", stage.stage, stage.infrastructure);
    match &stage.choice {
        Ok(choice) => {
            let connector = choice.connector.as_deref().unwrap_or("none");
            let _ = writeln!(text, "    connector  {connector}");
            let _ = writeln!(text, "    because    {} (rule {})", choice.because, choice.because.rule());
        }
        Err(error) => {
            let _ = writeln!(text, "    connector  fails: {error}");
        }
    }
    let delegate = match &stage.delegate {
        Ok(Some(delegate)) => delegate.clone(),
        Ok(None) => String::from("none, the platform itself"),
        Err(error) => format!("fails: {}", error.replace('\n', " ")),
    };
    let _ = writeln!(text, "    delegate   {delegate}");
    if let Some(failure) = &stage.failure {
        let _ = writeln!(text, "    fails      {failure}");
    }
    if !stage.images.is_empty() {
        let header = ["container", "image", "pulled as", "through", "as", "asks"].map(String::from);
        let rows = std::iter::once(header).chain(stage.images.iter().map(row));
        table(&rows.collect::<Vec<_>>(), text);
    }
    for warning in &stage.warnings {
        let _ = writeln!(text, "    warning: {warning}");
    }
}

fn row(image: &ImageResolution) -> [String; 6] {
    let dash = || String::from("-");
    [
        image.container.clone(),
        image.before.clone(),
        if image.after == image.before { String::from("unchanged") } else { image.after.clone() },
        image.connector.clone().unwrap_or_else(dash),
        image.credentials.to_string(),
        image.host.clone().unwrap_or_else(dash),
    ]
}

/// Columns as wide as their widest cell.
fn table<const N: usize>(rows: &[[String; N]], text: &mut String) {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells: Vec<_> = widths.iter().zip(row).map(|(width, cell)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "    {}", cells.join("  ").trim_end());
    }
}
