//! `pullrig resolve`

use std::{collections::BTreeMap, path::PathBuf};

use runner::{
    outcome::Exit,
    resolve::{
        LoadedAccount, Options, Required, Requirement, ResolvedPipeline, explain, find_pipelines, load_account,
        load_inputs, render, resolve,
    },
};
use serde_json::json;
use testbed::{Seed, diagnostic::Diagnostic};

use crate::terminal::{put, say, say_complaints, say_error, width};

/// Tell which connector, image and delegate each stage of a pipeline gets, and why. Pulls nothing.
///
/// Exit status: 0 told, also of stages that would fail; 1 a requirement is broken; 2 a file or a requirement is wrong; 4 a
/// requirement is about nothing.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  pullrig resolve .harness/ --connectors listV2.json
  pullrig resolve ci.yaml --account account.yaml --explain
  pullrig resolve .harness/ --account account.yaml --require connector=account.harnessImage \\
      --require 'container=*,host!=registry-1.docker.io'")]
pub(crate) struct Args {
    /// Pipeline files, as exported from Harness; folders with such files; `-` is standard input.
    #[arg(required = true, value_name = "PIPELINE")]
    pipelines: Vec<PathBuf>,
    /// The account: a file, a scenario with a `harness` section, or exported connectors. Repeatable: all are added together.
    /// Default: a new account, with the built-in `harnessImage` and delegates that are fit for everything.
    #[arg(long, value_name = "FILE")]
    account: Vec<PathBuf>,
    /// Connectors as the API or the user interface gives them: the answer to GET of one or to `listV2`, or YAML. Repeatable.
    /// The same as `--account`.
    #[arg(long, value_name = "FILE")]
    connectors: Vec<PathBuf>,
    /// The value of a runtime input, by its place: `stages.build.delegateSelectors=linux`. Repeatable.
    #[arg(long = "input", value_name = "PLACE=VALUE", value_parser = input)]
    input: Vec<(String, String)>,
    /// An input set, as exported from Harness. Repeatable; the last one that gives a value counts, and `--input` before all.
    #[arg(long, value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// What must be so, or the exit status is 1: `connector=account.harnessImage`, `host!=registry-1.docker.io`,
    /// `stage=build*,credentials=login`. Repeatable. Keys: connector, rule, because, delegate, warning, host, credentials, image,
    /// pull-policy; limits: pipeline, stage, infrastructure, container, images (internal or own).
    #[arg(long, value_name = "REQUIREMENT")]
    require: Vec<Requirement>,
    /// Tell the whole decision, step by step.
    #[arg(long)]
    explain: bool,
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
    let (account, options) = match prepare(args) {
        Ok(prepared) => prepared,
        Err(complaints) => {
            say_complaints(&complaints);
            return Exit::Usage;
        }
    };
    let (resolved, complaints) = resolve_all(args, &account, &options);
    // What could be read is told, also where something else could not.
    let required: Vec<_> = args.require.iter().map(|requirement| requirement.check(&resolved)).collect();
    let text = if args.json {
        json_of(&resolved, &required, &account.notes)
    } else if resolved.is_empty() {
        Ok(String::new())
    } else {
        let explained = if args.explain { explain(&resolved) } else { String::new() };
        Ok(render(&resolved, width()) + &explained)
    };
    let is_silent = resolved.is_empty() && !complaints.is_empty();
    if let Err(error) = text.map_err(std::io::Error::from).and_then(|text| if is_silent { Ok(()) } else { put(&text) })
    {
        say_error(&format!("cannot write: {error}"), None);
        return Exit::Environment;
    }
    for note in &account.notes {
        say(&format!("{}\n\n", note.render(true)));
    }
    for broken in required.iter().flat_map(|required| &required.broken) {
        say(&format!("{}\n\n", broken.complaint.render(true)));
    }
    if !complaints.is_empty() {
        say_complaints(&complaints);
        return Exit::Usage;
    }
    exit_of(&required)
}

/// The account, and how it is asked.
fn prepare(args: &Args) -> Result<(LoadedAccount, Options), Vec<Diagnostic>> {
    let mut inputs = BTreeMap::new();
    let mut complaints = Vec::new();
    for file in &args.inputs {
        match load_inputs(file) {
            Ok(values) => inputs.extend(values),
            Err(more) => complaints.extend(more),
        }
    }
    inputs.extend(args.input.iter().cloned());
    let files: Vec<_> = args.account.iter().chain(&args.connectors).cloned().collect();
    match load_account(&files) {
        Ok(account) if complaints.is_empty() => {
            Ok((account, Options { inputs, seed: args.seed, explain: args.explain }))
        }
        Ok(_) => Err(complaints),
        Err(more) => {
            complaints.extend(more);
            Err(complaints)
        }
    }
}

fn resolve_all(args: &Args, account: &LoadedAccount, options: &Options) -> (Vec<ResolvedPipeline>, Vec<Diagnostic>) {
    let files = match find_pipelines(&args.pipelines) {
        Ok(files) => files,
        Err(complaints) => return (Vec::new(), complaints),
    };
    let mut resolved = Vec::new();
    let mut complaints = Vec::new();
    for file in &files {
        match resolve(file, account, options) {
            Ok(pipeline) => resolved.extend(pipeline),
            Err(more) => complaints.extend(more),
        }
    }
    if resolved.is_empty() && complaints.is_empty() {
        let complaint = Diagnostic::general("there is no pipeline in what is named");
        complaints.push(complaint.hint("a pipeline's file begins with `pipeline:`, as Harness exports it"));
    }
    (resolved, complaints)
}

fn json_of(resolved: &[ResolvedPipeline], required: &[Required], notes: &[Diagnostic]) -> serde_json::Result<String> {
    let notes: Vec<_> = notes.iter().map(ToString::to_string).collect();
    let all = json!({ "pipelines": resolved, "required": required, "notes": notes });
    serde_json::to_string_pretty(&all).map(|json| format!("{json}\n"))
}

fn exit_of(required: &[Required]) -> Exit {
    for required in required.iter().filter(|required| required.n_checked == 0) {
        let message = format!("`{}` is about no stage that was resolved", required.requirement);
        say_error(&message, Some("compare its limits with the names in the table"));
    }
    if required.iter().any(|required| !required.broken.is_empty()) {
        Exit::CheckFailed
    } else if required.iter().any(|required| required.n_checked == 0) {
        Exit::NothingMatched
    } else {
        Exit::Passed
    }
}
