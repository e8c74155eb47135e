//! A running registry, and how it is started.

use std::net::{IpAddr, SocketAddr};

use oci::{Digest, Principal, PullLimit, Reference, RepositoryName, Tag};
use testbed::{
    Clock, Journal, Seed,
    net::Names,
    rule::RuleBook,
    server::{ANY_PORT, BindError, ServerHandle},
};
use thiserror::Error;

use crate::{ConfigError, ImageSpec, ImageSpecError, RegistryConfig, app::app, config::check, state::App};

/// A registry that listens on this machine. Dropping it ends it at once; [`MockRegistry::stop`] lets exchanges finish.
#[derive(Debug)]
pub struct MockRegistry {
    state: App,
    server: ServerHandle,
}

/// What a registry is started with.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    name: String,
    config: RegistryConfig,
    clock: Option<Clock>,
    journal: Option<Journal>,
    seed: Seed,
    names: Option<Names>,
    at: SocketAddr,
}

/// Why a registry could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its configuration is wrong; everything that is, at once.
    #[error("registry `{name}` cannot be started: {}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config {
        /// The registry's name.
        name: String,
        /// What is wrong.
        errors: Vec<ConfigError>,
    },
    /// It cannot listen.
    #[error("registry `{name}` cannot be started")]
    Bind {
        /// The registry's name.
        name: String,
        /// Where, and why not.
        #[source]
        source: BindError,
    },
}

/// Whose pulls a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limited {
    /// Pulls without an account, counted by address.
    Anonymous,
    /// Pulls with an account, counted by account. An account's own limit comes first.
    Accounts,
}

impl MockRegistry {
    /// A registry called `name`, which is how the journal calls it: `hub`.
    pub fn builder(name: &str) -> Builder {
        Builder {
            name: name.to_owned(),
            config: RegistryConfig::default(),
            clock: None,
            journal: None,
            seed: Seed::default(),
            names: None,
            at: ANY_PORT,
        }
    }

    /// The name it has in its world.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where it can be reached by address: `http://127.0.0.1:4123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The host names that it answers under, that of its token endpoint included.
    pub fn hosts(&self) -> Vec<String> {
        self.state.settings.all_hosts().map(str::to_owned).collect()
    }

    /// Its rules, to read and to change.
    pub fn rules(&self) -> &RuleBook {
        &self.state.rules
    }

    /// Its journal.
    pub fn journal(&self) -> &Journal {
        &self.state.journal
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.state.clock
    }

    /// Puts an image in, whose bytes are made up, and returns the digest of what its tag names. This hashes the layers.
    ///
    /// # Errors
    /// There is too much of something.
    pub async fn add_image(&self, image: &ImageSpec) -> Result<Digest, ImageSpecError> {
        image.check()?;
        let image = &self.state.settings.place(image.clone());
        self.state.store.add_later(image);
        let repository = self.state.store.find_or_make(&image.repository);
        match repository.manifest(&Reference::Tag(image.tag.clone())).await {
            Some(manifest) => Ok(manifest.digest),
            // Somebody took the tag away at this moment.
            None => Err(ImageSpecError::Gone { tag: image.tag.clone() }),
        }
    }

    /// Takes a tag away; false if there is none.
    pub fn remove_tag(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        self.state.store.find(repository).is_some_and(|repository| repository.remove_tag(tag))
    }

    /// Puts another limit in force from now on; `None` means none. Pulls that were made still count.
    pub fn set_limit(&self, who: Limited, limit: Option<PullLimit>) {
        self.state.limiter.set(who, limit);
    }

    /// Counts a pull of `who` from `address` without a request, and tells whether the limit lets it through: others behind
    /// the same address use up its limit like this. The journal is not told.
    pub fn count_pull(&self, who: &Principal, address: IpAddr) -> bool {
        let standing = self.state.limiter.ask(&self.state.settings, who, address, self.state.clock.now(), true);
        standing.is_none_or(|standing| !standing.refused)
    }

    /// The limit in force for those who have none of their own.
    pub fn limit(&self, who: Limited) -> Option<PullLimit> {
        self.state.limiter.get(who)
    }

    /// The images: every repository with its tags, sorted.
    pub fn catalog(&self) -> Vec<(RepositoryName, Vec<Tag>)> {
        let tags = |name: &RepositoryName| self.state.store.find(name).map(|repository| repository.tags());
        self.state.store.names().into_iter().map(|name| (name.clone(), tags(&name).unwrap_or_default())).collect()
    }

    /// Stops accepting, and waits until exchanges under way are done, though not for long.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl Builder {
    /// How it behaves. Default: the `generic` preset.
    pub fn config(self, config: RegistryConfig) -> Self {
        Self { config, ..self }
    }

    /// Its policy time. Default: a virtual clock of its own.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Where exchanges are told. Default: a journal of its own.
    pub fn journal(self, journal: Journal) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// Where its randomness comes from, and the bytes of its images. Default: the default seed.
    pub fn seed(self, seed: Seed) -> Self {
        Self { seed, ..self }
    }

    /// Where its host names are made known once it listens. Default: nowhere.
    pub fn names(self, names: &Names) -> Self {
        Self { names: Some(names.clone()), ..self }
    }

    /// Where it listens. Default: loopback, on a port of the system's choice.
    pub fn at(self, at: SocketAddr) -> Self {
        Self { at, ..self }
    }

    /// Checks the configuration and starts to listen.
    ///
    /// # Errors
    /// The configuration is wrong, or the address cannot be listened on.
    pub async fn start(self) -> Result<MockRegistry, StartError> {
        let settings =
            check(&self.name, &self.config).map_err(|errors| StartError::Config { name: self.name.clone(), errors })?;
        let clock = self.clock.unwrap_or_else(|| Clock::starting_at(Clock::DEFAULT_START));
        let journal = self.journal.unwrap_or_else(|| Journal::new(&clock));
        let state = App::new(self.name.clone(), settings, clock, journal, self.seed);
        let server = ServerHandle::start(app(state.clone()), self.at)
            .await
            .map_err(|source| StartError::Bind { name: self.name, source })?;
        if let Some(names) = self.names {
            for host in state.settings.all_hosts() {
                names.add(host, server.address());
            }
        }
        Ok(MockRegistry { state, server })
    }
}
