//! The whole of a registry as one axum application: the layers in the order in which a request meets them.

use axum::{Router, middleware::from_fn_with_state};
use tower::ServiceBuilder;

use crate::{api::serve, auth::authorize, exchange::exchange, limit::limit, rule::rule, state::App};

/// The application, without a listener.
pub(crate) fn app(state: App) -> Router {
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), exchange))
        .layer(from_fn_with_state(state.clone(), rule))
        .layer(from_fn_with_state(state.clone(), authorize))
        .layer(from_fn_with_state(state.clone(), limit));
    Router::new().fallback(serve).with_state(state).layer(layers)
}
