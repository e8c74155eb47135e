//! The listener of the control API, and which request goes where.

use std::{net::SocketAddr, ops::Deref, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, delete, get, post},
};
use http::StatusCode;
use mock_registry::{AccountConfig, ImageConfig, LimitConfig};
use schemars::JsonSchema;
use serde_json::{Map, Value};
use testbed::{
    Secret,
    clock::ClockStatus,
    rule::Rule,
    server::{BindError, ServerHandle, introducing},
};
use tokio::sync::{Mutex, watch};

use super::{
    accounts::{self, AccountEntry},
    clock::{self, ClockChange},
    error::ApiError,
    guard::Guard,
    images::{self, Asked, ImageEntry},
    index::{self, Index},
    journal, limits,
    openapi::{self, Operation},
    pulls::{self, Pulls},
    registries::{self, RegistryState},
    reset,
    rules::{self, RuleEntry},
    snapshot::{self, Passwords, Snapshot},
};
use crate::{serve::Listener, world::World};

/// Where the control API listens, and who may use it.
#[derive(Clone, Debug)]
pub struct ControlOptions {
    /// The address.
    pub at: SocketAddr,
    /// What has to be sent as `Authorization: Bearer`. Without one, only a loopback address can be listened on.
    pub token: Option<Secret>,
}

/// A control API that is up. Dropping it ends it at once.
#[derive(Debug)]
pub struct ControlServer {
    server: ServerHandle,
    stopping: watch::Sender<()>,
}

/// What is known about a world beside the world itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) store: Option<PathBuf>,
    pub(crate) listeners: Vec<Listener>,
    /// The images that registries were started with.
    pub(crate) images: Vec<(String, ImageConfig)>,
}

/// What every handler works on. A clone is a pointer.
#[derive(Clone)]
pub(super) struct App(Arc<Parts>);

pub(super) struct Parts {
    pub(super) world: Arc<World>,
    pub(super) about: About,
    pub(super) guard: Guard,
    /// Held by whoever changes something: what was looked at is still so when it is changed.
    pub(super) turn: Mutex<()>,
    pub(super) images: Asked,
    pub(super) passwords: Passwords,
    /// The rules that the Harness API had at the start.
    pub(super) harness_rules: Vec<Rule>,
    /// Changes when the server stops, so that streams end.
    pub(super) stopping: watch::Receiver<()>,
}

/// A resource: its path, what answers there, and what that is told to be.
pub(super) struct Resource {
    pub(super) path: &'static str,
    router: MethodRouter<App>,
    pub(super) operations: Vec<Operation>,
}

impl ControlServer {
    /// Opens the control API of `world`.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) async fn start(
        at: SocketAddr,
        guard: Guard,
        world: Arc<World>,
        about: About,
    ) -> Result<Self, BindError> {
        let (stopping, stops) = watch::channel(());
        let harness_rules = world.harness().map(|harness| harness.rules().rules()).unwrap_or_default();
        let images = Asked::default();
        for (registry, image) in &about.images {
            if let Some(registry) = world.registry(registry)
                && let Ok((name, _)) = images::source(registry, image)
            {
                images.note(registry, &name, image);
            }
        }
        let app = App(Arc::new(Parts {
            world,
            about,
            guard,
            turn: Mutex::default(),
            images,
            passwords: Passwords::default(),
            harness_rules,
            stopping: stops,
        }));
        let server = ServerHandle::start(introducing(router(app)), at).await?;
        Ok(Self { server, stopping })
    }

    /// Where it is: `http://127.0.0.1:7878`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Ends the streams, and lets exchanges under way finish.
    pub async fn stop(self) {
        self.stopping.send_replace(());
        self.server.stop().await;
    }
}

/// Everything that can be asked.
pub(super) fn resources() -> Vec<Resource> {
    let mut all = vec![
        resource("/v1", get(index::get), [Operation::new::<Index>("GET", "What is served, and what can be asked.")]),
        resource(
            "/v1/openapi.json",
            get(openapi::get),
            [Operation::new::<Map<String, Value>>("GET", "This document.")],
        ),
        resource(
            "/v1/clock",
            get(clock::get).post(clock::post),
            [
                Operation::new::<ClockStatus>("GET", "How the clock stands."),
                Operation::new::<ClockStatus>("POST", "Moves it, stops it, or lets it go on.").body::<ClockChange>(),
            ],
        ),
        resource(
            "/v1/journal",
            get(journal::get),
            [Operation::new::<journal::Entries>("GET", "What happened, oldest first; with `follow`, as it happens.")
                .query::<journal::JournalQuery>()
                .or(&["application/x-ndjson", "text/event-stream", "text/plain"])],
        ),
        resource(
            "/v1/pulls",
            get(pulls::get),
            [Operation::new::<Pulls>("GET", "The pulls that the journal tells of, and what each came to.")],
        ),
        resource(
            "/v1/reset",
            post(reset::post),
            [Operation::new::<Index>(
                "POST",
                "Clock, limits, accounts and rules as at the start, nothing used, the journal empty. Images stay.",
            )],
        ),
        resource(
            "/v1/snapshot",
            get(snapshot::get).put(snapshot::put),
            [
                Operation::new::<Snapshot>("GET", "The state of everything but what was pushed."),
                Operation::new::<snapshot::Restored>("PUT", "Puts a snapshot back.").body::<Snapshot>(),
            ],
        ),
        resource(
            "/v1/registries",
            get(registries::list),
            [Operation::new::<Vec<RegistryState>>("GET", "Every registry.")],
        ),
        resource(
            "/v1/registries/{name}",
            get(registries::get),
            [Operation::new::<RegistryState>("GET", "One registry.")],
        ),
    ];
    all.extend(of_registries());
    all
}

