//! Which connector Harness's own images come through: the decision table.
//!
//! Source: facts/harness A1 (rules 1 to 5), A2 (where the override may live), A3 (edge cases).

use serde::Serialize;
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

/// A rule of the decision table that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleTried {
    /// Its number.
    pub rule: u8,
    /// What it saw, and what came of that.
    pub saw: String,
    /// What came of it.
    pub outcome: RuleOutcome,
}

/// What came of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleOutcome {
    /// It decided.
    Decides,
    /// It has nothing to say.
    Passes,
    /// The stage fails by it.
    Fails,
}

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
    choose_and_tell(account, infrastructure, scope, &mut Vec::new())
}

/// The same, with the rules that were tried.
pub(super) fn choose_and_tell(
    account: &Account,
    infrastructure: &Infrastructure,
    scope: &Scope,
    rules: &mut Vec<RuleTried>,
) -> Result<(ConnectorChoice, Option<Connector>), ResolveError> {
    let mut tell = |rule, outcome, saw: String| rules.push(RuleTried { rule, saw, outcome });
    if let Some(text) = stage_override(account, infrastructure) {
        let found = look_up(account, text, scope);
        let (outcome, came) = match &found {
            Ok((reference, connector)) => (RuleOutcome::Decides, told_of(reference, connector)),
            Err(error) => (RuleOutcome::Fails, error.to_string()),
        };
        tell(1, outcome, format!("the stage says `harnessImageConnectorRef: {text}`: {came}"));
        let (reference, connector) = found?;
        let choice = ConnectorChoice { connector: Some(reference.written()), because: ConnectorReason::StageOverride };
        return Ok((choice, Some(connector)));
    }
    tell(1, RuleOutcome::Passes, why_no_override(infrastructure));
    let none = |because| Ok((ConnectorChoice { connector: None, because }, None));
    let Some(setting) = account.default_internal_image_connector() else {
        tell(2, RuleOutcome::Passes, String::from("the platform's setting `defaultInternalImageConnector` is empty"));
        tell(5, RuleOutcome::Decides, String::from("no connector: names stay bare"));
        return none(ConnectorReason::NoDefaultConfigured);
    };
    // The setting is the account's: nothing of organisation and project is visible from here.
    match look_up(account, setting, &Scope::account()) {
        Ok((reference, connector)) => {
            let came = told_of(&reference, &connector);
            tell(2, RuleOutcome::Decides, format!("the platform's setting is `{setting}`: {came}"));
            let because = ConnectorReason::AccountDefault;
            Ok((ConnectorChoice { connector: Some(reference.written()), because }, Some(connector)))
        }
        Err(ResolveError::NotFound { .. }) => {
            tell(2, RuleOutcome::Passes, format!("the platform's setting is `{setting}`, and the account has none"));
            tell(3, RuleOutcome::Decides, String::from("that it is missing is swallowed: names stay bare"));
            none(ConnectorReason::NoAccountConnector)
        }
        Err(error) => {
            let saw = format!("the platform's setting is `{setting}`, and it cannot be used: {error}");
            tell(4, RuleOutcome::Fails, saw);
            Err(error)
        }
    }
}

fn told_of(reference: &EntityRef, connector: &Connector) -> String {
    let what = connector.docker().map_or("changes no name", |docker| &docker.url);
    format!("the {}'s {}, {what}", reference.scope.level().word(), connector.kind())
}

fn why_no_override(infrastructure: &Infrastructure) -> String {
    let text = match infrastructure {
        Infrastructure::Cloud => "Harness Cloud has no field for an override",
        Infrastructure::Docker { image_connector: Some(_) } => {
            "the stage has `harnessImageConnectorRef` in a Docker runtime, where it is not looked at"
        }
        Infrastructure::VmPool { image_connector: Some(_) }
        | Infrastructure::ContainerStepGroup { image_connector: Some(_), .. } => {
            "the stage's `harnessImageConnectorRef` is empty, which counts as none here"
        }
        _ => "the stage has no `harnessImageConnectorRef`",
    };
    String::from(text)
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
