//! `pullrig run`

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use regex::Regex;
use runner::{
    discover::discover,
    outcome::{Exit, SuiteOutcome},
    plan::Plan,
    report::{ReportRequest, Terminal, verdicts},
    suite::{SuiteOptions, load, run_suite},
};
use testbed::Seed;

use crate::terminal::{put, say_complaints, say_error, shows_progress};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Scenario files, or folders of them.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// Only scenarios whose file or sentence this regular expression finds.
    #[arg(long, value_name = "REGEX", env = "PULLRIG_FILTER")]
    filter: Option<Regex>,
    /// How many scenarios at a time. Default: as many as there are cores.
    #[arg(short, long, value_name = "N", env = "PULLRIG_JOBS")]
    jobs: Option<NonZeroUsize>,
    /// The seed of every scenario that has none of its own.
    #[arg(long, value_name = "N", env = "PULLRIG_SEED", default_value_t)]
    seed: Seed,
    /// Start no further scenario once one did not pass.
    #[arg(long, env = "PULLRIG_FAIL_FAST", value_parser = clap::builder::FalseyValueParser::new())]
    fail_fast: bool,
    /// Only every nth scenario, beginning with the ith: `1/3`, `2/3` and `3/3` are all of them.
    #[arg(long, value_name = "I/N", env = "PULLRIG_SHARD")]
    shard: Option<Shard>,
    /// The longest that one scenario may take, in wire time.
    #[arg(long, value_name = "TIME", env = "PULLRIG_TIMEOUT", default_value = "60s", value_parser = testbed::duration::parse)]
    timeout: Duration,
    /// Also write a report: `junit=FILE`, `json=FILE` or `journal=FILE`, `-` for standard output. Repeatable.
    #[arg(long, value_name = "KIND=PATH")]
    report: Vec<ReportRequest>,
    /// Print what the judges find about the clients of each scenario.
    #[arg(long)]
    verdicts: bool,
    /// Say nothing of scenarios that pass.
    #[arg(short, long)]
    quiet: bool,
}

/// `2/3`: the second of three parts.
#[derive(Clone, Copy)]
struct Shard {
    index: usize,
    count: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if 1 <= index && index <= count => Ok(Self { index, count }),
            _ => Err(format!("`{text}` is no part; write `1/3`, `2/3` or `3/3`")),
        }
    }
}

pub(crate) async fn run(args: Args) -> Exit {
    let plans = match select(&args) {
        Ok(plans) => plans,
        Err(exit) => return exit,
    };
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let options = SuiteOptions { seed: args.seed, jobs, fail_fast: args.fail_fast, timeout: args.timeout };
    let terminal = Arc::new(Terminal::new(shows_progress(), args.quiet));
    let outcome = run_suite(plans, options, terminal.clone(), interrupted()).await;
    terminal.finish(&outcome);
    if args.verdicts {
        // Standard output that is closed leaves nobody to tell.
        drop(put(&verdicts(&outcome)));
    }
    match write_reports(&args.report, &outcome) {
        Ok(()) => outcome.exit(),
        Err(exit) => exit,
    }
}

/// The plans of the scenarios that are meant. One wrong file, and nothing is started.
fn select(args: &Args) -> Result<Vec<Plan>, Exit> {
    let files = discover(&args.paths).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        say_error(&format!("{error}{cause}"), Some("name scenario files, or folders of them"));
        Exit::Usage
    })?;
    let mut plans = load(&files).map_err(|complaints| {
        say_complaints(&complaints);
        Exit::Usage
    })?;
    if let Some(filter) = &args.filter {
        plans.retain(|plan| filter.is_match(plan.source.name()) || filter.is_match(&plan.scenario.scenario.value));
    }
    if let Some(Shard { index, count }) = args.shard {
        plans = plans.into_iter().skip(index - 1).step_by(count).collect();
    }
    if plans.is_empty() {
        let paths: Vec<_> = args.paths.iter().map(|path| path.display().to_string()).collect();
        say_error(&format!("no scenario matched in {}", paths.join(", ")), Some("look at --filter and --shard"));
        return Err(Exit::NothingMatched);
    }
    Ok(plans)
}

fn write_reports(requests: &[ReportRequest], outcome: &SuiteOutcome) -> Result<(), Exit> {
    let mut result = Ok(());
    for request in requests {
        let written = request.render(outcome).and_then(|text| match request.path.to_str() {
            Some("-") => Ok(put(&text)?),
            _ => Ok(std::fs::write(&request.path, text)?),
        });
        if let Err(error) = written {
            say_error(&format!("cannot write the report {request}: {error}"), None);
            result = Err(Exit::Environment);
        }
    }
    result
}

/// Resolves when the user wants to stop.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the signal ends the process by itself.
        std::future::pending::<()>().await;
    }
}
