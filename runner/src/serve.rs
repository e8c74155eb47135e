//! A world that stays up, for real clients: its clock is the machine's.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use mock_registry::{AccountConfig, Compression, ImageConfig, ImageFormat, ImageSource, RegistryConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tempfile::TempPath;
use testbed::{
    Clock, Secret, Seed,
    diagnostic::Diagnostic,
    tls::{Authority, AuthorityError, CERTIFICATE_FILE},
    yaml::Spanned,
};
use thiserror::Error;

use crate::{
    control::{About, ControlOptions, ControlServer, Guard},
    plan::Plan,
    presets,
    world::{Blueprint, HARNESS_API, World, WorldError, with_causes},
};

/// How many entries the journal of a world that stays up keeps unless told otherwise: few read the old ones, and they cost
/// memory.
pub const MAX_ENTRIES: NonZeroUsize = NonZeroUsize::new(10_000).expect("ten thousand are some");

/// What the control API is called among the listeners.
const CONTROL: &str = "control";

/// What is served.
#[derive(Clone, Debug, Default)]
pub struct ServeRequest {
    /// Registries by preset.
    pub presets: Vec<PresetRequest>,
    /// Accounts of every registry.
    pub accounts: Vec<AccountRequest>,
    /// Images of every registry that are made up.
    pub images: Vec<ImageRequest>,
    /// Images of every registry that are read from files.
    pub imports: Vec<ImportRequest>,
}

/// How it is served, whatever it is.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// The folder in which registries keep what is pushed; none is memory.
    pub store: Option<PathBuf>,
    /// Whether every registry speaks TLS, whatever its configuration says.
    pub tls: bool,
    /// The folder in which the authority that signs is kept; none is one made for this world.
    pub ca_dir: Option<PathBuf>,
    /// The seed, where a scenario has none.
    pub seed: Seed,
    /// How many entries the journal keeps; none is [`MAX_ENTRIES`].
    pub max_entries: Option<NonZeroUsize>,
    /// The control API, if there is to be one.
    pub control: Option<ControlOptions>,
}

/// A preset, and where it listens: `dockerhub-anon=127.0.0.1:5000`, `./mine.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresetRequest {
    /// The preset's name, or the path of its file.
    pub preset: String,
    /// The address; none is a loopback port of the system's choice.
    pub at: Option<SocketAddr>,
}

/// An account: `user:password`.
#[derive(Clone, Debug)]
pub struct AccountRequest(AccountConfig);

/// An image: `library/alpine:3=3MiB`, with several layers `…=2MiB,512KiB`, and any of `gzip`, `zstd`, `docker` and platforms
/// behind these: `…=2MiB,gzip,linux/amd64,linux/arm64`.
#[derive(Clone, Debug)]
pub struct ImageRequest(ImageConfig);

/// An image that is read from a file: `team/app:1=app.tar`.
#[derive(Clone, Debug)]
pub struct ImportRequest(ImageConfig);

/// Nothing could be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// What was asked for is wrong.
    #[error("the request is wrong")]
    Request(Vec<Diagnostic>),
    /// The world could not be built.
    #[error(transparent)]
    World(#[from] WorldError),
}

/// A listener that is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Listener {
    /// Its name: that of its preset, with a number if there are several of them.
    pub name: String,
    /// Where it is reached.
    pub url: String,
    /// The host names that it plays.
    pub hosts: Vec<String>,
}

/// What `--ready-file` holds.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    /// The file with the certificate that clients have to trust, if there is TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Every listener, in the order of the request.
    pub listeners: Vec<Listener>,
}

/// A world that is up.
pub struct Served {
    /// Before the world, which it uses.
    control: Option<ControlServer>,
    world: Arc<World>,
    /// What there is.
    pub ready: Ready,
    /// Removed when dropped.
    _ca: Option<TempPath>,
}

