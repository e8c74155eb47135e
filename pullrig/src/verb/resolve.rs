//! `pullrig resolve`

use std::{collections::BTreeMap, path::PathBuf};

use runner::{
    outcome::Exit,
    resolve::{ResolvedPipeline, load_account, resolve},
};
use testbed::Seed;

use crate::terminal::{put, say_complaints, say_error};

/// Tell which connector, image and delegate each stage of a pipeline gets, and why. Pulls nothing.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Pipeline files, as exported from Harness.
    #[arg(required = true, value_name = "PIPELINE")]
    pipelines: Vec<PathBuf>,
    /// The account: a file, or a scenario with a `harness` section. Default: a new account, with the built-in
    /// `harnessImage` and one delegate.
    #[arg(long, value_name = "FILE")]
    account: Option<PathBuf>,
    /// The value of a runtime input, by its place: `stages.build.delegateSelectors=linux`. Repeatable.
    #[arg(long = "input", value_name = "PLACE=VALUE", value_parser = input)]
    inputs: Vec<(String, String)>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The seed that shuffles delegates.
    #[arg(long, value_name = "N", env = "PULLRIG_SEED", default_value_t)]
    seed: Seed,
}

fn input(text: &str) -> Result<(String, String), String> {
    let (place, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no value; write `place=value`"))?;
    Ok((String::from(place), String::from(value)))
}

pub(crate) fn run(args: &Args) -> Exit {
    let inputs: BTreeMap<_, _> = args.inputs.iter().cloned().collect();
    let resolved = load_account(args.account.as_deref()).and_then(|account| {
        let (resolved, complaints): (Vec<_>, Vec<_>) =
            args.pipelines.iter().map(|file| resolve(file, &account, &inputs, args.seed)).partition(Result::is_ok);
        let complaints: Vec<_> = complaints.into_iter().filter_map(Result::err).flatten().collect();
        if complaints.is_empty() { Ok(resolved.into_iter().flatten().collect::<Vec<_>>()) } else { Err(complaints) }
    });
    let resolved = match resolved {
        Ok(resolved) => resolved,
        Err(complaints) => {
            say_complaints(&complaints);
            return Exit::Usage;
        }
    };
    let text = if args.json {
        serde_json::to_string_pretty(&resolved).map(|json| format!("{json}\n"))
    } else {
        let blocks: Vec<_> = resolved.iter().map(ResolvedPipeline::render).collect();
        Ok(blocks.join("\n"))
    };
    match text.map_err(std::io::Error::from).and_then(|text| put(&text)) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            say_error(&format!("cannot write: {error}"), None);
            Exit::Environment
        }
    }
}
