//! The routes, and how the journal calls them.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{delete, get, post, put},
};
use http::Method;

use super::{
    catalogue, connector_list, connectors, delegates, envelope, exchange, execution_config, executions, logs,
    organizations, pipelines, secrets, settings,
};
use crate::platform::Platform;

/// The largest request body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;

/// The whole interface, without a listener.
pub(crate) fn app(platform: Platform) -> Router {
    let api = Router::new()
        .route("/ng/api/connectors", post(connectors::create).put(connectors::update).get(connector_list::list))
        .route("/ng/api/connectors/listV2", post(connector_list::list_v2))
        .route("/ng/api/connectors/listbyfqn", post(connector_list::list_by_name))
        .route("/ng/api/connectors/stats", get(connector_list::stats))
        .route("/ng/api/connectors/catalogue", get(catalogue::list_catalogue))
        .route("/ng/api/connectors/fieldValues", get(catalogue::field_values))
        .route("/ng/api/connectors/validateUniqueIdentifier", get(connectors::validate_unique_identifier))
        .route("/ng/api/connectors/testConnection/{identifier}", post(connectors::test_connection))
        .route("/ng/api/connectors/testGitRepoConnection/{identifier}", post(connectors::test_git_connection))
        .route("/ng/api/connectors/{identifier}", get(connectors::get).delete(connectors::delete))
        .route("/ng/api/v2/secrets", post(secrets::create).get(secrets::list_of_query))
        .route("/ng/api/v2/secrets/list", post(secrets::list))
        .route("/ng/api/v2/secrets/yaml", post(secrets::create_of_yaml))
        .route("/ng/api/v2/secrets/files", post(secrets::create_file))
        .route("/ng/api/v2/secrets/files/{identifier}", put(secrets::update_file))
        .route("/ng/api/v2/secrets/validate", post(secrets::validate))
        .route("/ng/api/v2/secrets/validateUniqueIdentifier/{identifier}", get(secrets::validate_unique_identifier))
        .route("/ng/api/v2/secrets/{identifier}/yaml", put(secrets::update_of_yaml))
        .route("/ng/api/v2/secrets/{identifier}", get(secrets::get).put(secrets::update).delete(secrets::delete))
        .route("/ng/api/organizations", post(organizations::create_organization).get(organizations::list_organizations))
        .route(
            "/ng/api/organizations/{identifier}",
            get(organizations::get_organization)
                .put(organizations::update_organization)
                .delete(organizations::delete_organization),
        )
        .route("/ng/api/projects", post(organizations::create_project).get(organizations::list_projects))
        .route(
            "/ng/api/projects/{identifier}",
            get(organizations::get_project).put(organizations::update_project).delete(organizations::delete_project),
        )
        .route("/ng/api/settings", get(settings::list).put(settings::update))
        .route("/ng/api/settings/{identifier}", get(settings::get))
        .route("/ci/execution-config", get(execution_config::list_deprecated).delete(execution_config::delete))
        .route("/ci/execution-config/", get(execution_config::list_deprecated).delete(execution_config::delete))
        .route("/ci/execution-config/get-default-config", get(execution_config::get_default))
        .route("/ci/execution-config/get-customer-config", get(execution_config::get_of_account))
        .route("/ci/execution-config/get-deprecated-config", get(execution_config::get_deprecated))
        .route("/ci/execution-config/update-config", post(execution_config::update))
        .route("/ci/execution-config/reset-config", post(execution_config::reset))
        .route("/ng/api/delegate-setup/listDelegates", post(delegates::list))
        .route("/ng/api/delegate-setup/delegate/{identifier}", delete(delegates::delete))
        .route("/ng/api/delegate-group-tags/delegate-groups", post(delegates::groups_with_tags))
        .route(
            "/ng/api/delegate-group-tags/{identifier}",
            get(delegates::tags).post(delegates::add_tags).put(delegates::set_tags).delete(delegates::clear_tags),
        )
        .route(
            "/ng/api/delegate-token-ng",
            get(delegates::list_tokens)
                .post(delegates::create_token)
                .put(delegates::revoke_token)
                .delete(delegates::delete_token),
        )
        .route("/ng/api/delegate-token-ng/delegate-groups", get(delegates::groups_of_token))
        .merge(delegates::manager_routes())
        .route("/pipeline/api/pipelines", post(pipelines::create_v1))
        .route("/pipeline/api/pipelines/v2", post(pipelines::create))
        .route("/pipeline/api/pipelines/v2/{identifier}", put(pipelines::update).get(pipelines::get))
        .route("/pipeline/api/pipelines/list", post(pipelines::list))
        .route("/pipeline/api/pipelines/summary/{identifier}", get(pipelines::summary))
        .route(
            "/pipeline/api/pipelines/{identifier}",
            get(pipelines::get).put(pipelines::update_v1).delete(pipelines::delete),
        )
        .route("/pipeline/api/pipeline/execute/{identifier}", post(executions::execute))
        .route("/pipeline/api/pipeline/execute/interrupt/{planExecutionId}", put(executions::interrupt))
        .route("/pipeline/api/pipelines/execution/summary", post(executions::list))
        .route("/pipeline/api/pipelines/execution/v2/{planExecutionId}", get(executions::get))
        .route("/pipeline/api/pipelines/execution/{planExecutionId}", get(executions::get))
        .route("/log-service/blob/download", post(logs::download))
        .route("/log-service/blob", get(logs::blob))
        .route("/log-service/storage/logs.zip", get(logs::archive));
    Router::new()
        .nest("/gateway", api.clone())
        .merge(api)
        .fallback(envelope::no_such_path)
        .method_not_allowed_fallback(envelope::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(platform.clone(), exchange::around))
        .with_state(platform)
}

