//! One stage from end to end: connector, containers, names, logins, delegate.

use oci::{ImageReference, Principal};
use testbed::{Seed, journal::ConnectorReason, task::Credentials};

use super::{
    ImageResolution, InternalImages, ResolveError, StageResolution,
    choose::{choose_connector, look_up},
    compose::compose_image,
    containers::{Container, Origin, list_containers, rewrite_on_hosted},
    warnings::collect_warnings,
};
use crate::{
    account::{Account, Connector, DockerAuth, Scope},
    delegate::select_delegate,
    pipeline::{Infrastructure, Pipeline, Stage},
};

/// What each stage of `pipeline` gets from `account`. Stages that need no containers are left out. `seed` shuffles the
/// delegates.
pub fn resolve_pipeline(pipeline: &Pipeline, account: &Account, seed: Seed) -> Vec<StageResolution> {
    let needs = |stage: &&Stage| stage.infrastructure != Infrastructure::NoContainers;
    pipeline.stages.iter().filter(needs).map(|stage| resolve_stage(pipeline, stage, account, seed)).collect()
}

/// What one stage of `pipeline` gets from `account`.
pub fn resolve_stage(pipeline: &Pipeline, stage: &Stage, account: &Account, seed: Seed) -> StageResolution {
    let chosen = if stage.infrastructure == Infrastructure::Missing {
        Err(ResolveError::NoInfrastructure)
    } else {
        choose_connector(account, &stage.infrastructure, &pipeline.scope)
    };
    let (choice, internal) = match chosen {
        Ok((choice, connector)) => (Ok(choice), connector),
        Err(error) => (Err(error), None),
    };
    let mut images = Vec::new();
    let mut failure = None;
    let mut warnings = Vec::new();
    if let Ok(choice) = &choice {
        warnings = collect_warnings(account, &stage.infrastructure, internal.as_ref());
        let context =
            Context { account, scope: &pipeline.scope, stage, internal: internal.as_ref(), because: choice.because };
        failure = context.resolve_images(&mut images).and_then(|()| context.check_hosted()).err();
    }
    let delegate = match stage.infrastructure {
        Infrastructure::Cloud | Infrastructure::Missing | Infrastructure::NoContainers => Ok(None),
        _ => {
            let selectors = task_selectors(pipeline, stage, account);
            let mut random = seed.stream(&format!("delegates of stage {}", stage.identifier));
            select_delegate(&account.delegates(), &pipeline.scope, &selectors, &mut random)
                .map(|delegate| Some(delegate.name))
                .map_err(|error| error.to_string())
        }
    };
    StageResolution {
        stage: stage.identifier.clone(),
        name: stage.name.clone(),
        infrastructure: stage.infrastructure.kind(),
        choice,
        failure,
        images,
        delegate,
        warnings,
    }
}

/// The stage's selectors, else the pipeline's, else those of the cluster's connector, else none. A cluster connector that
/// does not exist is tolerated: there is no cluster here that it could lead to.
fn task_selectors(pipeline: &Pipeline, stage: &Stage, account: &Account) -> Vec<String> {
    [&stage.delegate_selectors, &pipeline.delegate_selectors]
        .into_iter()
        .find(|selectors| !selectors.is_empty())
        .cloned()
        .or_else(|| {
            let (_, cluster) = look_up(account, stage.infrastructure.cluster()?, &pipeline.scope).ok()?;
            Some(cluster.delegate_selectors())
        })
        .unwrap_or_default()
}

struct Context<'a> {
    account: &'a Account,
    scope: &'a Scope,
    stage: &'a Stage,
    internal: Option<&'a Connector>,
    because: ConnectorReason,
}

