//! `/v1/snapshot`: a world's state, to be put back later.
//!
//! In it are the clock, the rules with how often they were used, the limits and what is used of them, the accounts, and the
//! images that were asked for. What was pushed stays in the registry and is only named. Passwords stay in the process: the
//! snapshot has a mark in their place, by which the same process finds them again. In another process an account keeps
//! the password that it has there, and one that is not there is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{Mutex, PoisonError},
};

use axum::{body::Body, extract::State, response::Response};
use mock_registry::{AccountConfig, ImageConfig, LimitConfig, LimitUsage, MockRegistry};
use oci::{AccountName, PullLimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use testbed::{
    Secret,
    clock::{ClockState, ClockStatus},
    rule::{Rule, RuleBook, RuleFor, RuleUse},
};

use super::{
    body::{collect, ok, parse, understand},
    error::ApiError,
    images::{sources, tags},
    rules::{self, RuleEntry},
    server::App,
};

/// The version of what is written here.
const VERSION: u64 = 1;
/// The largest snapshot, in bytes.
const MAX_SNAPSHOT_BYTES: usize = 64 << 20;

/// A world's state.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Snapshot {
    /// The version of this form. Another one is refused.
    version: u64,
    /// The clock.
    clock: ClockState,
    /// The registries, by name.
    registries: BTreeMap<String, RegistrySnapshot>,
    /// The rules of the Harness API, if it takes part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    harness_rules: Option<Vec<RuleEntry>>,
}

/// A registry's state.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RegistrySnapshot {
    /// Its rules, and how often each was used.
    rules: Vec<RuleEntry>,
    /// The state that they ask for and set.
    state: String,
    /// Its limits.
    limits: Vec<LimitConfig>,
    /// What is used of them.
    #[schemars(with = "Value")]
    used: LimitUsage,
    /// Who can log in.
    accounts: Vec<KeptAccount>,
    /// The images that are made up or read from files.
    images: Vec<ImageConfig>,
    /// The tags that were pushed.
    pushed: Vec<String>,
}

/// An account with a mark in the place of its password.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct KeptAccount {
    name: AccountName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<PullLimit>,
    /// Stands for the password, which the process keeps.
    password_mark: String,
}

/// What became of a snapshot that was put back.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Restored {
    /// The clock, which goes on from the instant of the snapshot.
    clock: ClockStatus,
    /// Tags that were pushed before the snapshot and are gone: `hub: team/app:1`.
    missing: Vec<String>,
}

/// The passwords that snapshots have marks for.
#[derive(Debug)]
pub(super) struct Passwords {
    /// Tells the marks of this process from those of others.
    process: u64,
    kept: Mutex<Vec<Secret>>,
}

pub(super) async fn get(State(app): State<App>) -> Result<Response, ApiError> {
    let _turn = app.turn.lock().await;
    Ok(ok(&app.take_snapshot().await?))
}

pub(super) async fn put(State(app): State<App>, body: Body) -> Result<Response, ApiError> {
    let value: Value = parse(&collect(body, MAX_SNAPSHOT_BYTES).await?)?;
    match value["version"].as_u64() {
        Some(VERSION) => {}
        Some(other) => {
            let error =
                ApiError::conflict("other-version", format!("the snapshot has version {other}, this is {VERSION}"));
            return Err(error.hint("restore it with the pullrig that took it"));
        }
        None => {
            let error = ApiError::wrong("wrong-body", "version: a snapshot has one");
            return Err(error.hint("send what GET /v1/snapshot gave"));
        }
    }
    let snapshot: Snapshot = understand(value)?;
    let _turn = app.turn.lock().await;
    app.check(&snapshot)?;
    let before = app.take_snapshot().await?;
    if let Err(error) = app.restore(&snapshot).await {
        // What was done so far is undone: that was possible a moment ago.
        app.restore(&before).await?;
        return Err(error);
    }
    let mut missing = Vec::new();
    for (name, kept) in &snapshot.registries {
        let there: BTreeSet<_> =
            tags(app.registry(name)?).await?.iter().map(|(repository, tag)| format!("{repository}:{tag}")).collect();
        missing.extend(kept.pushed.iter().filter(|tag| !there.contains(*tag)).map(|tag| format!("{name}: {tag}")));
    }
    Ok(ok(&Restored { clock: app.world.clock.status(), missing }))
}

impl App {
    async fn take_snapshot(&self) -> Result<Snapshot, ApiError> {
        let mut registries = BTreeMap::new();
        for (name, registry) in self.world.registries() {
            let (mut images, mut pushed) = (Vec::new(), Vec::new());
            for entry in self.image_entries(registry).await? {
                match entry.image {
                    Some(image) => images.push(image),
                    None => pushed.push(entry.name),
                }
            }
            let keep = |AccountConfig { name, password, limit }| KeptAccount {
                name,
                limit,
                password_mark: self.passwords.mark(password),
            };
            let kept = RegistrySnapshot {
                rules: rules::entries(registry.rules()),
                state: registry.rules().state(),
                limits: registry.limits(),
                used: registry.limit_usage(),
                accounts: registry.accounts().into_iter().map(keep).collect(),
                images,
                pushed,
            };
            registries.insert(String::from(name), kept);
        }
        Ok(Snapshot {
            version: VERSION,
            clock: ClockState::from(&self.world.clock.status()),
            registries,
            harness_rules: self.world.harness().map(|harness| rules::entries(harness.rules())),
        })
    }

