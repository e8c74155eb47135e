//! A running registry, and how it is started.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use http::Method;
use oci::{AccountName, Digest, EndpointKind, Principal, PullLimit, Reference, RepositoryName, Tag};
use testbed::{
    Clock, Journal, Secret, Seed,
    journal::Exchange,
    net::Names,
    rule::RuleBook,
    server::{ANY_PORT, BindError, Listen, ServerHandle},
    tls::{Authority, AuthorityError, Certificates},
};
use thiserror::Error;

use crate::{
    ACCOUNTS, ANONYMOUS, AccountConfig, Allow, ConfigError, Expect, ImageSource, ImageSpec, ImageSpecError,
    ImportError, ImportSpec, LimitConfig, LimitUsage, Preset, Protocol, RegistryConfig, StoreError,
    accounts::Account,
    app::app,
    config::{check, check_accounts, check_each, set},
    expect::Expectations,
    limit::{Asked, Ruling},
    settings::Settings,
    state::App,
    store::Store,
};

/// A registry that listens on this machine. Dropping it ends it at once; [`MockRegistry::stop`] lets exchanges finish.
#[derive(Debug)]
pub struct MockRegistry {
    state: App,
    server: ServerHandle,
    authority: Option<Authority>,
    expectations: Expectations,
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
    store: Option<PathBuf>,
    authority: Option<Authority>,
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
    /// The folder that it is to keep pushes in cannot be used.
    #[error("registry `{name}` cannot be started")]
    Store {
        /// The registry's name.
        name: String,
        /// Which folder, and why not.
        #[source]
        source: StoreError,
    },
    /// One of its images cannot be read from its file.
    #[error("registry `{name}` has no image from {}", file.display())]
    Import {
        /// The registry's name.
        name: String,
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: Box<ImportError>,
    },
    /// It has no certificates to show.
    #[error("registry `{name}` cannot speak TLS")]
    Tls {
        /// The registry's name.
        name: String,
        /// Why not.
        #[source]
        source: AuthorityError,
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

impl Limited {
    /// How the limit is called.
    pub fn limit_name(self) -> &'static str {
        match self {
            Self::Anonymous => ANONYMOUS,
            Self::Accounts => ACCOUNTS,
        }
    }
}

impl MockRegistry {
    /// A registry that asks for nothing, limits nothing and takes pushes, on a port of its own.
    ///
    /// # Panics
    /// This machine has no port left.
    pub async fn start() -> Self {
        match Self::builder("registry").start().await {
            Ok(registry) => registry,
            Err(error) => panic!("{error}"),
        }
    }

    /// A registry called `name`, which is how the journal calls it: `hub`.
    pub fn builder(name: &str) -> Builder {
        Builder {
            name: name.to_owned(),
            config: RegistryConfig::default(),
            clock: None,
            journal: None,
            seed: Seed::default(),
            names: None,
            store: None,
            authority: None,
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

    /// Where it can be reached by address: `http://127.0.0.1:4123`, or `https://…` if it speaks TLS.
    pub fn url(&self) -> String {
        format!("{}://{}", self.state.settings.scheme(), self.address())
    }

    /// Who signs its certificates, and has to be trusted; `None`: it speaks plain HTTP.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
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
        let image = ImageSpec { repository: self.state.settings.place(image.repository.clone()), ..image.clone() };
        self.state.store.add_later(&image);
        let repository = self.state.store.find_or_make(&image.repository).await?;
        match repository.manifest(&Reference::Tag(image.tag.clone())).await {
            Some(manifest) => Ok(manifest.digest.clone()),
            // Somebody took the tag away at this moment.
            None => Err(ImageSpecError::Gone { tag: image.tag.clone() }),
        }
    }

    /// Puts an image in that is read from a file, and returns the digest of what its tag names. Every byte of it is
    /// verified.
    ///
    /// ```no_run
    /// # async fn import(hub: mock_registry::MockRegistry) -> Result<(), Box<dyn std::error::Error>> {
    /// use mock_registry::ImportSpec;
    ///
    /// // docker save team/app:1 -o app.tar
    /// let digest = hub.import(&ImportSpec::new("team/app:1", "app.tar")?).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The file does not have the image, or not whole; the registry has no room for it.
    pub async fn import(&self, image: &ImportSpec) -> Result<Digest, ImportError> {
        let repository = self.state.settings.place(image.repository.clone());
        ImportSpec { repository, ..image.clone() }.load(&self.state).await
    }

    /// A repository as this registry calls it: `alpine` is `library/alpine` on Docker Hub.
    pub fn place(&self, repository: RepositoryName) -> RepositoryName {
        self.state.settings.place(repository)
    }

    /// Takes a tag away; false if there is none.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn remove_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<bool, StoreError> {
        match self.state.store.find(repository).await? {
            Some(repository) => repository.remove_tag(tag).await,
            None => Ok(false),
        }
    }

