//! The listener of the control API, and which request goes where.

use std::{net::SocketAddr, ops::Deref, path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use http::StatusCode;
use testbed::{
    Secret,
    server::{BindError, ServerHandle, introducing},
};
use tokio::sync::watch;

use super::{clock, error::ApiError, guard::Guard, index, journal, registries};
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
}

/// What every handler works on. A clone is a pointer.
#[derive(Clone)]
pub(super) struct App(Arc<Parts>);

pub(super) struct Parts {
    pub(super) world: Arc<World>,
    pub(super) about: About,
    pub(super) guard: Guard,
    /// Changes when the server stops, so that streams end.
    pub(super) stopping: watch::Receiver<()>,
}

/// A resource: its path and its methods, and what answers them.
struct Resource {
    path: &'static str,
    methods: &'static str,
    router: MethodRouter<App>,
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
        let app = App(Arc::new(Parts { world, about, guard, stopping: stops }));
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

fn resources() -> Vec<Resource> {
    let resource = |path, methods, router| Resource { path, methods, router };
    vec![
        resource("/v1", "GET", get(index::get)),
        resource("/v1/clock", "GET, POST", get(clock::get).post(clock::post)),
        resource("/v1/journal", "GET", get(journal::get)),
        resource("/v1/registries", "GET", get(registries::list)),
        resource("/v1/registries/{name}", "GET", get(registries::get)),
    ]
}

/// Every method of every path.
pub(super) fn endpoints() -> Vec<String> {
    let of = |resource: Resource| {
        let methods = resource.methods.split(", ");
        methods.map(|method| format!("{method} {}", resource.path)).collect::<Vec<_>>()
    };
    resources().into_iter().flat_map(of).collect()
}

fn router(app: App) -> Router {
    let mut router = Router::new();
    for Resource { path, methods, router: handlers } in resources() {
        let refuse = move || async move {
            let message = format!("{path} has no such method");
            let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", message);
            error.hint(format!("it has {methods}")).allow(methods)
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