    /// Looks whether `snapshot` is of a world like this one.
    fn check(&self, snapshot: &Snapshot) -> Result<(), ApiError> {
        let here: BTreeSet<_> = self.world.registries().map(|(name, _)| name).collect();
        let there: BTreeSet<_> = snapshot.registries.keys().map(String::as_str).collect();
        if here != there || self.world.harness().is_some() != snapshot.harness_rules.is_some() {
            let names = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
            let message = format!("the snapshot is of a world with {}, this one has {}", names(there), names(here));
            return Err(
                ApiError::conflict("other-world", message).hint("serve the same registries under the same names")
            );
        }
        for (name, kept) in &snapshot.registries {
            let rules: Vec<_> = kept.rules.iter().map(RuleEntry::to_rule).collect();
            rules::check(&rules, RuleFor::Registry)
                .map_err(|error| error.below(&format!("registries.{name}.rules")))?;
        }
        let rules: Vec<_> = snapshot.harness_rules.iter().flatten().map(RuleEntry::to_rule).collect();
        rules::check(&rules, RuleFor::Api).map_err(|error| error.below("harness-rules"))
    }

    async fn restore(&self, snapshot: &Snapshot) -> Result<(), ApiError> {
        for (name, kept) in &snapshot.registries {
            let registry = self.registry(name)?;
            let below = |error: ApiError| error.below(&format!("registries.{name}"));
            let accounts = kept.accounts.iter().map(|account| self.passwords.account(registry, account));
            let accounts = accounts.collect::<Result<Vec<_>, _>>().map_err(below)?;
            self.restore_images(registry, &kept.images).await.map_err(below)?;
            registry.set_limits(&kept.limits).map_err(ApiError::from).map_err(below)?;
            // Where nobody is asked who they are, there are none to set.
            if !accounts.is_empty() || !registry.accounts().is_empty() {
                registry.set_accounts(accounts).map_err(ApiError::from).map_err(below)?;
            }
            registry.restore_limit_usage(&kept.used);
            restore_rules(registry.rules(), &kept.rules);
            registry.rules().set_state(&kept.state);
        }
        if let (Some(harness), Some(kept)) = (self.world.harness(), &snapshot.harness_rules) {
            restore_rules(harness.rules(), kept);
        }
        self.world.clock.restore(snapshot.clock)?;
        Ok(())
    }

    /// Puts in the images that are not there, and takes away those that were asked for since.
    async fn restore_images(&self, registry: &MockRegistry, images: &[ImageConfig]) -> Result<(), ApiError> {
        let wanted = sources(registry, images).map_err(|error| error.below("images"))?;
        let written = |image: &ImageConfig| serde_json::to_value(image).unwrap_or_default();
        let present: BTreeMap<_, _> =
            self.image_entries(registry).await?.into_iter().map(|entry| (entry.name, entry.image)).collect();
        for (repository, tag) in tags(registry).await? {
            let name = format!("{repository}:{tag}");
            let was_asked_for = present.get(&name).is_some_and(Option::is_some);
            if was_asked_for && !wanted.iter().any(|(wanted, _)| *wanted == name) {
                self.take_away(registry, &repository, &tag).await?;
            }
        }
        for (image, (name, source)) in images.iter().zip(&wanted) {
            let is_there =
                present.get(name).and_then(Option::as_ref).is_some_and(|here| written(here) == written(image));
            if !is_there {
                self.put(registry, name, image, source).await?;
            }
        }
        Ok(())
    }
}

fn restore_rules(book: &RuleBook, kept: &[RuleEntry]) {
    book.replace(kept.iter().map(RuleEntry::to_rule));
    let uses: Vec<_> = kept
        .iter()
        .map(|entry| RuleUse {
            name: entry.name.clone(),
            n_matched: entry.matched,
            n_fired: entry.fired,
            near_miss: None,
        })
        .collect();
    book.restore_uses(&uses);
}

impl RuleEntry {
    /// The rule under the name that it has.
    fn to_rule(&self) -> Rule {
        Rule { name: Some(self.name.clone()), ..self.rule.clone() }
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self { process: RandomState::new().build_hasher().finish(), kept: Mutex::default() }
    }
}

impl Passwords {
    fn mark(&self, password: Secret) -> String {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let n = kept.iter().position(|known| *known == password).unwrap_or_else(|| {
            kept.push(password);
            kept.len() - 1
        });
        format!("{:016x}-{n}", self.process)
    }

    /// The account with the password that its mark stands for, or that it has at present.
    fn account(&self, registry: &MockRegistry, account: &KeptAccount) -> Result<AccountConfig, ApiError> {
        let KeptAccount { name, limit, password_mark } = account;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let own = password_mark.strip_prefix(&format!("{:016x}-", self.process));
        let own = own.and_then(|n| n.parse::<usize>().ok()).and_then(|n| kept.get(n)).cloned();
        let present = || registry.accounts().into_iter().find(|known| known.name == *name).map(|known| known.password);
        let password = own.or_else(present).ok_or_else(|| {
            let error =
                ApiError::conflict("no-password", format!("accounts: the password of `{name}` is not known here"));
            error.hint("a snapshot has no passwords: add the account, and restore it again")
        })?;
        Ok(AccountConfig { name: name.clone(), password, limit: *limit })
    }
}
