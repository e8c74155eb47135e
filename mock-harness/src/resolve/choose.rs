//! Which connector Harness's own images come through: the decision table.
//!
//! Source: facts/harness A1 (rules 1 to 5), A2 (where the override may live), A3 (edge cases).

use testbed::journal::{ConnectorChoice, ConnectorReason};

use super::ResolveError;
use crate::{
    account::{Account, Connector, EntityRef, Scope, secret_not_found},
    config::DockerRuntimeOverride,
    pipeline::Infrastructure,
};

/// What a connector may be, beside `DockerRegistry`, to be accepted for images: facts A3.
const KNOWN_TYPES: [&str; 12] = [
    "DockerRegistry",
    "K8sCluster",
    "Git",
    "Github",
    "Gitlab",
    "Bitbucket",
    "AzureRepo",
    "Codecommit",
    "Gcp",
    "Aws",
    "Azure",
    "Artifactory",
];

/// The choice for a stage on `infrastructure`, and the connector itself.
///
/// # Errors
/// The override cannot be read or does not lead to a usable connector; or the default one exists and is not usable. That the
/// default one does not exist is no error: names stay bare.
pub fn choose_connector(
    account: &Account,
    infrastructure: &Infrastructure,
    scope: &Scope,
) -> Result<(ConnectorChoice, Option<Connector>), ResolveError> {
    if let Some(text) = stage_override(account, infrastructure) {
        let (reference, connector) = look_up(account, text, scope)?;
        let choice = ConnectorChoice { connector: Some(reference.written()), because: ConnectorReason::StageOverride };
        return Ok((choice, Some(connector)));
    }
    let none = |because| Ok((ConnectorChoice { connector: None, because }, None));
    let Some(setting) = account.default_internal_image_connector() else {
        return none(ConnectorReason::NoDefaultConfigured);
    };
    // The setting is the account's: nothing of organisation and project is visible from here.
    match look_up(account, setting, &Scope::account()) {
        Ok((reference, connector)) => {
            let because = ConnectorReason::AccountDefault;
            Ok((ConnectorChoice { connector: Some(reference.written()), because }, Some(connector)))
        }
        Err(ResolveError::NotFound { .. }) => none(ConnectorReason::NoAccountConnector),
        Err(error) => Err(error),
    }
}

/// The connector that `text` means in an entity of `scope`.
pub(super) fn look_up(account: &Account, text: &str, scope: &Scope) -> Result<(EntityRef, Connector), ResolveError> {
    let reference = EntityRef::parse(text, scope)?;
    let level = reference.scope.level();
    let identifier = reference.identifier.clone();
    let Some(connector) = account.connector(&reference) else {
        return Err(ResolveError::NotFound { identifier, level });
    };
    if !KNOWN_TYPES.contains(&connector.kind()) {
        return Err(ResolveError::UnexpectedType { kind: String::from(connector.kind()) });
    }
    for (_, secret) in connector.secret_refs() {
        if account.secret_value(secret, &connector.scope).is_none() {
            let missing = secret.rsplit('.').next().unwrap_or(secret);
            return Err(ResolveError::Lookup { identifier, level, error: secret_not_found(missing) });
        }
    }
    Ok((reference, connector))
}

/// The override that counts. On Kubernetes an empty text counts too, and is an error; elsewhere it is none.
fn stage_override<'a>(account: &Account, infrastructure: &'a Infrastructure) -> Option<&'a str> {
    let not_empty = |text: &'a Option<String>| text.as_deref().filter(|text| !text.is_empty());
    match infrastructure {
        Infrastructure::Kubernetes { image_connector, .. } => image_connector.as_deref(),
        Infrastructure::VmPool { image_connector } | Infrastructure::ContainerStepGroup { image_connector, .. } => {
            not_empty(image_connector)
        }
        Infrastructure::Docker { image_connector } => match account.behaviour().docker_runtime_override {
            DockerRuntimeOverride::Honoured => not_empty(image_connector),
            DockerRuntimeOverride::Ignored => None,
        },
        Infrastructure::Cloud | Infrastructure::Missing | Infrastructure::NoContainers => None,
    }
}