/// How the journal calls a request: by its route.
pub(super) fn operation(method: &Method, route: &str) -> &'static str {
    let route = route.strip_prefix("/gateway").unwrap_or(route);
    match (method.as_str(), route) {
        ("POST", "/ng/api/connectors") => "connectors.create",
        ("PUT", "/ng/api/connectors") => "connectors.update",
        ("GET", "/ng/api/connectors") | (_, "/ng/api/connectors/listV2") => "connectors.list",
        (_, "/ng/api/connectors/validateUniqueIdentifier") => "connectors.validate-unique-identifier",
        (_, "/ng/api/connectors/testConnection/{identifier}") => "connectors.test-connection",
        (_, "/ng/api/connectors/testGitRepoConnection/{identifier}") => "connectors.test-git-connection",
        (_, "/ng/api/connectors/listbyfqn") => "connectors.list-by-name",
        (_, "/ng/api/connectors/stats") => "connectors.stats",
        (_, "/ng/api/connectors/catalogue") => "connectors.catalogue",
        (_, "/ng/api/connectors/fieldValues") => "connectors.field-values",
        ("DELETE", "/ng/api/connectors/{identifier}") => "connectors.delete",
        (_, "/ng/api/connectors/{identifier}") => "connectors.get",
        ("GET", "/ng/api/v2/secrets") => "secrets.list",
        (_, "/ng/api/v2/secrets" | "/ng/api/v2/secrets/yaml" | "/ng/api/v2/secrets/files") => "secrets.create",
        (_, "/ng/api/v2/secrets/{identifier}/yaml" | "/ng/api/v2/secrets/files/{identifier}") => "secrets.update",
        (_, "/ng/api/v2/secrets/validate") => "secrets.validate",
        (_, "/ng/api/v2/secrets/validateUniqueIdentifier/{identifier}") => "secrets.validate-unique-identifier",
        (_, "/ng/api/v2/secrets/list") => "secrets.list",
        ("PUT", "/ng/api/v2/secrets/{identifier}") => "secrets.update",
        ("DELETE", "/ng/api/v2/secrets/{identifier}") => "secrets.delete",
        (_, "/ng/api/v2/secrets/{identifier}") => "secrets.get",
        ("POST", "/ng/api/organizations") => "organizations.create",
        (_, "/ng/api/organizations") => "organizations.list",
        ("PUT", "/ng/api/organizations/{identifier}") => "organizations.update",
        ("DELETE", "/ng/api/organizations/{identifier}") => "organizations.delete",
        (_, "/ng/api/organizations/{identifier}") => "organizations.get",
        ("POST", "/ng/api/projects") => "projects.create",
        (_, "/ng/api/projects") => "projects.list",
        ("PUT", "/ng/api/projects/{identifier}") => "projects.update",
        ("DELETE", "/ng/api/projects/{identifier}") => "projects.delete",
        (_, "/ng/api/projects/{identifier}") => "projects.get",
        ("PUT", "/ng/api/settings") => "settings.update",
        (_, "/ng/api/settings") => "settings.list",
        (_, "/ng/api/settings/{identifier}") => "settings.get",
        ("DELETE", "/ci/execution-config" | "/ci/execution-config/") => "images.delete",
        (_, "/ci/execution-config" | "/ci/execution-config/") => "images.list-deprecated",
        (_, "/ci/execution-config/get-default-config") => "images.get-default",
        (_, "/ci/execution-config/get-customer-config") => "images.get",
        (_, "/ci/execution-config/get-deprecated-config") => "images.get-deprecated",
        (_, "/ci/execution-config/update-config") => "images.update",
        (_, "/ci/execution-config/reset-config") => "images.reset",
        (_, "/ng/api/delegate-setup/listDelegates") => "delegates.list",
        (_, "/ng/api/delegate-setup/delegate/{identifier}") => "delegates.delete",
        (_, "/ng/api/delegate-group-tags/delegate-groups") => "delegate-tags.groups",
        ("GET", "/ng/api/delegate-group-tags/{identifier}") => "delegate-tags.get",
        (_, "/ng/api/delegate-group-tags/{identifier}") => "delegate-tags.change",
        ("POST", "/ng/api/delegate-token-ng") => "delegate-tokens.create",
        ("PUT", "/ng/api/delegate-token-ng") => "delegate-tokens.revoke",
        ("DELETE", "/ng/api/delegate-token-ng") => "delegate-tokens.delete",
        (_, "/ng/api/delegate-token-ng") => "delegate-tokens.list",
        (_, "/ng/api/delegate-token-ng/delegate-groups") => "delegate-tokens.groups",
        (_, route) if route.contains("/setup/delegates/") => "delegates.selectors",
        (_, "/pipeline/api/pipelines/v2" | "/pipeline/api/pipelines") => "pipelines.create",
        ("PUT", "/pipeline/api/pipelines/v2/{identifier}" | "/pipeline/api/pipelines/{identifier}") => {
            "pipelines.update"
        }
        (_, "/pipeline/api/pipelines/list") => "pipelines.list",
        (_, "/pipeline/api/pipelines/summary/{identifier}") => "pipelines.summary",
        ("DELETE", "/pipeline/api/pipelines/{identifier}") => "pipelines.delete",
        (_, "/pipeline/api/pipelines/v2/{identifier}" | "/pipeline/api/pipelines/{identifier}") => "pipelines.get",
        (_, "/pipeline/api/pipeline/execute/{identifier}") => "pipelines.execute",
        (_, "/pipeline/api/pipeline/execute/interrupt/{planExecutionId}") => "executions.interrupt",
        (_, "/pipeline/api/pipelines/execution/summary") => "executions.list",
        (
            _,
            "/pipeline/api/pipelines/execution/v2/{planExecutionId}"
            | "/pipeline/api/pipelines/execution/{planExecutionId}",
        ) => "executions.get",
        (_, "/log-service/blob/download" | "/log-service/blob" | "/log-service/storage/logs.zip") => "logs.get",
        _ => "unknown",
    }
}
