//! How a connector changes an image's name.
//!
//! Source: facts/harness A5.

use std::fmt;

use super::ResolveError;
use crate::account::Connector;

/// A composed name, and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// The name as the container runtime is asked for it.
    pub image: String,
    /// What happened, for people.
    pub how: &'static str,
}

/// The full name of `image` through `connector`: the connector's host and the whole path of its URL in front.
///
/// ```
/// use mock_harness::resolve::compose_image;
///
/// assert_eq!(compose_image(None, "harness/ci-addon:1").unwrap().image, "harness/ci-addon:1");
/// ```
///
/// # Errors
/// The connector's URL is none.
pub fn compose_image(connector: Option<&Connector>, image: &str) -> Result<Composed, ResolveError> {
    compose_and_tell(connector, image, &mut |_| {})
}

/// The same, telling what each step finds; the last one decides.
pub(super) fn compose_and_tell(
    connector: Option<&Connector>,
    image: &str,
    tell: &mut dyn FnMut(fmt::Arguments<'_>),
) -> Result<Composed, ResolveError> {
    let unchanged = |how| Ok(Composed { image: String::from(image), how });
    let Some(connector) = connector else {
        tell(format_args!("there is no connector: `{image}` stays as it is"));
        return unchanged("the name stays bare");
    };
    let Some(docker) = connector.docker() else {
        tell(format_args!("the connector is a {}, no DockerRegistry: `{image}` stays as it is", connector.kind()));
        return unchanged("the name stays bare, because the connector is no DockerRegistry");
    };
    let malformed = || ResolveError::MalformedUrl { url: docker.url.clone(), identifier: connector.identifier.clone() };
    let Some((host, path)) = docker.host_and_path() else {
        tell(format_args!("`{}` is no URL", docker.url));
        return Err(malformed());
    };
    tell(format_args!("of `{}` the host is `{host}`, and the path is `{path}`", docker.url));
    if docker.is_docker_hub() {
        tell(format_args!("`{host}` is one of the two hosts that stand for Docker Hub: `{image}` stays as it is"));
        return unchanged("the name stays bare, because the connector is Docker Hub's");
    }
    if image.contains(host) {
        tell(format_args!("`{image}` has `{host}` in it: it stays as it is"));
        return unchanged("the name stays, because it has the connector's host in it");
    }
    tell(format_args!("`{host}` is none of Docker Hub's two, and not in `{image}`"));
    let path = path.trim_end_matches('/');
    let name = image.trim_start_matches('/');
    let composed = format!("{host}{path}/{name}");
    tell(format_args!("host and whole path come in front: `{composed}`"));
    Ok(Composed { image: composed, how: "the connector's host and path come in front" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testbed::Clock;

    use super::*;
    use crate::account::ConnectorDraft;

    fn check(url: &str, image: &str, expect: &str) {
        let body = json!({ "connector": {
            "name": "x", "identifier": "x", "type": "DockerRegistry",
            "spec": { "dockerRegistryUrl": url, "providerType": "Other", "auth": { "type": "Anonymous" } },
        } });
        let connector = ConnectorDraft::read(&body).unwrap().into_connector(Clock::DEFAULT_START);
        assert_eq!(compose_image(Some(&connector), image).unwrap().image, expect, "{url}");
        let mut steps = Vec::new();
        let told = compose_and_tell(Some(&connector), image, &mut |step| steps.push(step.to_string())).unwrap();
        assert_eq!(told.image, expect, "telling changes nothing");
        assert!(steps.last().unwrap().contains(if expect == image { image } else { expect }), "{steps:?}");
    }

    #[test]
    fn names_are_composed_as_the_table_says() {
        const ADDON: &str = "harness/ci-addon:1.16.33";
        check("https://index.docker.io/v2/", ADDON, ADDON);
        check("https://registry.hub.docker.com", ADDON, ADDON);
        check("https://hub.docker.com", ADDON, "hub.docker.com/harness/ci-addon:1.16.33");
        check("https://docker.io", ADDON, "docker.io/harness/ci-addon:1.16.33");
        check("https://registry-1.docker.io", ADDON, "registry-1.docker.io/harness/ci-addon:1.16.33");
        check("https://app.harness.io/registry", ADDON, "app.harness.io/registry/harness/ci-addon:1.16.33");
        check(
            "https://us-docker.pkg.dev/gar-prod-setup/harness-public",
            ADDON,
            "us-docker.pkg.dev/gar-prod-setup/harness-public/harness/ci-addon:1.16.33",
        );
        check(
            "https://public.ecr.aws/harness",
            "harness/drone-git:1.4.9",
            "public.ecr.aws/harness/harness/drone-git:1.4.9",
        );
        check("https://host.example:5000", ADDON, "host.example:5000/harness/ci-addon:1.16.33");
        check("http://host.example:5000/", ADDON, "host.example:5000/harness/ci-addon:1.16.33");
        check("https://host.example:443", ADDON, "host.example:443/harness/ci-addon:1.16.33");
        check("http://host.example:80/x/", ADDON, "host.example:80/x/harness/ci-addon:1.16.33");
        check("https://Host.Example/Team", ADDON, "Host.Example/Team/harness/ci-addon:1.16.33");
        check("https://user:p@host.example:/x?y=/z#/w", ADDON, "host.example/x/harness/ci-addon:1.16.33");
        check("https://[::1]:5000", ADDON, "[::1]:5000/harness/ci-addon:1.16.33");
        check("https://host.example/v2/", ADDON, "host.example/v2/harness/ci-addon:1.16.33");
        check("https://host.example", "host.example/team/x:1", "host.example/team/x:1");
        check("https://host.example", "other.example/host.example/x:1", "other.example/host.example/x:1");
        check("https://host.example", "/harness/x:1", "host.example/harness/x:1");
    }
}
