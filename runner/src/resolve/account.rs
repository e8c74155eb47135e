//! The account that pipelines are resolved in, put together from several files.

use std::path::{Path, PathBuf};

use mock_harness::{
    Account, PlatformConfig,
    account::EntityRef,
    config::{HarnessImage, OrganizationConfig, SecretConfig, over_preset},
};
use serde_json::Value;
use testbed::{
    Secret,
    diagnostic::{Diagnostic, Severity, Source, Span},
    yaml::{self, Node},
};

use super::{
    export::{Exported, is_export, note, read, read_export},
    files::read_source,
};
use crate::{format::Scenario, plan};

/// An account, and what had to be assumed about it.
#[derive(Debug)]
pub struct LoadedAccount {
    /// The account.
    pub account: Account,
    /// What is odd about the files, and what they leave open.
    pub notes: Vec<Diagnostic>,
    /// Whether the files say which delegates there are. If not, any stage is taken to find one.
    pub knows_delegates: bool,
}

/// Where something in the account was written.
struct Origin {
    source: Source,
    span: Span,
}

#[derive(Default)]
struct Parts {
    /// The account files. The first one says everything but what can be added.
    sections: Vec<(PlatformConfig, Source, Node)>,
    exported: Vec<(Value, Origin)>,
    notes: Vec<Diagnostic>,
}

/// Reads account files (also scenarios, of which the `harness` section is the account) and exported connectors, all added
/// together. The first account file decides what is not a list. Without an account file the account is as Harness makes it, with the
/// built-in `harnessImage`, unless there is one among the connectors; which delegates it has is not known then.
///
/// # Errors
/// All complaints about the files, each with its place.
pub fn load_account(files: &[PathBuf]) -> Result<LoadedAccount, Vec<Diagnostic>> {
    let mut parts = Parts::default();
    let mut complaints = Vec::new();
    for file in files {
        complaints.extend(parts.add(file).err().unwrap_or_default());
    }
    if complaints.is_empty() { parts.finish() } else { Err(complaints) }
}

impl Parts {
    fn add(&mut self, file: &Path) -> Result<(), Vec<Diagnostic>> {
        let source = read_source(file).map_err(|complaint| vec![complaint])?;
        let root = yaml::parse(&source)?;
        if is_export(&root) {
            let Exported { connectors, notes } = read_export(&source, &root)?;
            let origin = |span| Origin { source: source.clone(), span };
            self.exported.extend(connectors.into_iter().map(|(connector, span)| (connector, origin(span))));
            self.notes.extend(notes);
            return Ok(());
        }
        let (config, section) = read_section(&source, root)?;
        self.sections.push((config, source, section));
        Ok(())
    }

    fn finish(self) -> Result<LoadedAccount, Vec<Diagnostic>> {
        let Self { sections, exported, mut notes } = self;
        let knows_delegates = !sections.is_empty();
        let mut files: Vec<(Source, Node)> = Vec::new();
        // Where in the lists those of each file begin.
        let mut begins = Vec::new();
        let mut config = PlatformConfig { harness_image: Some(HarnessImage::BuiltIn), ..PlatformConfig::default() };
        for (n, (other, source, section)) in sections.into_iter().enumerate() {
            files.push((source, section));
            if n == 0 {
                begins.push(Lengths::default());
                config = other;
                continue;
            }
            begins.push(Lengths::of(&config));
            config.connectors.extend(other.connectors);
            config.secrets.extend(other.secrets);
            config.delegates.extend(other.delegates);
            config.organizations.extend(other.organizations);
        }
        let n_own = config.connectors.len();
        let mut origins = Vec::new();
        for (connector, origin) in exported {
            // The same connector may well be in two answers.
            if config.connectors[n_own..].contains(&connector) {
                continue;
            }
            assume_what_exports_lack(&connector, &origin, &mut config, &mut notes);
            config.connectors.push(connector);
            origins.push(origin);
        }
        if !knows_delegates && !origins.is_empty() && !config.connectors.iter().any(is_default) {
            notes.push(
                Diagnostic::general(
                    "`account.harnessImage` is none of the connectors given, and the built-in one is assumed",
                )
                .severity(Severity::Warning)
                .hint("export the account's connectors too, or give an account file with `harness-image: absent`"),
            );
        }
        let place = |at: &str| -> Option<Origin> {
            let (list, n) = numbered(at).unwrap_or((at, 0));
            if list == "connectors" && n >= n_own {
                let Origin { source, span } = origins.get(n - n_own)?;
                return Some(Origin { source: source.clone(), span: *span });
            }
            // The last file whose list begins at or before it; what is no list is the first one's.
            let file = begins.iter().rposition(|begin| begin.get(list).is_some_and(|begin| begin <= n)).unwrap_or(0);
            let begin = begins.get(file).and_then(|begin| begin.get(list)).unwrap_or(0);
            let (source, section) = files.get(file)?;
            let path = if numbered(at).is_some() { format!("{list}[{}]", n - begin) } else { String::from(at) };
            Some(Origin { source: source.clone(), span: plan::place(section, &path) })
        };
        let account = Account::from_config(&config).map_err(|errors| {
            let complaint = |error: mock_harness::ConfigError| match place(&error.at) {
                Some(Origin { source, span }) => {
                    let hint = hint_for(&error.at);
                    let complaint = Diagnostic::at(&source, span, error.message);
                    if hint.is_empty() { complaint } else { complaint.hint(hint) }
                }
                None => Diagnostic::general(error.to_string()),
            };
            errors.into_iter().map(complaint).collect::<Vec<_>>()
        })?;
        Ok(LoadedAccount { account, notes, knows_delegates })
    }
}

