//! `pullrig ctl`: the client of `serve --control`.

use std::io::Write as _;

use clap::{Subcommand, ValueEnum};
use runner::{
    control::{self, Client, ClientError},
    outcome::Exit,
};
use serde_json::{Value, json};
use testbed::Secret;

use crate::terminal::{put, say, say_error};

/// Ask and change what `pullrig serve --control` serves: its clock, its journal, its registries.
#[derive(clap::Args)]
#[command(after_help = "Example: pullrig ctl clock advance 6h")]
pub(crate) struct Args {
    /// Where the control API is, as `serve` tells it: `ready control URL`.
    #[arg(long, value_name = "URL", env = "PULLRIG_CONTROL", default_value = control::DEFAULT_URL, global = true)]
    control: String,
    /// The token that `serve --control-token` was given.
    #[arg(long, value_name = "TOKEN", env = "PULLRIG_CONTROL_TOKEN", hide_env_values = true, global = true)]
    control_token: Option<String>,
    /// Print the answer as JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell how the clock stands, or make it move.
    Clock {
        #[command(subcommand)]
        change: Option<ClockCommand>,
    },
    /// Print what happened.
    Journal(JournalArgs),
}

#[derive(Subcommand)]
enum ClockCommand {
    /// Move it forward: `6h`, `1m 30s`.
    Advance {
        /// How far.
        #[arg(value_name = "DURATION", allow_hyphen_values = true)]
        by: String,
    },
    /// Let it stand. It can still be moved.
    Freeze,
    /// Let it go on from where it stands.
    Thaw,
    /// Move it forward to an instant: `2026-01-01T00:00:00Z`.
    Set {
        /// The instant.
        #[arg(value_name = "INSTANT")]
        to: String,
    },
    /// Let a virtual clock move by itself when everyone sleeps on it, or not.
    AutoAdvance {
        /// Whether it does.
        switch: Switch,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(clap::Args)]
struct JournalArgs {
    /// Go on with what happens, until interrupted.
    #[arg(short, long)]
    follow: bool,
    /// Only what this registry or the Harness API did: `hub`.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only exchanges with this endpoint: `manifest`.
    #[arg(long, value_name = "KIND")]
    endpoint: Option<String>,
    /// Only exchanges with this status: `429`, `4xx`, `401,403`.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only exchanges of this principal: `anonymous`, `account:ci`.
    #[arg(long, value_name = "WHO")]
    principal: Option<String>,
    /// Only exchanges from this address.
    #[arg(long, value_name = "ADDRESS")]
    source: Option<String>,
    /// Only what came after this number.
    #[arg(long, value_name = "N")]
    since: Option<u64>,
    /// At most so many: with `--since` the first, without it the newest.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// How `pullrig ctl` asks, and how it tells.
struct Session {
    client: Client,
    json: bool,
}

pub(crate) async fn run(args: Args) -> Exit {
    let done = async {
        let client = Client::new(&args.control, args.control_token.map(Secret::new))?;
        let session = Session { client, json: args.json };
        match args.command {
            Command::Clock { change } => session.clock(change).await,
            Command::Journal(args) => session.journal(args).await,
        }
    };
    match done.await {
        Ok(()) => Exit::Passed,
        Err(error) => {
            say_error(&error.to_string(), error.hint());
            match error {
                ClientError::Url(_) | ClientError::Refused { .. } => Exit::Usage,
                ClientError::Unreachable { .. } | ClientError::Strange { .. } => Exit::Environment,
            }
        }
    }
}

impl Session {
    async fn clock(&self, change: Option<ClockCommand>) -> Result<(), ClientError> {
        let change = match change {
            None => None,
            Some(ClockCommand::Advance { by }) => Some(json!({ "advance": by })),
            Some(ClockCommand::Freeze) => Some(json!({ "freeze": true })),
            Some(ClockCommand::Thaw) => Some(json!({ "freeze": false })),
            Some(ClockCommand::Set { to }) => Some(json!({ "set": to })),
            Some(ClockCommand::AutoAdvance { switch }) => Some(json!({ "auto-advance": switch == Switch::On })),
        };
        let clock = match change {
            None => self.client.get(&["clock"]).await?,
            Some(change) => self.client.post(&["clock"], &change).await?,
        };
        self.tell(&clock, |clock| {
            let mode = text(&clock["mode"]);
            let from = if mode == "virtual" { "its start" } else { "the machine's" };
            let mut told = format!("{}, {mode}, {} from {from}", text(&clock["now"]), text(&clock["offset"]));
            if clock["auto-advance"] == true {
                told.push_str(", moves by itself");
            }
            match clock["waiting"].as_u64() {
                Some(0) | None => {}
                Some(n) => told.push_str(&format!(", {n} waiting on it")),
            }
            told.push('\n');
            told
        });
        Ok(())
    }

    async fn journal(&self, args: JournalArgs) -> Result<(), ClientError> {
        let mut query = Vec::new();
        let mut add = |name, value: Option<String>| query.extend(value.map(|value| (name, value)));
        add("actor", args.actor);
        add("endpoint", args.endpoint);
        add("status", args.status);
        add("principal", args.principal);
        add("source", args.source);
        add("since", args.since.map(|n| n.to_string()));
        add("limit", args.limit.map(|n| n.to_string()));
        add("follow", args.follow.then(|| String::from("true")));
        add("as", (!self.json).then(|| String::from("text")));
        if !self.json && args.since.is_none() {
            let dropped = self.client.get(&[]).await?["journal"]["dropped"].as_u64().unwrap_or(0);
            if dropped > 0 {
                say(&format!("{dropped} older entries are gone; `pullrig serve --journal N` keeps more\n"));
            }
        }
        // A reader that has seen enough (`| head`) ends it.
        let take = |piece: &[u8]| {
            let mut out = anstream::stdout().lock();
            out.write_all(piece).and_then(|()| out.flush()).is_ok()
        };
        self.client.read(&["journal"], &query, take).await
    }

    /// Prints `answer`, as JSON or in `words`.
    fn tell(&self, answer: &Value, words: impl FnOnce(&Value) -> String) {
        let told = if self.json { format!("{answer:#}\n") } else { words(answer) };
        // Standard output that is closed leaves nobody to tell.
        drop(put(&told));
    }
}

/// A text as it is, and anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}
