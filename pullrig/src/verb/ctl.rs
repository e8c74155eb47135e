//! `pullrig ctl`: the client of `serve --control`.

mod lists;

use std::{io::Write as _, path::PathBuf};

use clap::{Subcommand, ValueEnum};
use runner::{
    control::{self, Client, ClientError},
    outcome::Exit,
};
use serde_json::{Value, json};
use testbed::{Secret, diagnostic::Diagnostic};

use self::lists::{List, ListArgs};
use crate::terminal::{put, say, say_complaints, say_error};

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
    /// Tell which pulls there were, who made them, and what they came to.
    Pulls,
    /// Tell what is served.
    Registries,
    /// Print or change what a registry does differently when asked something.
    Rules(ListArgs),
    /// Print or change what a registry allows.
    Limits(ListArgs),
    /// Let a limit allow more or less: `limit anonymous 5/1h`. What was used still counts.
    Limit {
        /// The registry, which may be left out when there is one; the limit's name; how much it allows.
        #[arg(num_args = 2..=3, value_names = ["[REGISTRY] NAME", "ALLOW"], required = true)]
        words: Vec<String>,
    },
    /// Print or change what can be pulled from a registry.
    Images(ListArgs),
    /// Print or change who can log in to a registry.
    Accounts(ListArgs),
    /// Let everything but images be as at the start: clock, limits, accounts, rules, the journal.
    Reset,
    /// Keep the state of everything in a file, or put it back.
    Snapshot {
        #[command(subcommand)]
        change: SnapshotCommand,
    },
}

