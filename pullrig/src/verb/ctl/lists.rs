//! The lists of a registry: rules, limits, images, accounts.

use std::io::Read as _;

use clap::Subcommand;
use runner::serve::ImageRequest;
use serde_json::{Value, json};
use testbed::diagnostic::Source;

use super::{Failure, Session, text};

/// The list of which registry, and what is done with it.
#[derive(clap::Args)]
#[command(subcommand_precedence_over_arg = true)]
pub(super) struct ListArgs {
    /// The registry, or `harness-api` for the rules of the Harness API. May be left out when there is one.
    registry: Option<String>,
    #[command(subcommand)]
    change: Option<ListCommand>,
}

#[derive(Subcommand)]
enum ListCommand {
    /// Print it.
    List,
    /// Add one.
    Add {
        /// It, as JSON or YAML; `@FILE` reads it from a file, `@-` from standard input. An image may be written as for
        /// `serve --image`, an account as for `serve --account`.
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Put another list in its place.
    Replace {
        /// The list, as above.
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Remove one.
    Remove {
        /// Its name.
        name: String,
    },
    /// Remove all.
    Clear,
}

/// Which list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Rules,
    Limits,
    Images,
    Accounts,
}

impl Session {
    pub(super) async fn list(&self, list: List, ListArgs { registry, change }: ListArgs) -> Result<(), Failure> {
        let registry = self.registry(registry).await?;
        let path = ["registries", &registry, list.word()];
        let answer = match change {
            None | Some(ListCommand::List) => self.client.get(&path).await?,
            Some(ListCommand::Add { value }) => self.client.post(&path, &list.read(&value)?).await?,
            Some(ListCommand::Replace { value }) => {
                let Value::Array(values) = read(&value)? else {
                    return Err(Failure::Said(String::from("this is no list"), "write `[..]`, or `add` one"));
                };
                let values = values.into_iter().map(|value| list.spell_out(value)).collect::<Result<Vec<_>, _>>()?;
                self.client.put(&path, &Value::from(values)).await?
            }
            Some(ListCommand::Remove { name }) => {
                // Each part of an image's name is one of the path's.
                let parts = path.into_iter().chain(name.split('/'));
                self.client.delete(&parts.collect::<Vec<_>>()).await?
            }
            Some(ListCommand::Clear) => self.client.delete(&path).await?,
        };
        self.tell(&answer, |answer| list.show(answer));
        Ok(())
    }

    /// `ctl limit [REGISTRY] NAME ALLOW`.
    pub(super) async fn limit(&self, words: Vec<String>) -> Result<(), Failure> {
        let (registry, name, allow) = match words.as_slice() {
            [name, allow] => (None, name, allow),
            [registry, name, allow] => (Some(registry.clone()), name, allow),
            _ => return Err(Failure::Said(String::from("a limit has a name"), "write `ctl limit anonymous 5/1h`")),
        };
        let registry = self.registry(registry).await?;
        let path = ["registries", &registry, "limits", name];
        let answer = self.client.patch(&path, &json!({ "allow": allow })).await?;
        self.tell(&answer, |answer| List::Limits.show(answer));
        Ok(())
    }

    /// The registry that is meant.
    async fn registry(&self, named: Option<String>) -> Result<String, Failure> {
        if let Some(named) = named {
            return Ok(named);
        }
        let registries = self.client.get(&["registries"]).await?;
        let names: Vec<_> =
            registries.as_array().into_iter().flatten().map(|registry| text(&registry["name"])).collect();
        match <[String; 1]>::try_from(names) {
            Ok([only]) => Ok(only),
            Err(names) => {
                let message = format!("there are {} registries: {}", names.len(), names.join(", "));
                Err(Failure::Said(message, "name the one that is meant"))
            }
        }
    }
}

impl List {
    fn word(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Limits => "limits",
            Self::Images => "images",
            Self::Accounts => "accounts",
        }
    }