impl Context<'_> {
    fn resolve_images(&self, images: &mut Vec<ImageResolution>) -> Result<(), ResolveError> {
        let names = InternalImages::new(self.account.image_overrides(), self.stage.infrastructure.is_kubernetes());
        for container in list_containers(self.stage, &names) {
            images.push(self.resolve_image(container)?);
        }
        Ok(())
    }

    fn resolve_image(&self, container: Container) -> Result<ImageResolution, ResolveError> {
        let Container { name, image, origin, pull_policy } = container;
        let found;
        let (connector, why) = match &origin {
            Origin::Internal => (self.internal, self.because.to_string()),
            Origin::Step { connector: Some(text), .. } => {
                found = look_up(self.account, text, self.scope)?.1;
                (Some(&found), String::from("step-connector"))
            }
            Origin::Step { connector: None, .. } => (None, String::from("no-step-connector")),
        };
        if connector.is_some_and(|connector| connector.kind() == "Aws") {
            return Err(ResolveError::Ecr { image });
        }
        let (after, how) = if matches!(origin, Origin::Step { as_is: true, .. }) {
            (image.clone(), "the name is passed on as it is")
        } else {
            let composed = compose_image(connector, &image)?;
            (composed.image, composed.how)
        };
        let login = connector.map(|connector| self.log_in(connector)).transpose()?.flatten();
        let tried_first = if login.is_none() { rewrite_on_hosted(&self.stage.infrastructure, &after) } else { None };
        let asked: Option<ImageReference> = tried_first.as_ref().unwrap_or(&after).parse().ok();
        let login =
            login.filter(|_| connector.zip(asked.as_ref()).is_some_and(|(connector, asked)| is_for(connector, asked)));
        Ok(ImageResolution {
            container: name,
            internal: origin == Origin::Internal,
            before: image,
            pull_policy,
            after,
            tried_first,
            connector: connector.map(|connector| connector.reference().written()),
            because: format!("{why}: {how}"),
            host: asked.as_ref().map(|asked| String::from(asked.host().api_host())),
            path: asked.as_ref().map(|asked| format!("/v2/{}/manifests/{}", asked.repository(), asked.reference())),
            credentials: login.as_ref().map_or(Principal::Anonymous, |login| login.username.clone().into()),
            login,
        })
    }

    /// The login of a connector; none if it is anonymous.
    fn log_in(&self, connector: &Connector) -> Result<Option<Credentials>, ResolveError> {
        let Some(DockerAuth::UsernamePassword { username, username_ref, password_ref }) =
            connector.docker().map(|docker| &docker.auth)
        else {
            return Ok(None);
        };
        let identifier = || connector.identifier.clone();
        let secret = |text: &str| self.account.secret_value(text, &connector.scope);
        let username = username
            .clone()
            .or_else(|| username_ref.as_deref().and_then(secret).map(|secret| String::from(secret.expose())))
            .unwrap_or_default();
        let username = username.parse().map_err(|_| ResolveError::EmptyUsername { identifier: identifier() })?;
        let password = secret(password_ref).filter(|password| !password.expose().is_empty());
        let password = password.ok_or_else(|| ResolveError::EmptyPassword { identifier: identifier() })?;
        Ok(Some(Credentials { username, password }))
    }

    /// On Harness Cloud the connectors of steps must go through the platform. The default one is not looked at.
    fn check_hosted(&self) -> Result<(), ResolveError> {
        if self.stage.infrastructure != Infrastructure::Cloud {
            return Ok(());
        }
        let mut connectors = Vec::new();
        for text in self.stage.steps.iter().filter_map(|step| step.connector.as_deref()) {
            let (reference, connector) = look_up(self.account, text, self.scope)?;
            if connector.execute_on_delegate() && !connectors.contains(&reference.identifier) {
                connectors.push(reference.identifier);
            }
        }
        if connectors.is_empty() { Ok(()) } else { Err(ResolveError::Hosted { connectors }) }
    }
}

/// Whether the pull secret of `connector` is for `image`: container runtimes keep logins by host, and Docker Hub has
/// several names.
fn is_for(connector: &Connector, image: &ImageReference) -> bool {
    const HUB: [&str; 4] = ["index.docker.io", "registry.hub.docker.com", "docker.io", "registry-1.docker.io"];
    let host = connector.docker().and_then(|docker| docker.host()).unwrap_or_default();
    host == image.host().as_str() || (image.host().is_docker_hub() && HUB.contains(&host.as_str()))
}