    /// Puts another limit in force from now on; `None` means none. Pulls that were made still count.
    pub fn set_limit(&self, who: Limited, limit: Option<PullLimit>) {
        let mut limits = self.limits();
        let name = who.limit_name();
        match limit {
            Some(_) => set(
                &mut limits,
                name,
                limit,
                match who {
                    Limited::Anonymous => LimitConfig::anonymous,
                    Limited::Accounts => LimitConfig::accounts,
                },
            ),
            None => {
                limits.iter_mut().filter(|limit| limit.name == name).for_each(|limit| limit.allow = Allow::Unlimited)
            }
        }
        self.put_limits(&limits);
    }

    /// Its limits, in order.
    pub fn limits(&self) -> Vec<LimitConfig> {
        self.state.limiter.configs()
    }

    /// Puts other limits in force from now on. What was used of those that stay by name still counts.
    ///
    /// # Errors
    /// Everything that is wrong with them; then nothing changes.
    pub fn set_limits(&self, limits: &[LimitConfig]) -> Result<(), Vec<ConfigError>> {
        check_each(limits)?;
        self.put_limits(limits);
        Ok(())
    }

    fn put_limits(&self, limits: &[LimitConfig]) {
        self.state.limiter.set_all(limits, self.state.clock.now().as_microsecond());
    }

    /// What is used of each limit, to be put back later.
    pub fn limit_usage(&self) -> LimitUsage {
        self.state.limiter.usage()
    }

    /// Puts back what was used of each limit.
    pub fn restore_limit_usage(&self, usage: &LimitUsage) {
        self.state.limiter.restore(usage);
    }

    /// Who can log in.
    pub fn accounts(&self) -> Vec<AccountConfig> {
        let all = self.state.accounts.all().into_iter();
        all.map(|(name, Account { password, limit, .. })| AccountConfig { name, password, limit }).collect()
    }

    /// Lets others log in from now on. Tokens that were given out stay valid until they expire.
    ///
    /// # Errors
    /// Everything that is wrong with them; then nothing changes.
    pub fn set_accounts(&self, accounts: Vec<AccountConfig>) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        let config = RegistryConfig { accounts, ..RegistryConfig::default() };
        let accounts = check_accounts(&self.state.name, &config, self.state.settings.auth, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        self.state.accounts.set(accounts);
        Ok(())
    }

    /// Makes limits, accounts and rules what they were at the start, and forgets what was used. What was pushed stays.
    pub fn reset(&self) {
        self.put_limits(&self.state.settings.limits);
        self.state.limiter.restore(&LimitUsage::default());
        if let Some(proxy) = &self.state.proxy {
            proxy.reset();
        }
        self.state.accounts.set(self.state.settings.accounts.clone());
        self.state.rules.replace(self.state.settings.rules.iter().cloned());
        self.state.rules.reset_state();
    }

    /// Counts a pull of `who` from `address` without a request, and tells whether the limit lets it through: others behind
    /// the same address use up its limit like this. The journal is not told.
    pub fn count_pull(&self, who: &Principal, address: IpAddr) -> bool {
        let (account, account_limit) = who.account().map_or((None, None), |name| self.state.accounts.limit_of(name));
        let asked = Asked {
            kind: EndpointKind::Manifest,
            method: &Method::GET,
            repository: None,
            account_name: who.account(),
            account,
            account_limit,
            source: address,
            forwarded_for: None,
            connection: 0,
            protocol: Protocol::Http1,
            token: None,
            authorization: None,
        };
        let mut ruling = Ruling::default();
        self.state.limiter.pass(&asked, false, self.state.clock.now(), &mut ruling);
        ruling.refusal().is_none()
    }

    /// The limit in force for those who have none of their own.
    pub fn limit(&self, who: Limited) -> Option<Allow> {
        let limits = self.limits().into_iter().find(|limit| limit.name == who.limit_name());
        limits.map(|limit| limit.allow).filter(|allow| *allow != Allow::Unlimited)
    }

    /// The images: every repository with its tags, sorted.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn catalog(&self) -> Result<Vec<(RepositoryName, Vec<Tag>)>, StoreError> {
        let mut catalog = Vec::new();
        for name in self.state.store.names() {
            let repository = self.state.store.find_or_make(&name).await?;
            catalog.push((name, repository.tags()));
        }
        Ok(catalog)
    }

    /// Expects requests. When the registry is dropped, and by [`MockRegistry::verify`], the test fails if they were not sent
    /// as often as expected.
    pub fn expect(&self, expect: Expect) {
        self.expectations.add(expect);
    }

    /// The requests that it was sent so far, oldest first, with what was decided about each.
    pub fn received(&self) -> Vec<Exchange> {
        self.expectations.received()
    }

