//! `pullrig simulate`

use std::{path::PathBuf, time::Duration};

use runner::{
    outcome::Exit,
    simulate::{Restart, registry, simulate},
};
use testbed::Seed;

use super::fleet::FleetArgs;
use crate::terminal::{put, say_complaints, say_error};

/// Play a fleet that pulls one image, and tell how the limits of a registry meet it: six hours in a moment.
#[derive(clap::Args)]
#[command(
    after_help = "Example: pullrig simulate --client containerd --nodes 200 --preset dockerhub-anon library/alpine:3 \
                        --svg herd.svg"
)]
pub(crate) struct Args {
    #[command(flatten)]
    fleet: FleetArgs,
    /// The registry whose limits hold, by its preset or the file of one.
    #[arg(long, value_name = "NAME|FILE", default_value = "dockerhub-anon")]
    preset: String,
    /// Nobody begins a pull anew that failed. Default: a kubelet does, after 10 s, then 20 s … up to 5 min.
    #[arg(long)]
    no_restarts: bool,
    /// When it ends, in policy time.
    #[arg(long = "for", value_name = "TIME", default_value = "6h", value_parser = testbed::duration::parse)]
    until: Duration,
    /// Also draw requests and successes over policy time, into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print JSON, with the numbers of each moment.
    #[arg(long)]
    json: bool,
    /// The seed that jitter is drawn from.
    #[arg(long, value_name = "N", env = "PULLRIG_SEED", default_value_t)]
    seed: Seed,
}

pub(crate) fn run(args: &Args) -> Exit {
    let restart = if args.no_restarts { Restart::Never } else { Restart::Kubelet };
    let fleet = args.fleet.fleet(restart, args.until, args.seed).map_err(|complaint| vec![complaint]);
    let played = registry(&args.preset, args.fleet.limit);
    let simulation = match fleet.and_then(|fleet| simulate(&fleet, &args.preset, &played?)) {
        Ok(simulation) => simulation,
        Err(complaints) => {
            say_complaints(&complaints);
            return Exit::Usage;
        }
    };
    let drawn = args
        .svg
        .as_ref()
        .map(|file| simulation.draw().and_then(|svg| std::fs::write(file, svg).map_err(|error| error.to_string())));
    if let (Some(Err(error)), Some(file)) = (drawn, &args.svg) {
        say_error(&format!("cannot draw {}: {error}", file.display()), None);
        return Exit::Environment;
    }
    let text = if args.json {
        serde_json::to_string_pretty(&simulation).map(|json| format!("{json}\n"))
    } else {
        Ok(simulation.render())
    };
    match text.map_err(std::io::Error::from).and_then(|text| put(&text)) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            say_error(&format!("cannot write: {error}"), None);
            Exit::Environment
        }
    }
}