impl Served {
    /// Builds and starts the world that `request` describes.
    ///
    /// # Errors
    /// A preset does not exist, an image has no proper name, the store cannot be used, an address cannot be listened on.
    pub async fn start(request: ServeRequest, options: ServeOptions) -> Result<Self, ServeError> {
        let mut complaints = Vec::new();
        for ImportRequest(image) in &request.imports {
            if let Ok(ImageSource::File(spec)) = image.source()
                && let Err(error) = spec.inspect()
            {
                let complaint = format!("image `{}`: {}", image.name, with_causes(&error));
                complaints.push(Diagnostic::general(complaint));
            }
        }
        let made_up = request.images.iter().map(|image| &image.0);
        let images: Vec<_> = made_up.chain(request.imports.iter().map(|image| &image.0)).cloned().collect();
        let mut accounts_are_used = false;
        let mut registries = Vec::new();
        let mut n_of = BTreeMap::<String, usize>::new();
        for PresetRequest { preset, at } in request.presets {
            let name = presets::name_of(&preset);
            let n = n_of.entry(name.clone()).and_modify(|n| *n += 1).or_insert(1);
            let name = if *n == 1 { name } else { format!("{name}-{n}") };
            let mut config = match presets::registry(&preset) {
                Ok(config) => RegistryConfig { images: images.clone(), ..config },
                Err(wrong) => {
                    complaints.extend(wrong);
                    continue;
                }
            };
            if config.asks_for_login() {
                config.accounts = request.accounts.iter().map(|account| account.0.clone()).collect();
                accounts_are_used = true;
            }
            for error in config.check().err().unwrap_or_default() {
                let complaint = Diagnostic::general(error.message);
                let complaint = match error.hint {
                    Some(hint) => complaint.hint(hint),
                    None => complaint,
                };
                // The same image is wrong for every registry, and one complaint is enough.
                if !complaints.contains(&complaint) {
                    complaints.push(complaint);
                }
            }
            registries.push((name, config, at));
        }
        if complaints.is_empty() && !accounts_are_used && !request.accounts.is_empty() {
            let complaint = Diagnostic::general("none of these presets asks who one is, so an account is of no use");
            complaints.push(complaint.hint("use `dockerhub` or `dockerhub-personal`, or leave `--account` out"));
        }
        if !complaints.is_empty() {
            return Err(ServeError::Request(complaints));
        }
        Self::build(Blueprint { registries, ..Blueprint::default() }, options).await
    }

    /// Builds and starts the world of the scenario `file`, without its steps.
    ///
    /// # Errors
    /// The scenario is wrong, or its world cannot be built.
    pub async fn start_scenario(file: &Path, options: ServeOptions) -> Result<Self, ServeError> {
        let plan = Plan::load(file).map_err(ServeError::Request)?;
        let seed = plan.scenario.seed.map_or(options.seed, Seed);
        Self::build(plan.blueprint, ServeOptions { seed, ..options }).await
    }

