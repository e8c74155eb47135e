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
    account::{Account, Connector, EntityRef, LoginError, Scope},
    delegate::DelegateTask,
    pipeline::{Infrastructure, Pipeline, Stage},
};

/// What each stage of `pipeline` gets from `account`. Stages that need no containers are left out, unless there is something
/// to be warned of. `seed` shuffles the delegates.
pub fn resolve_pipeline(pipeline: &Pipeline, account: &Account, seed: Seed) -> Vec<StageResolution> {
    let needs = |stage: &&Stage| stage.infrastructure != Infrastructure::NoContainers || !stage.warnings.is_empty();
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
    let mut warnings = stage.warnings.clone();
    if let Ok(choice) = &choice {
        if stage.infrastructure != Infrastructure::NoContainers {
            warnings.extend(collect_warnings(account, stage, internal.as_ref()));
        }
        let context =
            Context { account, scope: &pipeline.scope, stage, internal: internal.as_ref(), because: choice.because };
        failure = context.check_hosted(pipeline).and_then(|()| context.resolve_images(&mut images)).err();
    }
    let delegate = match stage.infrastructure {
        Infrastructure::Cloud | Infrastructure::Missing | Infrastructure::NoContainers => Ok(None),
        _ => {
            let selectors = task_selectors(pipeline, stage, account);
            let mut random = seed.stream(&format!("delegates of stage {}", stage.identifier));
            let task = DelegateTask::initialize(&pipeline.scope, &selectors);
            let selected = account.select_delegate(&task, &mut random);
            selected.map(|delegate| Some(delegate.name.clone())).map_err(|error| error.to_string())
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
        let account = self.account;
        let is_kubernetes = self.stage.infrastructure.is_kubernetes();
        let overrides = account.image_overrides(is_kubernetes);
        let names = InternalImages::new(account.world(), &overrides, is_kubernetes);
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
        let is_aws = connector.is_some_and(|connector| connector.kind() == "Aws");
        if is_aws && self.stage.infrastructure.is_kubernetes() && !is_of_ecr(&image) {
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

    fn log_in(&self, connector: &Connector) -> Result<Option<Credentials>, ResolveError> {
        let identifier = connector.identifier.clone();
        self.account.login_of(connector).map_err(|error| match error {
            LoginError::EmptyPassword => ResolveError::EmptyPassword { identifier },
            LoginError::EmptyUsername | LoginError::Username(_) => ResolveError::EmptyUsername { identifier },
            LoginError::SecretGone { .. } => {
                ResolveError::Lookup { identifier, level: connector.scope.level(), error: error.to_string() }
            }
        })
    }

    /// On Harness Cloud the connectors of steps and services, and the codebase's if it is cloned, must go through the
    /// platform. The default one is not looked at. One that does not exist is told where an image needs it.
    fn check_hosted(&self, pipeline: &Pipeline) -> Result<(), ResolveError> {
        if self.stage.infrastructure != Infrastructure::Cloud {
            return Ok(());
        }
        let steps = self.stage.steps.iter().filter_map(|step| step.own_connector.as_deref());
        let codebase = pipeline.codebase_connector.as_deref().filter(|_| self.stage.clone_codebase);
        let mut connectors = Vec::new();
        for text in steps.chain(codebase) {
            let Some((reference, connector)) = EntityRef::parse(text, self.scope)
                .ok()
                .and_then(|reference| self.account.connector(&reference).map(|connector| (reference, connector)))
            else {
                continue;
            };
            if connector.execute_on_delegate() && !connectors.contains(&reference.identifier) {
                connectors.push(reference.identifier);
            }
        }
        if connectors.is_empty() { Ok(()) } else { Err(ResolveError::Hosted { connectors }) }
    }
}

/// Whether `image` is of a private registry of Amazon's: `<account>.dkr.ecr.<region>.amazonaws.com`. For others the delegate
/// can make no pull secret of an AWS connector.
fn is_of_ecr(image: &str) -> bool {
    let host = image.split_once('/').map_or("", |(host, _)| host);
    let Some((account, region)) = host.strip_suffix(".amazonaws.com").and_then(|rest| rest.split_once(".dkr.ecr."))
    else {
        return false;
    };
    !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit()) && !region.is_empty()
}

/// Whether the pull secret of `connector` is for `image`: container runtimes keep logins by host, and Docker Hub has
/// several names.
fn is_for(connector: &Connector, image: &ImageReference) -> bool {
    let Some(docker) = connector.docker() else { return false };
    let host = docker.host().unwrap_or_default();
    let is_docker_hub = docker.is_docker_hub() || matches!(host, "docker.io" | "registry-1.docker.io");
    host.eq_ignore_ascii_case(image.host().as_str()) || (image.host().is_docker_hub() && is_docker_hub)
}