/// The `harness` section of a scenario, or a whole account file.
fn read_section(source: &Source, root: Node) -> Result<(PlatformConfig, Node), Vec<Diagnostic>> {
    if root.get("scenario").is_none() {
        return Ok((yaml::from_node(source, &over_preset(&root))?, root));
    }
    let scenario: Scenario = yaml::from_node(source, &root.with_changed("harness", over_preset))?;
    scenario.harness.zip(root.get("harness").cloned()).ok_or_else(|| {
        let complaint = Diagnostic::about(source, "this scenario has no `harness` section, so there is no account");
        vec![complaint.hint("name an account file, or a scenario with a Harness platform")]
    })
}

/// An export has connectors and nothing else: their organisations, projects and secrets are there nevertheless.
fn assume_what_exports_lack(
    connector: &Value,
    origin: &Origin,
    config: &mut PlatformConfig,
    notes: &mut Vec<Diagnostic>,
) {
    let Some(draft) = read(connector) else { return };
    let connector = draft.into_connector(testbed::Clock::DEFAULT_START);
    if let Some(org) = &connector.scope.org {
        let projects: Vec<_> = connector.scope.project.iter().cloned().collect();
        match config.organizations.iter_mut().find(|known| known.identifier == *org) {
            Some(known) => known.projects.extend(projects),
            None => config.organizations.push(OrganizationConfig { identifier: org.clone(), projects }),
        }
    }
    for (field, text) in connector.secret_refs() {
        let Ok(EntityRef { scope, identifier }) = EntityRef::parse(text, &connector.scope) else { continue };
        let is_it = |secret: &SecretConfig| {
            secret.identifier == identifier && secret.organization == scope.org && secret.project == scope.project
        };
        if config.secrets.iter().any(is_it) {
            continue;
        }
        let message = format!("`{field}` is the secret `{text}`, which is in no file given: it is taken to exist");
        notes.push(note(&origin.source, origin.span, message));
        config.secrets.push(SecretConfig {
            identifier,
            organization: scope.org,
            project: scope.project,
            value: Secret::new(format!("<{text}>")),
        });
    }
}

fn is_default(connector: &Value) -> bool {
    let is_empty = |field: &str| connector[field].as_str().unwrap_or_default().is_empty();
    connector["identifier"] == "harnessImage" && is_empty("orgIdentifier") && is_empty("projectIdentifier")
}

/// How long the lists were that further files add to.
#[derive(Default)]
struct Lengths {
    connectors: usize,
    secrets: usize,
    delegates: usize,
    organizations: usize,
}

impl Lengths {
    fn of(config: &PlatformConfig) -> Self {
        Self {
            connectors: config.connectors.len(),
            secrets: config.secrets.len(),
            delegates: config.delegates.len(),
            organizations: config.organizations.len(),
        }
    }

    fn get(&self, list: &str) -> Option<usize> {
        Some(match list {
            "connectors" => self.connectors,
            "secrets" => self.secrets,
            "delegates" => self.delegates,
            "organizations" => self.organizations,
            _ => return None,
        })
    }
}

/// `connectors` and 1 of `connectors[1].spec`.
fn numbered(at: &str) -> Option<(&str, usize)> {
    let (list, rest) = at.split_once('[')?;
    let (n, _) = rest.split_once(']')?;
    Some((list, n.parse().ok()?))
}

fn hint_for(at: &str) -> &'static str {
    match numbered(at).map_or(at, |(list, _)| list) {
        "connectors" => "a connector is held to the API's rules, in the API's words",
        "secrets" => "a secret has an `identifier` and a `value`; `organization` and `project` say where it is",
        "delegates" => "the organisation and the project of a delegate are among `organizations`",
        _ => "",
    }
}
