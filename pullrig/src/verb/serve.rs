//! `pullrig serve`

use std::{
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use runner::{
    control::{self, ControlOptions},
    outcome::Exit,
    serve::{
        AccountRequest, ImageRequest, ImportRequest, MAX_ENTRIES, PresetRequest, Ready, ServeError, ServeOptions,
        ServeRequest, Served,
    },
    world::with_causes,
};
use testbed::{Secret, Seed, raise_open_files};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::terminal::{put, say_complaints, say_error};

/// Keep registries up for real clients, until interrupted.
///
/// Prints one line per listener, `ready NAME URL`, and then nothing. With TLS, the first line is `ca FILE`: the certificate
/// that clients have to trust.
#[derive(clap::Args)]
#[command(after_help = "Example: pullrig serve --preset dockerhub-anon=127.0.0.1:5000 --image library/alpine:3=3MiB")]
pub(crate) struct Args {
    /// A registry: one that `pullrig presets` lists, such as dockerhub, ghcr, quay or generic, or the file of one of your own,
    /// `./mine.yaml`; and where it listens. Repeatable. Without an address it is a loopback port of the system's choice.
    #[arg(long, value_name = "NAME|FILE[=ADDR]", required_unless_present = "scenario")]
    preset: Vec<PresetRequest>,
    /// The registries and the Harness platform of a scenario file, without its steps.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["preset", "image", "import", "account"])]
    scenario: Option<PathBuf>,
    /// An image of every registry, by the sizes of its layers: `library/alpine:3=2MiB,512KiB`. Repeatable.
    /// With `gzip` or `zstd` the layers are compressed, with `docker` the manifests are Docker's, with platforms there is an
    /// index: `library/alpine:3=2MiB,gzip,linux/amd64,linux/arm64`.
    #[arg(long, value_name = "NAME=LAYERS")]
    image: Vec<ImageRequest>,
    /// An image of every registry, read from a file: an OCI image layout, as a folder or a tar, or an archive of `docker save`.
    /// Of several images in it, the one of that name. Repeatable.
    #[arg(long, value_name = "NAME=PATH")]
    import: Vec<ImportRequest>,
    /// An account of every registry. Repeatable.
    // Read as plain text: a value that clap refuses is repeated in its complaint.
    #[arg(long, value_name = "USER:PASSWORD")]
    account: Vec<String>,
    /// Keep what is pushed in this folder instead of memory, made now if it is new: each repository is an OCI image layout
    /// below `DIR/REGISTRY/`. What was answered as pushed is there at the next start, however this one ends.
    #[arg(long, value_name = "DIR", env = "PULLRIG_STORE")]
    store: Option<PathBuf>,
    /// Every registry speaks TLS, and nothing else: for the names that it plays, its address and `localhost`, signed by an
    /// authority that is made for this run.
    #[arg(long)]
    tls: bool,
    /// Keep that authority in this folder, made now if it is new, so that clients can trust it for good: `DIR/ca.pem` is for
    /// them, `DIR/ca-key.pem` is a secret.
    #[arg(long, value_name = "DIR")]
    ca_dir: Option<PathBuf>,
    /// Open the control API, by which the clock is moved and everything else is asked and changed while registries are up:
    /// `pullrig ctl` is its client. Without an address it listens at 127.0.0.1:7878.
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = control::DEFAULT_ADDRESS)]
    control: Option<SocketAddr>,
    /// What clients of the control API have to send, as `Authorization: Bearer TOKEN`. An address that other machines reach
    /// needs one.
    // Read as plain text: a value that clap refuses is repeated in its complaint.
    #[arg(long, value_name = "TOKEN", env = "PULLRIG_CONTROL_TOKEN", hide_env_values = true)]
    control_token: Option<String>,
    /// How many entries the journal keeps; older ones are dropped.
    #[arg(long, value_name = "N", default_value_t = MAX_ENTRIES)]
    journal: NonZeroUsize,
    /// Write what is ready to this file, as JSON, once everything is.
    #[arg(long, value_name = "PATH", env = "PULLRIG_READY_FILE")]
    ready_file: Option<PathBuf>,
    /// The seed of all randomness.
    #[arg(long, value_name = "N", env = "PULLRIG_SEED", default_value_t)]
    seed: Seed,
}

pub(crate) async fn run(args: Args) -> Exit {
    if let Err(error) = raise_open_files() {
        // It serves, if only so many at once.
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let token = args.control_token.map(Secret::new);
    let options = ServeOptions {
        store: args.store,
        tls: args.tls,
        ca_dir: args.ca_dir,
        seed: args.seed,
        max_entries: Some(args.journal),
        control: args.control.map(|at| ControlOptions { at, token }),
    };
    let served = match args.scenario {
        Some(file) => Served::start_scenario(&file, options).await,
        None => {
            let accounts: Result<Vec<AccountRequest>, String> = args.account.iter().map(|text| text.parse()).collect();
            let accounts = match accounts {
                Ok(accounts) => accounts,
                Err(error) => {
                    say_error(&format!("--account: {error}"), Some("write `--account user:password`"));
                    return Exit::Usage;
                }
            };
            let Args { preset: presets, image: images, import: imports, .. } = args;
            Served::start(ServeRequest { presets, accounts, images, imports }, options).await
        }
    };
    let served = match served {
        Ok(served) => served,
        Err(ServeError::Request(complaints)) => {
            say_complaints(&complaints);
            return Exit::Usage;
        }
        Err(ServeError::World(error)) => {
            say_error(&with_causes(&error), Some(error.hint()));
            return Exit::Environment;
        }
    };
    // Before anything is announced: whoever reads that it is ready may stop it at once.
    let told_to_stop = match StopSignals::new() {
        Ok(signals) => signals,
        Err(error) => {
            say_error(&format!("cannot listen for signals: {error}"), None);
            return Exit::Environment;
        }
    };
    if let Err(error) = announce(&served.ready, args.ready_file.as_deref()) {
        let file = args.ready_file.map(|file| format!(" in {}", file.display())).unwrap_or_default();
        say_error(&format!("cannot say what is ready{file}: {error}"), None);
        return Exit::Environment;
    }
    told_to_stop.wait().await;
    served.stop().await;
    Exit::Passed
}

fn announce(ready: &Ready, file: Option<&Path>) -> io::Result<()> {
    if let Some(file) = file {
        // Written beside and renamed: whoever waits for the file never reads half of it.
        let mut unfinished = file.to_path_buf().into_os_string();
        unfinished.push(".unfinished");
        std::fs::write(&unfinished, serde_json::to_string_pretty(ready)?)?;
        std::fs::rename(&unfinished, file)?;
    }
    if let Some(ca) = &ready.ca {
        put(&format!("ca {}\n", ca.display()))?;
    }
    for listener in &ready.listeners {
        put(&format!("ready {} {}\n", listener.name, listener.url))?;
    }
    Ok(())
}

/// What tells the process to end: the user, or a supervisor.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
