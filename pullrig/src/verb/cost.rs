//! `pullrig cost`

use std::time::Duration;

use runner::{
    cost::{cost, render},
    outcome::Exit,
    simulate::{Restart, presets, registry},
};
use testbed::Seed;

use super::fleet::FleetArgs;
use crate::terminal::{put, say_complaints, say_error};

/// How long a rollout is looked at.
const UNTIL: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Tell what a pull costs under the accounting of registries, and when a rollout meets their limits.
#[derive(clap::Args)]
#[command(
    after_help = "Example: pullrig cost --client docker --nodes 40 --over 20m --preset dockerhub-anon library/alpine:3"
)]
pub(crate) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    /// The registry, by its preset or the file of one. Repeatable. Default: every preset that comes with the program.
    #[arg(long, value_name = "NAME|FILE")]
    preset: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Exit {
    let fleet = match args.fleet.fleet(Restart::Never, UNTIL, Seed::default()) {
        Ok(fleet) => fleet,
        Err(complaint) => {
            say_complaints(&[complaint]);
            return Exit::Usage;
        }
    };
    let presets = if args.preset.is_empty() { presets() } else { args.preset.clone() };
    let mut costs = Vec::new();
    for preset in &presets {
        match registry(preset, args.fleet.limit).and_then(|registry| cost(&fleet, preset, &registry)) {
            Ok(cost) => costs.push(cost),
            Err(complaints) => {
                say_complaints(&complaints);
                return Exit::Usage;
            }
        }
    }
    let text = if args.json {
        serde_json::to_string_pretty(&costs).map(|json| format!("{json}\n"))
    } else {
        Ok(render(&fleet, &costs))
    };
    match text.map_err(std::io::Error::from).and_then(|text| put(&text)) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            say_error(&format!("cannot write: {error}"), None);
            Exit::Environment
        }
    }
}
