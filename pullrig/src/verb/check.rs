//! `pullrig check`

use std::path::PathBuf;

use runner::{discover::discover, outcome::Exit, suite::load};

use crate::terminal::{say, say_complaints, say_error};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenario files, or folders of them.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Exit {
    let files = match discover(&args.paths) {
        Ok(files) => files,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            say_error(&format!("{error}{cause}"), Some("name scenario files, or folders of them"));
            return Exit::Usage;
        }
    };
    match load(&files) {
        Ok(plans) if plans.is_empty() => {
            say_error("there is no scenario to check", Some("scenario files end in `.yaml`"));
            Exit::NothingMatched
        }
        Ok(plans) => {
            let noun = if plans.len() == 1 { "scenario" } else { "scenarios" };
            say(&format!("{} {noun}, no complaints\n", plans.len()));
            Exit::Passed
        }
        Err(complaints) => {
            say_complaints(&complaints);
            Exit::Usage
        }
    }
}