#[derive(Subcommand)]
enum SnapshotCommand {
    /// Write it to a file. Passwords are not in it.
    Save {
        /// The file.
        file: PathBuf,
    },
    /// Put back what is in a file.
    Restore {
        /// The file.
        file: PathBuf,
    },
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

/// Why something was not done.
enum Failure {
    /// By the control API.
    Client(ClientError),
    /// By us, and what to do.
    Said(String, &'static str),
    /// What was given cannot be read.
    Complaints(Vec<Diagnostic>),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

pub(crate) async fn run(args: Args) -> Exit {
    let done = async {
        let client = Client::new(&args.control, args.control_token.map(Secret::new))?;
        let session = Session { client, json: args.json };
        match args.command {
            Command::Clock { change } => session.clock(change).await,
            Command::Journal(args) => session.journal(args).await,
            Command::Pulls => session.pulls().await,
            Command::Registries => session.registries().await,
            Command::Rules(args) => session.list(List::Rules, args).await,
            Command::Limits(args) => session.list(List::Limits, args).await,
            Command::Limit { words } => session.limit(words).await,
            Command::Images(args) => session.list(List::Images, args).await,
            Command::Accounts(args) => session.list(List::Accounts, args).await,
            Command::Reset => session.reset().await,
            Command::Snapshot { change: SnapshotCommand::Save { file } } => session.save(file).await,
            Command::Snapshot { change: SnapshotCommand::Restore { file } } => session.restore(file).await,
        }
    };
    match done.await {
        Ok(()) => Exit::Passed,
        Err(Failure::Complaints(complaints)) => {
            say_complaints(&complaints);
            Exit::Usage
        }
        Err(Failure::Said(message, hint)) => {
            say_error(&message, Some(hint));
            Exit::Usage
        }
        Err(Failure::Client(error)) => {
            say_error(&error.to_string(), error.hint());
            match error {
                ClientError::Url(_) | ClientError::Refused { .. } => Exit::Usage,
                ClientError::Unreachable { .. } | ClientError::Strange { .. } => Exit::Environment,
            }
        }
    }
}

impl Session {
    async fn clock(&self, change: Option<ClockCommand>) -> Result<(), Failure> {
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

    async fn journal(&self, args: JournalArgs) -> Result<(), Failure> {
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
            say_dropped(self.client.get(&[]).await?["journal"]["dropped"].as_u64().unwrap_or(0));
        }
        // A reader that has seen enough (`| head`) ends it.
        let take = |piece: &[u8]| {
            let mut out = anstream::stdout().lock();
            out.write_all(piece).and_then(|()| out.flush()).is_ok()
        };
        Ok(self.client.read(&["journal"], &query, take).await?)
    }

    async fn pulls(&self) -> Result<(), Failure> {
        let answer = self.client.get(&["pulls"]).await?;
        if !self.json {
            say_dropped(answer["dropped"].as_u64().unwrap_or(0));
        }
        self.tell(&answer, |answer| answer["pulls"].as_array().into_iter().flatten().map(pull_line).collect());
        Ok(())
    }

    async fn registries(&self) -> Result<(), Failure> {
        let registries = self.client.get(&["registries"]).await?;
        self.tell(&registries, |registries| {
            let words = |value: &Value| {
                let words: Vec<_> = value.as_array().into_iter().flatten().map(text).collect();
                if words.is_empty() { String::from("none") } else { words.join(", ") }
            };
            let line = |registry: &Value| {
                let [name, url] = ["name", "url"].map(|key| text(&registry[key]));
                let [hosts, limits, accounts] = ["hosts", "limits", "accounts"].map(|key| words(&registry[key]));
                format!(
                    "{name} {url}  hosts: {hosts}; rules: {}; limits: {limits}; accounts: {accounts}\n",
                    registry["rules"]
                )
            };
            registries.as_array().into_iter().flatten().map(line).collect()
        });
        Ok(())
    }

    async fn reset(&self) -> Result<(), Failure> {
        let index = self.client.post(&["reset"], &Value::Null).await?;
        self.tell(&index, |index| format!("reset; it is {}\n", text(&index["clock"]["now"])));
        Ok(())
    }

    async fn save(&self, file: PathBuf) -> Result<(), Failure> {
        let snapshot = self.client.get(&["snapshot"]).await?;
        let written = std::fs::write(&file, format!("{snapshot:#}\n"));
        written
            .map_err(|error| Failure::Said(format!("{}: {error}", file.display()), "name a file that can be written"))
    }

    async fn restore(&self, file: PathBuf) -> Result<(), Failure> {
        let fail = |error: &dyn std::fmt::Display| {
            Failure::Said(format!("{}: {error}", file.display()), "name a file that `ctl snapshot save` wrote")
        };
        let content = std::fs::read(&file).map_err(|error| fail(&error))?;
        let snapshot = serde_json::from_slice(&content).map_err(|error| fail(&error))?;
        let restored = self.client.put(&["snapshot"], &snapshot).await?;
        for missing in restored["missing"].as_array().into_iter().flatten() {
            say(&format!("{} was pushed before, and is gone\n", text(missing)));
        }
        self.tell(&restored, |restored| format!("restored; it is {}\n", text(&restored["clock"]["now"])));
        Ok(())
    }

    /// Prints `answer`, as JSON or in `words`.
    fn tell(&self, answer: &Value, words: impl FnOnce(&Value) -> String) {
        let told = if self.json { format!("{answer:#}\n") } else { words(answer) };
        // Standard output that is closed leaves nobody to tell.
        drop(put(&told));
    }
}

/// What the journal has no more.
fn say_dropped(n_dropped: u64) {
    if n_dropped > 0 {
        say(&format!("{n_dropped} older entries are gone; `pullrig serve --journal N` keeps more\n"));
    }
}

/// One pull for people, without what is as it mostly is.
fn pull_line(pull: &Value) -> String {
    let client = &pull["client"];
    let agent = client["user-agent"].as_str().and_then(|agent| agent.split(' ').next());
    let who = [Some(text(&client["source"])), agent.map(String::from), Some(text(&client["principal"]))];
    let who: Vec<_> = who.into_iter().flatten().collect();
    let mut line = format!("{} {} [{}] {}", pull["number"], text(&pull["image"]), who.join(" "), text(&pull["began"]));
    line.push_str(if pull["complete"] == true { ", complete" } else { ", incomplete" });
    let figures = [
        ("requests", "requests"),
        ("counted", "counted"),
        ("refused", "refused"),
        ("tokens", "tokens"),
        ("resumed", "resumed"),
        ("bytes", "bytes"),
        ("wasted-bytes", "bytes wasted"),
    ];
    for (key, word) in figures {
        if let Some(n @ 1..) = pull[key].as_u64() {
            line.push_str(&format!(", {n} {word}"));
        }
    }
    line.push('\n');
    line
}

/// A text as it is, and anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}
