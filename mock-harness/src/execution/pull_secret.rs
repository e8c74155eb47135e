//! What a container runtime logs in with for an image. Its password is never written.
//!
//! Source: facts/harness A7.

use serde::Serialize;

use crate::account::{Account, EntityRef, Scope};

/// What goes with an image whose connector has a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PullSecret {
    /// In a pod: a secret of the cluster, one for each container.
    #[serde(rename_all = "camelCase")]
    Secret {
        /// `<pod>-image-<container>`.
        name: String,
        /// `kubernetes.io/dockercfg`.
        #[serde(rename = "type")]
        kind: &'static str,
        /// The key of its data: `.dockercfg`.
        key: &'static str,
        /// What that JSON object is keyed by: the connector's URL, as it is written there.
        registry: String,
        /// The user name in it.
        username: String,
    },
    /// On a machine: the login that goes with the step.
    #[serde(rename_all = "camelCase")]
    Login {
        /// The connector's URL; that of Docker Hub in an older form.
        registry: String,
        /// The user name.
        username: String,
    },
}

/// What goes with the image of `container` through the connector written `connector` in an entity of `scope`; in the pod
/// `pod` if it is in one.
pub(super) fn pull_secret(
    account: &Account,
    scope: &Scope,
    connector: &str,
    container: &str,
    pod: Option<&str>,
) -> Option<PullSecret> {
    let connector = account.connector(&EntityRef::parse(connector, scope).ok()?)?;
    let url = connector.docker()?.url.clone();
    let login = account.login_of(&connector).ok()??;
    let username = login.username.to_string();
    Some(match pod {
        Some(pod) => PullSecret::Secret {
            name: format!("{pod}-image-{container}"),
            kind: "kubernetes.io/dockercfg",
            key: ".dockercfg",
            registry: url,
            username,
        },
        None => {
            let is_hub = url == "https://index.docker.io/v2/";
            let registry = if is_hub { String::from("https://index.docker.io/v1/") } else { url };
            PullSecret::Login { registry, username }
        }
    })
}
