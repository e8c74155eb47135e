//! One stage from end to end: connector, containers, names, logins, delegate.

use oci::{ImageReference, Principal};
use testbed::{Seed, journal::ConnectorReason, task::Credentials};

use super::{
    Explanation, ImageExplanation, ImageResolution, InternalImages, PullSecret, ResolveError, StageResolution, Warning,
    WarningCode,
    choose::{choose_and_tell, look_up},
    compose::{compose_and_tell, compose_image},
    containers::{Container, Origin, list_containers, rewrite_on_hosted},
    delegates::judge_delegates,
    warnings::Findings,
};
use crate::{
    account::{Account, Connector, DockerAuth, EntityRef, LoginError},
    delegate::DelegateTask,
    pipeline::{Infrastructure, Pipeline, Stage},
};

/// What each stage of `pipeline` gets from `account`. Stages that need no containers are left out, unless there is something
/// to be warned of. `seed` shuffles the delegates.
pub fn resolve_pipeline(pipeline: &Pipeline, account: &Account, seed: Seed) -> Vec<StageResolution> {
    let stages = pipeline.stages.iter().filter(|stage| is_told(stage));
    stages.map(|stage| resolve_stage(pipeline, stage, account, seed)).collect()
}

/// The same, each with how it came about.
pub fn explain_pipeline(pipeline: &Pipeline, account: &Account, seed: Seed) -> Vec<StageResolution> {
    let explain = |stage: &Stage| {
        let mut resolution = resolve_stage(pipeline, stage, account, seed);
        let context = Context { account, pipeline, stage };
        resolution.explanation = Some(context.explain(&resolution));
        resolution
    };
    pipeline.stages.iter().filter(|stage| is_told(stage)).map(explain).collect()
}

fn is_told(stage: &Stage) -> bool {
    stage.infrastructure != Infrastructure::NoContainers || !stage.warnings.is_empty()
}

/// What one stage of `pipeline` gets from `account`.
pub fn resolve_stage(pipeline: &Pipeline, stage: &Stage, account: &Account, seed: Seed) -> StageResolution {
    let context = Context { account, pipeline, stage };
    let mut rules = Vec::new();
    let chosen = match stage.infrastructure {
        Infrastructure::Missing => Err(ResolveError::NoInfrastructure),
        _ => choose_and_tell(account, &stage.infrastructure, &pipeline.scope, &mut rules),
    };
    let unknown = stage.warnings.iter().map(|text| Warning::new(WarningCode::UnknownStage, text.as_str()));
    let mut warnings: Vec<_> = unknown.collect();
    let mut images = Vec::new();
    let mut failure = None;
    let choice = match chosen {
        Err(error) => {
            warnings.extend(Findings::warn_of_missing(account, &pipeline.scope, &error));
            Err(error)
        }
        Ok((choice, internal)) => {
            let is_kubernetes = stage.infrastructure.is_kubernetes();
            let overrides = account.image_overrides(is_kubernetes);
            let names = InternalImages::new(account.world(), &overrides, is_kubernetes);
            let mut used: Vec<_> = internal.iter().cloned().collect();
            let found = context.check_hosted().and_then(|()| {
                list_containers(stage, &names).into_iter().try_for_each(|container| {
                    images.push(context.resolve_image(container, internal.as_ref(), choice.because, &mut used)?);
                    Ok(())
                })
            });
            failure = found.err();
            if let Some(failure) = &failure {
                warnings.extend(Findings::warn_of_missing(account, &pipeline.scope, failure));
            }
            if stage.infrastructure != Infrastructure::NoContainers {
                let (internal, used, images, names) = (internal.as_ref(), &used, &images, &names);
                warnings.extend(Findings { account, stage, internal, used, images, names }.collect());
            }
            Ok(choice)
        }
    };
    let (selectors, selectors_from) = context.task_selectors();
    let delegate = if context.needs_delegate() {
        let mut random = seed.stream(&format!("delegates of stage {}", stage.identifier));
        let task = DelegateTask::initialize(&pipeline.scope, &selectors);
        let selected = account.select_delegate(&task, &mut random);
        selected.map(|delegate| Some(delegate.name.clone())).map_err(|error| error.to_string())
    } else {
        Ok(None)
    };
    StageResolution {
        stage: stage.identifier.clone(),
        name: stage.name.clone(),
        span: stage.span,
        infrastructure: stage.infrastructure.kind(),
        choice,
        rules,
        failure,
        images,
        delegate,
        selectors,
        selectors_from,
        warnings,
        explanation: None,
    }
}

