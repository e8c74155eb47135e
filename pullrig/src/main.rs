//! The `pullrig` command line: one thin file per verb, and nothing else.
//!
//! Environment, terminal and current directory are read here and handed down. stdout is data, stderr is talk.

mod terminal;
mod verb;

use std::{io, num::NonZeroUsize, process::ExitCode, thread};

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

/// A rig for image pulls: mock registries, a mock Harness platform, and scenarios that drive both.
///
/// Exit status: 0 passed, 1 a check failed, 2 the command line or a scenario file is wrong, 3 the environment is not fit
/// (a port is taken), 4 nothing matched, 5 a threshold was broken, 6 something took too long, 130 interrupted.
#[derive(Parser)]
#[command(name = "pullrig", version, max_term_width = 110)]
struct Cli {
    /// Log what happens inside, on standard error. Twice for more.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run scenarios, each in a world of its own.
    Run(verb::run::Args),
    /// Read scenarios and print every complaint, without running anything.
    Check(verb::check::Args),
    /// Keep registries up for real clients, until interrupted.
    Serve(verb::serve::Args),
    /// Ask and change what `pullrig serve --control` serves: its clock, its journal, its registries.
    Ctl(verb::ctl::Args),
    /// Tell which connector, image and delegate each stage of a pipeline gets, and why. Pulls nothing.
    Resolve(verb::resolve::Args),
    /// Play a fleet that pulls one image against the limits of a registry: six hours in a moment.
    Simulate(verb::simulate::Args),
    /// Tell what a pull costs under the accounting of registries, and when a rollout meets their limits.
    Cost(verb::cost::Args),
    /// List the registries and Harness platforms that can be played, and tell what each is like, with the source of every value.
    Presets(verb::presets::Args),
    /// Print the JSON Schema of scenario files.
    Schema(verb::schema::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::start_log(cli.verbose);
    let runtime = match start_runtime(&cli.verb) {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::say_error(&format!("cannot start: {error}"), None);
            return runner::outcome::Exit::Environment.into();
        }
    };
    let exit = match cli.verb {
        Verb::Run(args) => runtime.block_on(verb::run::run(args)),
        Verb::Check(args) => verb::check::run(&args),
        Verb::Serve(args) => runtime.block_on(verb::serve::run(args)),
        Verb::Ctl(args) => runtime.block_on(verb::ctl::run(args)),
        Verb::Resolve(args) => verb::resolve::run(&args),
        Verb::Simulate(args) => verb::simulate::run(&args),
        Verb::Cost(args) => verb::cost::run(&args),
        Verb::Presets(args) => verb::presets::run(&args),
        Verb::Schema(args) => verb::schema::run(&args),
    };
    // Tasks that are still under way belong to worlds that nobody needs any more.
    runtime.shutdown_background();
    exit.into()
}

/// As many threads as there are cores; but those who are served are on the same machine, and half of it is theirs. More
/// threads answer fewer requests, because they wake each other and displace the clients.
fn start_runtime(verb: &Verb) -> io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Verb::Serve(_) = verb {
        let n_cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        builder.worker_threads((n_cores / 2).max(1));
    }
    builder.enable_all().build()
}