/// The lists of each registry: GET tells, PUT replaces, POST adds, DELETE clears or removes. Each answers with the list as it
/// is then.
fn of_registries() -> Vec<Resource> {
    vec![
        list::<RuleEntry, Rule>(
            "/v1/registries/{name}/rules",
            get(rules::list).put(rules::replace).post(rules::add).delete(rules::clear),
            [
                "The rules, in order, and how often each was used.",
                "Replaces all rules.",
                "Adds one behind them.",
                "Removes all.",
            ],
        ),
        resource(
            "/v1/registries/{name}/rules/{rule}",
            delete(rules::remove),
            [Operation::new::<Vec<RuleEntry>>("DELETE", "Removes a rule.")],
        ),
        list::<LimitConfig, LimitConfig>(
            "/v1/registries/{name}/limits",
            get(limits::list).put(limits::replace).post(limits::add).delete(limits::clear),
            [
                "The limits, in order.",
                "Replaces all limits; what was used of those that stay by name still counts.",
                "Adds one behind them.",
                "Removes all.",
            ],
        ),
        resource(
            "/v1/registries/{name}/limits/{limit}",
            delete(limits::remove).patch(limits::change),
            [
                Operation::new::<Vec<LimitConfig>>("DELETE", "Removes a limit."),
                Operation::new::<Vec<LimitConfig>>("PATCH", "Lets it allow more or less.")
                    .body::<limits::LimitChange>(),
            ],
        ),
        list::<ImageEntry, ImageConfig>(
            "/v1/registries/{name}/images",
            get(images::list).put(images::replace).post(images::add).delete(images::clear),
            [
                "Every tag, pushed ones included.",
                "Replaces all images, pushed ones included.",
                "Adds or replaces one.",
                "Removes every tag.",
            ],
        ),
        resource(
            "/v1/registries/{name}/images/{*image}",
            delete(images::remove),
            [Operation::new::<Vec<ImageEntry>>("DELETE", "Removes a tag: `library/alpine:3`.")],
        ),
        list::<AccountEntry, AccountConfig>(
            "/v1/registries/{name}/accounts",
            get(accounts::list).put(accounts::replace).post(accounts::add).delete(accounts::clear),
            ["Who can log in. Passwords are not told.", "Replaces all accounts.", "Adds one.", "Removes all."],
        ),
        resource(
            "/v1/registries/{name}/accounts/{account}",
            delete(accounts::remove),
            [Operation::new::<Vec<AccountEntry>>("DELETE", "Removes an account.")],
        ),
    ]
}

fn resource<const N: usize>(path: &'static str, router: MethodRouter<App>, operations: [Operation; N]) -> Resource {
    Resource { path, router, operations: operations.into() }
}

/// A list whose entries are told as `E` and given as `G`.
fn list<E: JsonSchema, G: JsonSchema>(
    path: &'static str,
    router: MethodRouter<App>,
    about: [&'static str; 4],
) -> Resource {
    let [get, put, post, delete] = about;
    let operations = [
        Operation::new::<Vec<E>>("GET", get),
        Operation::new::<Vec<E>>("PUT", put).body::<Vec<G>>(),
        Operation::new::<Vec<E>>("POST", post).body::<G>().creates(),
        Operation::new::<Vec<E>>("DELETE", delete),
    ];
    resource(path, router, operations)
}

/// Every method of every path.
pub(super) fn endpoints() -> Vec<String> {
    let of = |Resource { path, operations, .. }: Resource| {
        operations.into_iter().map(move |operation| format!("{} {}", operation.method, path.replace("{*", "{")))
    };
    resources().into_iter().flat_map(of).collect()
}

fn router(app: App) -> Router {
    let mut router = Router::new();
    for Resource { path, router: handlers, operations } in resources() {
        let methods: Vec<_> = operations.iter().map(|operation| operation.method).collect();
        let methods: Arc<str> = methods.join(", ").into();
        let refuse = move |request: Request| async move {
            let message = format!("{} has no {}", request.uri().path(), request.method());
            let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", message);
            error.hint(format!("it has {methods}")).allow(&methods)
        };
        router = router.route(path, handlers.fallback(refuse));
    }
    router.fallback(absent).layer(from_fn_with_state(app.clone(), guard)).with_state(app)
}

async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.guard.admit(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn absent(request: Request) -> ApiError {
    let message = format!("there is no {}", request.uri().path());
    ApiError::absent("unknown-path", message).hint("GET /v1 tells what there is")
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
