//! A world: the actors of one scenario, with one clock, one journal and one seed.
//!
//! This is the only place where the actors meet. They talk over loopback sockets, never by function call: a pull that
//! passes proves the wire.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use mock_harness::{MockHarness, PlatformConfig};
use mock_registry::{MockRegistry, RegistryConfig, StartError};
use puller::Puller;
use testbed::{
    Clock, Journal, Seed,
    net::{Names, Vantage, VantageError},
    server::{ANY_PORT, BindError},
    tls::{Authority, AuthorityError},
};
use thiserror::Error;

/// What the Harness API is called, in steps, in the journal and by `serve`. No registry may be called so.
pub(crate) const HARNESS_API: &str = "harness-api";
/// The address of the client that is no delegate.
pub(crate) const CLIENT_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A running world. Dropping it ends it at once; [`World::stop`] lets exchanges under way finish.
pub struct World {
    /// Its clock.
    pub clock: Clock,
    /// Its journal.
    pub journal: Journal,
    /// Its host names.
    pub names: Names,
    seed: Seed,
    authority: Option<Authority>,
    registries: BTreeMap<String, MockRegistry>,
    harness: Option<MockHarness>,
    delegates: BTreeMap<String, Vantage>,
    client: Vantage,
}

/// What a world is made of.
#[derive(Clone, Debug, Default)]
pub struct Blueprint {
    /// Registries by name, with the address that each listens on; none is a loopback port of the system's choice.
    pub registries: Vec<(String, RegistryConfig, Option<SocketAddr>)>,
    /// The Harness platform, if it takes part.
    pub harness: Option<PlatformConfig>,
    /// The folder in which the registries keep what is pushed; none is memory.
    pub store: Option<PathBuf>,
    /// Who signs for the registries that speak TLS; none is one made for this world.
    pub authority: Option<Authority>,
    /// How many entries the journal keeps; none is [`Journal::MAX_ENTRIES`].
    pub max_entries: Option<usize>,
}

/// A world could not be built.
#[derive(Debug, Error)]
pub enum WorldError {
    /// A registry could not be started.
    #[error(transparent)]
    Registry(#[from] StartError),
    /// There is nobody to sign certificates, or clients cannot be told who that is.
    #[error("there is no authority for TLS")]
    Authority(#[source] AuthorityError),
    /// The Harness platform could not be started.
    #[error("cannot start the Harness platform")]
    Harness(#[from] mock_harness::StartError),
    /// The control API could not be started.
    #[error("cannot start the control API")]
    Control(#[source] BindError),
    /// A delegate, or the client, has no place in the world.
    #[error("cannot place {name} in the world")]
    Vantage {
        /// Whose place.
        name: String,
        /// Why not.
        #[source]
        source: VantageError,
    },
}

impl Blueprint {
    /// Whether any registry speaks TLS.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.registries.iter().any(|(_, config, _)| config.speaks_tls())
    }

    /// Who signs in this world, if there is anything to sign.
    fn authority(&self) -> Result<Option<Authority>, WorldError> {
        let authority = self.speaks_tls().then(|| self.authority.clone().map_or_else(Authority::generate, Ok));
        authority.transpose().map_err(WorldError::Authority)
    }
}

impl WorldError {
    /// What may help.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Registry(StartError::Store { .. }) => {
                "the store must be a folder that can be written, and that no other registry has open"
            }
            Self::Authority(_) => {
                "the folder must be one that can be written, with both files of an authority or neither"
            }
            Self::Registry(StartError::Import { .. }) => "the file must hold the whole of the image that is asked for",
            _ => "if the port is taken, choose another, or leave the address out",
        }
    }
}

impl World {
    /// Builds and starts a world.
    ///
    /// # Errors
    /// A listener cannot be opened, or an actor's configuration is wrong in a way that planning did not see.
    pub async fn start(blueprint: &Blueprint, clock: Clock, seed: Seed) -> Result<Self, WorldError> {
        let journal = Journal::bounded(&clock, blueprint.max_entries.unwrap_or(Journal::MAX_ENTRIES));
        let names = Names::default();
        let authority = blueprint.authority()?;
        if let Some(authority) = &authority {
            names.trust(authority);
        }
        let mut registries = BTreeMap::new();
        for (name, config, at) in &blueprint.registries {
            let mut registry = MockRegistry::builder(name)
                .config(config.clone())
                .clock(clock.clone())
                .journal(journal.clone())
                .seed(seed)
                .names(&names)
                .at(at.unwrap_or(ANY_PORT));
            if let Some(store) = &blueprint.store {
                registry = registry.store(store);
            }
            if let Some(authority) = authority.as_ref().filter(|_| config.speaks_tls()) {
                registry = registry.tls(authority);
            }
            let registry = registry.start().await?;
            names.add(&own_host(name), registry.address());
            registries.insert(name.clone(), registry);
        }

        let place = |name: &str, address, allow: Option<&[String]>| {
            Vantage::in_world(name, address, allow, &names, &journal)
                .map_err(|source| WorldError::Vantage { name: String::from(name), source })
        };
        let client = place("client", Some(CLIENT_ADDRESS), None)?;
        let mut delegates = BTreeMap::new();
        for delegate in blueprint.harness.iter().flat_map(|harness| &harness.delegates) {
            delegates
                .insert(delegate.name.clone(), place(&delegate.name, delegate.address, delegate.allow.as_deref())?);
        }

        let harness = match &blueprint.harness {
            None => None,
            Some(config) => {
                let agent = Puller::builder(&clock, &journal).build();
                let harness = MockHarness::builder()
                    .name(HARNESS_API)
                    .config(config.clone())
                    .clock(clock.clone())
                    .journal(journal.clone())
                    .seed(seed)
                    .names(&names)
                    .agent(Arc::new(agent))
                    .start()
                    .await?;
                names.add(&own_host(HARNESS_API), harness.address());
                Some(harness)
            }
        };
        Ok(Self { clock, journal, names, seed, authority, registries, harness, delegates, client })
    }

    /// Who signs for the registries that speak TLS, and is trusted in this world; `None`: none of them does.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// The registry called `name`.
    pub fn registry(&self, name: &str) -> Option<&MockRegistry> {
        self.registries.get(name)
    }

    /// All registries, by name.
    pub fn registries(&self) -> impl Iterator<Item = (&str, &MockRegistry)> {
        self.registries.iter().map(|(name, registry)| (name.as_str(), registry))
    }

    /// The Harness platform, if it takes part.
    pub fn harness(&self) -> Option<&MockHarness> {
        self.harness.as_ref()
    }

    /// The place of the delegate called `name`.
    pub fn delegate(&self, name: &str) -> Option<&Vantage> {
        self.delegates.get(name)
    }

    /// The place of the client that is no delegate.
    pub fn client(&self) -> &Vantage {
        &self.client
    }

    /// A place like the client's, at another address.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn client_at(&self, address: IpAddr) -> Result<Vantage, VantageError> {
        Vantage::in_world("client", Some(address), None, &self.names, &self.journal)
    }

    /// The seed.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Stops every actor in good order.
    pub async fn stop(self) {
        if let Some(harness) = self.harness {
            harness.stop().await;
        }
        for registry in self.registries.into_values() {
            registry.stop().await;
        }
    }
}

/// The host name that every registry of a world has beside those of its preset.
pub(crate) fn own_host(registry: &str) -> String {
    format!("{registry}.test")
}

/// An error with its causes, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
