//! `pullrig schema`

use runner::{format, outcome::Exit};

use crate::terminal::{put, say_error};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(Args {}: &Args) -> Exit {
    let written = serde_json::to_string_pretty(&format::schema())
        .map_err(std::io::Error::from)
        .and_then(|schema| put(&format!("{schema}\n")));
    match written {
        Ok(()) => Exit::Passed,
        Err(error) => {
            say_error(&format!("cannot write the schema: {error}"), None);
            Exit::Environment
        }
    }
}
