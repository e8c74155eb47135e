//! A running platform: its builder, its handle, its end.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Mutex, atomic::AtomicU64},
};

use testbed::{
    Clock, Journal, Secret, Seed,
    net::{Names, VantageError},
    rule::RuleBook,
    server::{ANY_PORT, BindError, ServerHandle, introducing},
    task::SharedAgent,
};
use thiserror::Error;
use tokio::task::JoinSet;

use crate::{
    account::{Account, ConfigError},
    api::{self, ApiLimits},
    config::PlatformConfig,
    execution::Executions,
    pipeline::Pipelines,
    platform::{Inner, Places, Platform},
    test_connection::ReachCache,
};

/// A mock Harness platform on a listener of its own. Dropping it ends it at once.
///
/// ```
/// use mock_harness::{MockHarness, PlatformConfig};
/// use testbed::net::Vantage;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let harness = MockHarness::builder().config(PlatformConfig::default()).start().await?;
/// let url = format!("{}/ng/api/connectors/harnessImage?accountIdentifier=acme", harness.url());
/// let response = Vantage::outside("the reader")?
///     .request(reqwest::Method::GET, &url.parse()?)?
///     .header("x-api-key", harness.default_api_key().expose())
///     .send()
///     .await?;
/// assert_eq!(response.status(), 400);
/// assert!(response.text().await?.contains("Connector with identifier [harnessImage] not found in account [acme]."));
/// harness.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MockHarness {
    platform: Platform,
    server: ServerHandle,
    default_api_key: Secret,
    tasks: TasksEnd,
}

/// Ends tests and executions under way when it is dropped: they hold the platform, so it would never go by itself.
struct TasksEnd(Platform);

impl Drop for TasksEnd {
    fn drop(&mut self) {
        self.0.abort_tasks();
    }
}

/// Collects what a platform needs. Whatever is not given has a default.
pub struct MockHarnessBuilder {
    config: PlatformConfig,
    name: String,
    clock: Option<Clock>,
    journal: Option<Journal>,
    seed: Seed,
    names: Names,
    agent: Option<SharedAgent>,
    at: SocketAddr,
}

/// Why a platform could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error("the platform's configuration is wrong: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<ConfigError>),
    /// The place of a delegate could not be made.
    #[error("cannot set up the places that requests are made from")]
    Place(#[from] VantageError),
    /// The listener could not be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
}

impl MockHarness {
    /// Collects what a platform needs.
    pub fn builder() -> MockHarnessBuilder {
        MockHarnessBuilder {
            config: PlatformConfig::default(),
            name: String::from("harness"),
            clock: None,
            journal: None,
            seed: Seed::default(),
            names: Names::default(),
            agent: None,
            at: ANY_PORT,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its base URL, without a slash at the end: `http://127.0.0.1:4123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The account and everything in it.
    pub fn account(&self) -> &Account {
        self.platform.account()
    }

    /// The first key of the configuration.
    pub fn default_api_key(&self) -> &Secret {
        &self.default_api_key
    }

    /// The rules that exchanges of the API follow.
    pub fn rules(&self) -> &RuleBook {
        self.platform.rules()
    }

    /// Stops listening, lets exchanges under way finish for a short while, and ends tests and executions under way.
    pub async fn stop(self) {
        let Self { server, tasks, .. } = self;
        server.stop().await;
        drop(tasks);
    }
}

impl MockHarnessBuilder {
    /// The account and what is in it. Default: [`PlatformConfig::default`].
    #[must_use]
    pub fn config(mut self, config: PlatformConfig) -> Self {
        self.config = config;
        self
    }

    /// How the journal calls it. Default: `harness`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The world's clock. Default: a virtual one of its own.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The world's journal. Default: one of its own.
    #[must_use]
    pub fn journal(mut self, journal: Journal) -> Self {
        self.journal = Some(journal);
        self
    }

    /// The seed that delegates are shuffled and identifiers are drawn by. Default: [`Seed::default`].
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// The world's names, for what delegates and the platform itself ask registries. Default: an empty world.
    #[must_use]
    pub fn names(mut self, names: &Names) -> Self {
        self.names = names.clone();
        self
    }

    /// What pulls images when pipelines run. Default: none, and every pull fails.
    #[must_use]
    pub fn agent(mut self, agent: SharedAgent) -> Self {
        self.agent = Some(agent);
        self
    }

    /// Where to listen. Default: loopback, on a port of the system's choice.
    #[must_use]
    pub fn at(mut self, at: SocketAddr) -> Self {
        self.at = at;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// The configuration is wrong, or the address cannot be listened on.
    pub async fn start(self) -> Result<MockHarness, StartError> {
        let Self { config, name, clock, journal, seed, names, agent, at } = self;
        let clock = clock.unwrap_or_else(|| Clock::starting_at(Clock::DEFAULT_START));
        let journal = journal.unwrap_or_else(|| Journal::new(&clock));
        let account = Account::from_config_at(&config, clock.now()).map_err(StartError::Config)?;
        account.delegate_pool().follow(&clock);
        let places = Places::build(&account.delegate_pool().registered(), &names, &journal)?;
        let platform = Platform::new(Inner {
            actor: name.into(),
            account,
            start: clock.now(),
            clock,
            journal,
            seed,
            rules: RuleBook::new(seed),
            limits: ApiLimits::new(config.api_limits),
            agent,
            places,
            pipelines: Pipelines::default(),
            executions: Executions::default(),
            reached: ReachCache::default(),
            attempts: Mutex::default(),
            tasks: Mutex::new(JoinSet::new()),
            n_ids: AtomicU64::new(0),
        });
        let server = ServerHandle::start(introducing(api::app(platform.clone())), at).await?;
        // Without any key the API refuses everybody, and so it does the empty one.
        let default_api_key = config.api_keys.first().map_or_else(|| Secret::new(""), |key| key.token.clone());
        let tasks = TasksEnd(platform.clone());
        Ok(MockHarness { platform, server, default_api_key, tasks })
    }
}

impl fmt::Debug for MockHarness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MockHarness({})", self.address())
    }
}

impl fmt::Debug for MockHarnessBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MockHarnessBuilder({} at {})", self.name, self.at)
    }
}