    /// Verifies what is [expected](MockRegistry::expect) now, rather than when the registry is dropped.
    ///
    /// # Panics
    /// Something was not asked as often as expected; the message shows the newest requests.
    pub fn verify(&self) {
        self.expectations.verify();
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

    /// Which real registry it plays, as [`preset_names`](crate::preset_names) lists them. Default: `generic`.
    pub fn preset(mut self, name: &str) -> Self {
        self.config.preset = Some(String::from(name).into());
        self
    }

    /// A preset that was read from a file, in place of one by name.
    pub fn preset_file(mut self, preset: Preset) -> Self {
        self.config.preset_file = Some(preset);
        self
    }

    /// How much may be pulled from each address without an account. Default: the preset's.
    pub fn limit(mut self, limit: PullLimit) -> Self {
        self.config.limit = Some(limit);
        self
    }

    /// One more who can log in.
    pub fn account(mut self, name: AccountName, password: &str) -> Self {
        self.config.accounts.push(AccountConfig { name, password: Secret::new(password), limit: None });
        self
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

    /// The folder in which it keeps what is pushed, made now if it is new: each repository is an OCI image layout below
    /// `<folder>/<registry>/`. What was answered as pushed is there after the process ended, however it ended, and is served
    /// when a registry of the same name is started with the same folder. One registry uses it at a time. Default: pushes are
    /// kept in memory, and end with the registry.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let hub = mock_registry::MockRegistry::builder("hub").store(folder.path()).start().await?;
    /// // After `docker push 127.0.0.1:<port>/library/alpine:3` there is `<folder>/hub/library/alpine/index.json`.
    /// # hub.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn store(self, folder: impl Into<PathBuf>) -> Self {
        Self { store: Some(folder.into()), ..self }
    }

    /// Speaks TLS, with certificates that `authority` signs: one for each of its host names, by SNI, and one for its
    /// address and `localhost`. Clients have to trust the authority. Default: plain HTTP; where the configuration says
    /// [`tls`](RegistryConfig::tls), an [authority](MockRegistry::authority) of its own.
    ///
    /// ```
    /// use mock_registry::{MockRegistry, testbed::tls::Authority};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let ca = folder.path().join("ca.pem");
    /// let authority = Authority::generate()?;
    /// let hub = MockRegistry::builder("hub").tls(&authority).start().await?;
    /// assert!(hub.url().starts_with("https://127.0.0.1:"));
    /// // For `curl --cacert`, `skopeo --src-cert-dir`, or a client's list of roots.
    /// std::fs::write(ca, authority.certificate_pem())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn tls(self, authority: &Authority) -> Self {
        Self { authority: Some(authority.clone()), ..self }
    }

    /// Where it listens. Default: loopback, on a port of the system's choice.
    pub fn at(self, at: SocketAddr) -> Self {
        Self { at, ..self }
    }

    /// Checks the configuration and starts to listen.
    ///
    /// # Errors
    /// The configuration is wrong, the store cannot be used, an image cannot be read from its file, the system gives no
    /// random bytes for a key, or the address cannot be listened on.
    pub async fn start(mut self) -> Result<MockRegistry, StartError> {
        if self.authority.is_some() {
            self.config.tls = Some(true);
        }
        let settings =
            check(&self.name, &self.config).map_err(|errors| StartError::Config { name: self.name.clone(), errors })?;
        let clock = self.clock.unwrap_or_else(|| Clock::starting_at(Clock::DEFAULT_START));
        let journal = self.journal.unwrap_or_else(|| Journal::new(&clock));
        let store = match &self.store {
            None => Store::in_memory(self.seed),
            Some(folder) => Store::in_folder(folder, &self.name, self.seed)
                .await
                .map_err(|source| StartError::Store { name: self.name.clone(), source })?,
        };
        let state = App::new(self.name.clone(), settings, store, clock, journal, self.seed);
        for image in &state.settings.images {
            if let ImageSource::File(image) = image {
                let loaded = image.load(&state).await;
                let file = image.from.clone();
                loaded.map_err(|error| {
                    let source = Box::new(error);
                    StartError::Import { name: self.name.clone(), file, source }
                })?;
            }
        }
        let names = self.names.unwrap_or_default();
        let (listen, authority) = listen(self.at, self.authority, &state.settings, &names)
            .map_err(|source| StartError::Tls { name: self.name.clone(), source })?;
        let server = ServerHandle::start(app(state.clone()), listen)
            .await
            .map_err(|source| StartError::Bind { name: self.name, source })?;
        for host in state.settings.all_hosts() {
            names.add(host, server.address());
        }
        if authority.is_some() {
            names.set_tls(server.address());
        }
        let expectations = Expectations::new(state.journal.clone(), &state.name);
        Ok(MockRegistry { state, server, authority, expectations })
    }
}

/// Where and how to listen, and who signs for it if that is by TLS.
fn listen(
    at: SocketAddr,
    authority: Option<Authority>,
    settings: &Settings,
    names: &Names,
) -> Result<(Listen, Option<Authority>), AuthorityError> {
    let listen = Listen::at(at);
    if !settings.is_tls {
        return Ok((listen, None));
    }
    let authority = authority.map_or_else(Authority::generate, Ok)?;
    let certificates = Certificates::new(&authority, names, settings.certificate_flaw)?;
    Ok((listen.tls(certificates), Some(authority)))
}
