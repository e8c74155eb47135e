//! `pullrig presets`

use clap::Subcommand;
use runner::{
    outcome::Exit,
    presets::{self, to_json},
};
use testbed::diagnostic::Diagnostic;

use crate::terminal::{put, say_complaints, say_error};

/// List the registries and Harness platforms that can be played, and tell what each is like, with the source of every value.
#[derive(clap::Args)]
#[command(after_help = "Example: pullrig presets show quay --yaml > mine.yaml && pullrig serve --preset ./mine.yaml")]
pub(crate) struct Args {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Tell in words what a registry is like: hosts, challenge, tokens, limits and refusals; or what a platform is.
    Show {
        /// The preset, or the file of one.
        #[arg(value_name = "NAME|FILE")]
        preset: String,
        /// Print its file, to be copied and changed.
        #[arg(long, conflicts_with = "json")]
        yaml: bool,
    },
    /// List the words in which registries refuse, or show those of one dialect.
    Dialects {
        /// The dialect.
        name: Option<String>,
    },
}

pub(crate) fn run(args: &Args) -> Exit {
    let text = match &args.command {
        None => list(args.json),
        Some(Command::Show { preset, yaml }) => match presets::find_platform(preset) {
            Some((_, text)) if *yaml => Ok(text.to_owned()),
            Some((platform, _)) if args.json => to_json(&platform),
            Some((platform, _)) => Ok(presets::render_platform(&platform)),
            None => presets::find(preset).and_then(|preset| match (yaml, args.json) {
                (true, _) => Ok(preset.text().to_owned()),
                (false, true) => to_json(&preset.describe()),
                (false, false) => Ok(preset.describe().to_string()),
            }),
        },
        Some(Command::Dialects { name: None }) => {
            let dialects = presets::dialects();
            if args.json { to_json(&dialects) } else { Ok(presets::render_dialects(&dialects)) }
        }
        Some(Command::Dialects { name: Some(name) }) => match presets::find_dialect(name) {
            Ok(dialect) if args.json => to_json(dialect),
            Ok(dialect) => Ok(presets::render_dialect(dialect)),
            Err(complaint) => Err(vec![complaint]),
        },
    };
    let text = match text {
        Ok(text) => text,
        Err(complaints) => {
            say_complaints(&complaints);
            return Exit::Usage;
        }
    };
    match put(&text) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            say_error(&format!("cannot write: {error}"), None);
            Exit::Environment
        }
    }
}

fn list(as_json: bool) -> Result<String, Vec<Diagnostic>> {
    let presets = presets::list();
    if as_json { to_json(&presets) } else { Ok(presets::render_list(&presets)) }
}