    async fn build(mut blueprint: Blueprint, options: ServeOptions) -> Result<Self, ServeError> {
        if options.tls {
            blueprint.registries.iter_mut().for_each(|(_, config, _)| config.tls = Some(true));
        }
        if options.ca_dir.is_some() && !blueprint.speaks_tls() {
            let complaint = Diagnostic::general("no registry speaks TLS, so an authority is of no use");
            let complaint = complaint.hint("add `--tls`, or leave `--ca-dir` out");
            return Err(ServeError::Request(vec![complaint]));
        }
        let guard = match options.control {
            None => None,
            Some(ControlOptions { at, token }) => Some((at, guard(at, token)?)),
        };
        let authority = options.ca_dir.as_deref().map(Authority::keep).transpose().map_err(WorldError::Authority)?;
        let max_entries = Some(options.max_entries.unwrap_or(MAX_ENTRIES).get());
        let blueprint = Blueprint { store: options.store.clone(), authority, max_entries, ..blueprint };
        let world = Arc::new(World::start(&blueprint, Clock::system(), options.seed).await?);
        let kept = options.ca_dir.map(|folder| folder.join(CERTIFICATE_FILE));
        let written = match world.authority() {
            Some(authority) if kept.is_none() => Some(write_certificate(authority)?),
            _ => None,
        };
        let ca = kept.or_else(|| written.as_ref().map(|file| file.to_path_buf()));
        let mut listeners = Vec::new();
        for (name, _, _) in &blueprint.registries {
            let Some(registry) = world.registry(name) else { continue };
            listeners.push(Listener { name: name.clone(), url: registry.url(), hosts: registry.hosts() });
        }
        if let Some(harness) = world.harness() {
            listeners.push(Listener { name: String::from(HARNESS_API), url: harness.url(), hosts: Vec::new() });
        }
        let control = match guard {
            None => None,
            Some((at, guard)) => {
                let images = blueprint
                    .registries
                    .iter()
                    .flat_map(|(name, config, _)| config.images.iter().map(move |image| (name.clone(), image.clone())));
                let about = About {
                    ca: ca.clone(),
                    store: options.store,
                    listeners: listeners.clone(),
                    images: images.collect(),
                };
                let control = ControlServer::start(at, guard, Arc::clone(&world), about).await;
                let control = control.map_err(WorldError::Control)?;
                listeners.push(Listener { name: String::from(CONTROL), url: control.url(), hosts: Vec::new() });
                Some(control)
            }
        };
        Ok(Self { control, world, ready: Ready { ca, listeners }, _ca: written })
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Stops it in good order.
    pub async fn stop(self) {
        if let Some(control) = self.control {
            control.stop().await;
        }
        // An exchange of the control API that did not end in time is gone with its server, and nobody else has it.
        if let Some(world) = Arc::into_inner(self.world) {
            world.stop().await;
        }
    }
}

fn guard(at: SocketAddr, token: Option<Secret>) -> Result<Guard, ServeError> {
    Guard::new(at, token).map_err(|error| {
        let hint = "add `--control-token TOKEN`, or let it listen on a loopback address";
        ServeError::Request(vec![Diagnostic::general(error.to_string()).hint(hint)])
    })
}

/// A temporary file that clients can be given, who read certificates from files.
fn write_certificate(authority: &Authority) -> Result<TempPath, WorldError> {
    let write = || -> io::Result<TempPath> {
        let mut file = tempfile::Builder::new().prefix("pullrig-ca-").suffix(".pem").tempfile()?;
        file.write_all(authority.certificate_pem().as_bytes())?;
        Ok(file.into_temp_path())
    };
    let fail = |source| AuthorityError::File { path: std::env::temp_dir(), source };
    write().map_err(|error| WorldError::Authority(fail(error)))
}

impl FromStr for PresetRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (preset, at) = match text.split_once('=') {
            None => (text, None),
            Some((preset, at)) => {
                let at = at.parse().map_err(|_| format!("`{at}` is no address; write `127.0.0.1:5000`"))?;
                (preset, Some(at))
            }
        };
        Ok(Self { preset: String::from(preset), at })
    }
}

impl FromStr for AccountRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text may be a password, so it is not repeated.
        let (name, password) = text.split_once(':').ok_or("an account is written `user:password`")?;
        let name = name.parse().map_err(|_| "what stands before the colon is no user name")?;
        Ok(Self(AccountConfig { name, password: Secret::new(password), limit: None }))
    }
}

impl ImageRequest {
    /// The image.
    pub fn config(&self) -> &ImageConfig {
        &self.0
    }
}

impl FromStr for ImageRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, words) =
            text.split_once('=').ok_or_else(|| format!("`{text}` has no layers; write `library/alpine:3=3MiB`"))?;
        let mut image = ImageConfig { name: Spanned::from(String::from(name)), ..ImageConfig::default() };
        for word in words.split(',').map(str::trim) {
            match word {
                "gzip" => image.compression = Some(Spanned::from(Compression::Gzip)),
                "zstd" => image.compression = Some(Spanned::from(Compression::Zstd)),
                "docker" => image.format = ImageFormat::Docker,
                platform if platform.contains('/') => image.platforms.push(Spanned::from(String::from(platform))),
                size => image.layers.push(size.parse().map_err(|error| format!("{error}"))?),
            }
        }
        Ok(Self(image))
    }
}

impl FromStr for ImportRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, path) =
            text.split_once('=').ok_or_else(|| format!("`{text}` has no file; write `team/app:1=app.tar`"))?;
        let from = Some(Spanned::from(PathBuf::from(path)));
        Ok(Self(ImageConfig { name: Spanned::from(String::from(name)), from, ..ImageConfig::default() }))
    }
}
