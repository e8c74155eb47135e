//! What people do with connectors that does not do what they mean.
//!
//! Source: facts/harness A3 (wrong type, wrong level), A5 (broken URLs), F and G (ended and mistaken registries).

use url::Url;

use super::containers::is_image_known;
use crate::{
    account::{Account, Connector, DockerSpec, EntityRef, Scope},
    pipeline::{Infrastructure, Stage, Step},
};

/// The warnings about the connector that a stage's own images go through, about the one that it does not see, and about
/// steps whose images are not known.
pub(super) fn collect_warnings(account: &Account, stage: &Stage, connector: Option<&Connector>) -> Vec<String> {
    let mut warnings = Vec::new();
    match connector {
        None => warnings.extend(warn_of_hidden_default(account)),
        Some(connector) => match connector.docker() {
            None => warnings.push(format!(
                "connector `{}` is a {}, not a DockerRegistry: it is accepted and changes nothing, so images come from \
                 Docker Hub without a login",
                connector.reference().written(),
                connector.kind(),
            )),
            Some(docker) => warn_of_url(&connector.reference().written(), docker, &mut warnings),
        },
    }
    if let Infrastructure::Docker { image_connector: Some(_) } = &stage.infrastructure {
        warnings.push(String::from(
            "`harnessImageConnectorRef` in a Docker runtime is in newer schemas, and whether it counts is not known: see \
             the switch `docker-runtime-override`",
        ));
    }
    let unknown = stage.steps.iter().filter(|step| !is_image_known(step));
    warnings.extend(
        unknown.map(|Step { identifier, kind, .. }| {
            format!("step `{identifier}` of type `{kind}`: its image is not known")
        }),
    );
    warnings
}

fn warn_of_url(connector: &str, docker: &DockerSpec, warnings: &mut Vec<String>) {
    let Ok(url) = Url::parse(&docker.url) else { return };
    let (host, path) = (url.host_str().unwrap_or_default(), url.path().trim_end_matches('/'));
    let mut warn = |text: String| warnings.push(format!("connector `{connector}`: {text}"));
    match host {
        "hub.docker.com" => warn(String::from(
            "`hub.docker.com` is Docker Hub's web site, not its registry; use `https://index.docker.io/v2/`",
        )),
        "gallery.ecr.aws" => warn(String::from(
            "`gallery.ecr.aws` is the web site of Amazon's public registry; use `https://public.ecr.aws/harness`",
        )),
        "app.harness.io" if path == "/registry" => warn(String::from(
            "the registry `app.harness.io/registry` was deprecated on 15 Feb 2024 and ended on 15 May 2024",
        )),
        _ if docker.is_docker_hub() => return,
        _ => {}
    }
    if path.split('/').any(|segment| segment == "v2") {
        warn(format!(
            "the path `{path}` becomes a part of the repository's name, and registries do not have such a repository; \
             leave `/v2` out"
        ));
    }
}

/// The account lacks the default connector, and an organisation or a project has one of that name.
fn warn_of_hidden_default(account: &Account) -> Option<String> {
    let setting = account.default_internal_image_connector()?;
    let wanted = EntityRef::parse(setting, &Scope::account()).ok()?.identifier;
    let EntityRef { scope, .. } = account.connector_below_account(&wanted)?;
    let place = match (&scope.org, &scope.project) {
        (Some(org), Some(project)) => format!("project `{org}/{project}`"),
        (Some(org), None) => format!("organisation `{org}`"),
        _ => return None,
    };
    Some(format!(
        "a connector `{wanted}` exists in {place} only, where it is not looked for: make it at account level, or name it in \
         the stage's `harnessImageConnectorRef`"
    ))
}
