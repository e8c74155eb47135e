//! Where the stages of pipelines would pull from, and why, without pulling.
//!
//! `files` -> `account` (with `export`) -> resolution, which is `mock_harness`'s -> `table`, `explain`, `require`.

mod account;
mod explain;
mod export;
mod files;
mod require;
mod table;

use std::{collections::BTreeMap, path::Path};

use mock_harness::{
    Pipeline, StageResolution,
    pipeline::input_values,
    resolve::{WarningCode, explain_pipeline, resolve_pipeline},
};
use serde::Serialize;
use testbed::{
    Seed,
    diagnostic::{Diagnostic, Source},
};

pub use account::{LoadedAccount, load_account};
pub use explain::explain;
pub use files::{PipelineFile, find_pipelines};
pub use require::{Broken, Required, Requirement, RequirementError};
pub use table::render;

use files::read_source;

/// How pipelines are resolved.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The values of runtime inputs, by their places: `stages.build.delegateSelectors`.
    pub inputs: BTreeMap<String, String>,
    /// What shuffles delegates.
    pub seed: Seed,
    /// Whether the whole decision is told.
    pub explain: bool,
}

/// One pipeline, resolved.
#[derive(Clone, Debug, Serialize)]
pub struct ResolvedPipeline {
    /// The file.
    pub file: String,
    /// The pipeline's identifier.
    pub pipeline: String,
    /// Its stages that need containers.
    pub stages: Vec<ResolvedStage>,
    /// The file's text.
    #[serde(skip)]
    pub source: Source,
}

/// One stage, resolved.
#[derive(Clone, Debug, Serialize)]
pub struct ResolvedStage {
    /// The line of its identifier, from 1.
    pub line: usize,
    /// What was decided about it.
    #[serde(flatten)]
    pub resolution: StageResolution,
}

/// Reads an input set, as Harness exports it or bare: values by their places.
///
/// # Errors
/// All complaints about the file.
pub fn load_inputs(file: &Path) -> Result<BTreeMap<String, String>, Vec<Diagnostic>> {
    let source = read_source(file).map_err(|complaint| vec![complaint])?;
    let values = input_values(&source)?;
    if values.is_empty() {
        let complaint = Diagnostic::about(&source, "this is no input set: it gives no value");
        return Err(vec![complaint.hint("an input set has the key `inputSet`, or `pipeline`, and values below it")]);
    }
    Ok(values)
}

/// Resolves the pipeline in `file`; none if the file was found in a folder and is no pipeline.
///
/// # Errors
/// All complaints about the file.
pub fn resolve(
    file: &PipelineFile,
    account: &LoadedAccount,
    options: &Options,
) -> Result<Option<ResolvedPipeline>, Vec<Diagnostic>> {
    let source = read_source(&file.path).map_err(|complaint| vec![complaint])?;
    // Folders hold input sets, templates and connectors too; a pipeline's key stands at the begin of a line, or in JSON.
    if !file.is_named && !source.text().lines().any(|line| line.starts_with("pipeline:") || line.starts_with('{')) {
        return Ok(None);
    }
    let pipeline = Pipeline::parse_with_inputs(&source, &options.inputs)?;
    let resolved = if options.explain { explain_pipeline } else { resolve_pipeline };
    let mut stages = resolved(&pipeline, &account.account, options.seed);
    if !account.knows_delegates {
        stages.iter_mut().for_each(take_any_delegate);
    }
    let stage =
        |resolution: StageResolution| ResolvedStage { line: source.line_col(resolution.span.start).0, resolution };
    let stages = stages.into_iter().map(stage).collect();
    Ok(Some(ResolvedPipeline { file: String::from(source.name()), pipeline: pipeline.identifier, stages, source }))
}

/// Nothing is known of the account's delegates, so some are taken to be fit.
fn take_any_delegate(stage: &mut StageResolution) {
    if matches!(stage.delegate, Ok(None)) {
        return;
    }
    let selectors = stage.selectors.join(", ");
    let any = if selectors.is_empty() { String::from("any") } else { format!("any with [{selectors}]") };
    stage.delegate = Ok(Some(any));
    let is_of_delegates = |code| matches!(code, WarningCode::ProjectDelegates | WarningCode::SelectorsWithoutDelegate);
    stage.warnings.retain(|warning| !is_of_delegates(warning.code));
}
