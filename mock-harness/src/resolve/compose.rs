//! How a connector changes an image's name.
//!
//! Source: facts/harness A5.

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
    let unchanged = |how| Ok(Composed { image: String::from(image), how });
    let Some(connector) = connector else { return unchanged("the name stays bare") };
    let Some(docker) = connector.docker() else {
        return unchanged("the name stays bare, because the connector is no DockerRegistry");
    };
    let malformed = || ResolveError::MalformedUrl { url: docker.url.clone(), identifier: connector.identifier.clone() };
    let (host, path) = docker.host_and_path().ok_or_else(malformed)?;
    if docker.is_docker_hub() {
        return unchanged("the name stays bare, because the connector is Docker Hub's");
    }
    if image.contains(host) {
        return unchanged("the name stays, because it has the connector's host in it");
    }
    let path = path.trim_end_matches('/');
    let name = image.trim_start_matches('/');
    Ok(Composed { image: format!("{host}{path}/{name}"), how: "the connector's host and path come in front" })
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