    /// One entry, from what was written.
    fn read(self, value: &str) -> Result<Value, Failure> {
        // Before it is read as YAML, in which `user:0123` would be that text and `user: 0123` something else.
        if !value.starts_with(['@', '{', '[']) {
            return self.spell_out(Value::from(value)).or_else(|_| self.spell_out(read(value)?));
        }
        self.spell_out(read(value)?)
    }

    /// An image or an account that is written in short, in full.
    fn spell_out(self, value: Value) -> Result<Value, Failure> {
        let Value::String(short) = &value else { return Ok(value) };
        match self {
            Self::Images => {
                let image: ImageRequest =
                    short.parse().map_err(|error| Failure::Said(error, "or write `{name: .., layers: [..]}`"))?;
                Ok(serde_json::to_value(image.config()).unwrap_or_default())
            }
            Self::Accounts => match short.split_once(':') {
                Some((name, password)) if !password.starts_with(' ') => {
                    Ok(json!({ "name": name, "password": password }))
                }
                _ => Err(Failure::Said(String::from("this is no account"), "write `user:password`")),
            },
            Self::Rules => {
                let hint = "write `{when: {manifest: get}, then: {answer: {status: 503}}}`";
                Err(Failure::Said(String::from("this is no rule"), hint))
            }
            Self::Limits => Err(Failure::Said(String::from("this is no limit"), "write `{name: .., allow: 5/1h}`")),
        }
    }

    /// One line for each entry.
    fn show(self, answer: &Value) -> String {
        let entries = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let lines = entries.iter().map(|entry| match self {
            Self::Rules => show_rule(entry),
            Self::Limits => {
                let mut rest = entry.clone();
                if let Some(rest) = rest.as_object_mut() {
                    rest.retain(|key, _| !["name", "allow"].contains(&key.as_str()));
                }
                format!("{}  {}  {rest}\n", text(&entry["name"]), text(&entry["allow"]))
            }
            Self::Images => match &entry["image"] {
                Value::Null => format!("{}  pushed\n", text(&entry["name"])),
                Value::Object(image) if image.contains_key("from") => {
                    format!("{}  from {}\n", text(&entry["name"]), text(&image["from"]))
                }
                image => {
                    let layers = image["layers"].as_array().into_iter().flatten().map(text);
                    let layers = layers.collect::<Vec<_>>().join(", ");
                    format!(
                        "{}  made up: {}\n",
                        text(&entry["name"]),
                        if layers.is_empty() { "no layers" } else { &layers }
                    )
                }
            },
            Self::Accounts => match &entry["limit"] {
                Value::Null => format!("{}\n", text(&entry["name"])),
                limit => format!("{}  {}\n", text(&entry["name"]), text(limit)),
            },
        });
        lines.collect()
    }
}

fn show_rule(entry: &Value) -> String {
    let mut rule = entry["rule"].clone();
    if let Some(rule) = rule.as_object_mut() {
        rule.retain(|key, value| key != "name" && value.as_object().is_none_or(|value| !value.is_empty()));
    }
    let mut line = format!("{}  fired {} of {}  {rule}", text(&entry["name"]), entry["fired"], entry["matched"]);
    if let Some(near_miss) = entry["near-miss"].as_str() {
        line.push_str(&format!("  (nearest miss: {near_miss})"));
    }
    line.push('\n');
    line
}

/// JSON or YAML, from the command line, a file or standard input.
fn read(value: &str) -> Result<Value, Failure> {
    let said = |what: &str, error: &dyn std::fmt::Display| {
        Failure::Said(format!("{what}: {error}"), "is it there, and readable?")
    };
    let (name, content) = match value.strip_prefix('@') {
        None => (String::from("the value"), String::from(value)),
        Some("-") => {
            let mut content = String::new();
            std::io::stdin().read_to_string(&mut content).map_err(|error| said("standard input", &error))?;
            (String::from("standard input"), content)
        }
        Some(file) => {
            let content = std::fs::read_to_string(file).map_err(|error| said(file, &error))?;
            (String::from(file), content)
        }
    };
    // What is in it may be a password, so it is read without being shown.
    let source = Source::new(&name, content);
    testbed::yaml::from_str(&source).map_err(|complaints: Vec<_>| Failure::Complaints(complaints))
}