struct Context<'a> {
    account: &'a Account,
    pipeline: &'a Pipeline,
    stage: &'a Stage,
}

impl Context<'_> {
    fn needs_delegate(&self) -> bool {
        let infrastructure = &self.stage.infrastructure;
        !matches!(infrastructure, Infrastructure::Cloud | Infrastructure::Missing | Infrastructure::NoContainers)
    }

    /// The stage's selectors, else the pipeline's, else those of the cluster's connector, else none; and which it is. A
    /// cluster connector that does not exist is tolerated: there is no cluster here that it could lead to.
    fn task_selectors(&self) -> (Vec<String>, &'static str) {
        if !self.needs_delegate() {
            return (Vec::new(), "nothing");
        }
        for (selectors, from) in
            [(&self.stage.delegate_selectors, "stage"), (&self.pipeline.delegate_selectors, "pipeline")]
        {
            if !selectors.is_empty() {
                return (selectors.clone(), from);
            }
        }
        let cluster = self.stage.infrastructure.cluster().map(|text| look_up(self.account, text, &self.pipeline.scope));
        let selectors = match cluster {
            Some(Ok((_, cluster))) => cluster.delegate_selectors(),
            _ => Vec::new(),
        };
        let from = if selectors.is_empty() { "nothing" } else { "cluster-connector" };
        (selectors, from)
    }

    fn resolve_image(
        &self,
        container: Container,
        internal: Option<&Connector>,
        because: ConnectorReason,
        used: &mut Vec<Connector>,
    ) -> Result<ImageResolution, ResolveError> {
        let Container { name, image, origin, pull_policy, span } = container;
        let found;
        let (connector, because) = match &origin {
            Origin::Internal => (internal, word(because)),
            Origin::Step { connector: Some(text), .. } => {
                found = look_up(self.account, text, &self.pipeline.scope)?.1;
                if !used.iter().any(|connector| connector.reference() == found.reference()) {
                    used.push(found.clone());
                }
                (Some(&found), "step-connector")
            }
            Origin::Step { connector: None, .. } => (None, "no-step-connector"),
        };
        let is_kubernetes = self.stage.infrastructure.is_kubernetes();
        let is_aws = connector.is_some_and(|connector| connector.kind() == "Aws");
        if is_aws && is_kubernetes && !is_of_ecr(&image) {
            return Err(ResolveError::Ecr { image });
        }
        let (after, how) = if matches!(origin, Origin::Step { as_is: true, .. }) {
            (image.clone(), AS_IS)
        } else {
            let composed = compose_image(connector, &image)?;
            (composed.image, composed.how)
        };
        let login = connector.map(|connector| self.log_in(connector)).transpose()?.flatten();
        let pull_secret = connector.filter(|_| login.is_some()).and_then(|connector| {
            let url = &connector.docker()?.url;
            Some(if is_kubernetes { PullSecret::in_pod(&name, url) } else { PullSecret::on_vm(url) })
        });
        let driver = self.account.behaviour().cloud_driver;
        let tried_first =
            if login.is_none() { rewrite_on_hosted(driver, &self.stage.infrastructure, &after) } else { None };
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
            because,
            how,
            host: asked.as_ref().map(|asked| String::from(asked.host().api_host())),
            path: asked.as_ref().map(|asked| format!("/v2/{}/manifests/{}", asked.repository(), asked.reference())),
            credentials: login.as_ref().map_or(Principal::Anonymous, |login| login.username.clone().into()),
            pull_secret,
            span,
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

    /// The connectors of steps and services, and the codebase's if it is cloned, that exist. One that does not is told where
    /// an image needs it.
    fn hosted_connectors(&self) -> Vec<(EntityRef, Connector)> {
        let steps = self.stage.steps.iter().filter_map(|step| step.own_connector.as_deref());
        let codebase = self.pipeline.codebase_connector.as_deref().filter(|_| self.stage.clone_codebase);
        let mut connectors: Vec<(EntityRef, Connector)> = Vec::new();
        for text in steps.chain(codebase) {
            let Ok(reference) = EntityRef::parse(text, &self.pipeline.scope) else { continue };
            if connectors.iter().any(|(known, _)| *known == reference) {
                continue;
            }
            if let Some(connector) = self.account.connector(&reference) {
                connectors.push((reference, connector));
            }
        }
        connectors
    }

    /// On Harness Cloud these must go through the platform. The default one is not looked at.
    fn check_hosted(&self) -> Result<(), ResolveError> {
        if self.stage.infrastructure != Infrastructure::Cloud {
            return Ok(());
        }
        let mut connectors = Vec::new();
        for (EntityRef { identifier, .. }, connector) in self.hosted_connectors() {
            if connector.execute_on_delegate() && !connectors.contains(&identifier) {
                connectors.push(identifier);
            }
        }
        if connectors.is_empty() { Ok(()) } else { Err(ResolveError::Hosted { connectors }) }
    }

    fn explain(&self, resolution: &StageResolution) -> Explanation {
        let delegates = if self.needs_delegate() {
            judge_delegates(self.account, &self.pipeline.scope, &resolution.selectors)
        } else {
            Vec::new()
        };
        let hosted = if self.stage.infrastructure == Infrastructure::Cloud {
            let told = |(reference, connector): (EntityRef, Connector)| {
                let does = if connector.execute_on_delegate() { "goes through a delegate" } else { "does" };
                format!("{} {does}", reference.written())
            };
            self.hosted_connectors().into_iter().map(told).collect()
        } else {
            Vec::new()
        };
        let images = resolution.images.iter().map(|image| self.explain_image(image)).collect();
        Explanation { images, delegates, hosted }
    }

    fn explain_image(&self, image: &ImageResolution) -> ImageExplanation {
        let reference = image.connector.as_ref().and_then(|text| EntityRef::parse(text, &self.pipeline.scope).ok());
        let connector = reference.and_then(|reference| self.account.connector(&reference));
        let mut name = Vec::new();
        if image.how == AS_IS {
            name.push(format!("a Plugin step passes its image on as it is: `{}`", image.before));
        } else {
            // That it cannot be composed was found before.
            let _ = compose_and_tell(connector.as_ref(), &image.before, &mut |step| name.push(step.to_string()));
        }
        let credentials = match connector.as_ref().map(|connector| (connector, connector.docker())) {
            None => String::from("anonymous: there is no connector"),
            Some((_, None)) => String::from("anonymous: the connector is no registry's"),
            Some((connector, Some(docker))) => match &docker.auth {
                DockerAuth::Anonymous => String::from("anonymous: the connector says so"),
                DockerAuth::UsernamePassword { username_ref, password_ref, .. } => {
                    let user = match username_ref {
                        Some(secret) => format!("the user name is the secret `{secret}`"),
                        None => String::from("the user name stands in the connector"),
                    };
                    let login = format!("{user}, the password is the secret `{password_ref}`");
                    match (&image.login, docker.host()) {
                        (Some(login_as), _) => format!("logs in as {}: {login}", login_as.username),
                        (None, host) => format!(
                            "anonymous: the login of `{}` is for {}, and that is not asked",
                            connector.reference().written(),
                            host.unwrap_or("no host")
                        ),
                    }
                }
            },
        };
        ImageExplanation { container: image.container.clone(), name, credentials }
    }
}

const AS_IS: &str = "the name is passed on as it is";

fn word(because: ConnectorReason) -> &'static str {
    match because {
        ConnectorReason::StageOverride => "stage-override",
        ConnectorReason::AccountDefault => "account-default",
        ConnectorReason::NoAccountConnector => "no-account-connector",
        ConnectorReason::NoDefaultConfigured => "no-default-configured",
    }
}

impl PullSecret {
    fn in_pod(container: &str, url: &str) -> Self {
        Self { name: Some(format!("<pod>-image-{container}")), key: String::from(url) }
    }

    /// On VMs one address is turned into another, and no other.
    fn on_vm(url: &str) -> Self {
        let key = if url == "https://index.docker.io/v2/" { "https://index.docker.io/v1/" } else { url };
        Self { name: None, key: String::from(key) }
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
