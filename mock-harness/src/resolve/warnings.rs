//! What people do with connectors that does not do what they mean.
//!
//! Source: facts/harness A3 (wrong type, wrong level, wrong case), A5 (broken URLs), A10 (hosted stages), C (delegates),
//! F and G (ended and mistaken registries).

use url::Url;

use super::{
    ImageResolution, InternalImages, ResolveError,
    containers::is_image_known,
    delegates::has_all,
    warning::{Warning, WarningCode},
};
use crate::{
    account::{Account, Connector, DockerSpec, EntityRef, Level, Scope},
    config::WorldPreset,
    pipeline::{Infrastructure, Stage},
};

/// What warnings about a stage are found in.
pub(super) struct Findings<'a> {
    pub(super) account: &'a Account,
    pub(super) stage: &'a Stage,
    /// The connector for Harness's own images.
    pub(super) internal: Option<&'a Connector>,
    /// Every connector that an image comes through, that one first.
    pub(super) used: &'a [Connector],
    pub(super) images: &'a [ImageResolution],
    pub(super) names: &'a InternalImages<'a>,
}

impl Findings<'_> {
    /// The warnings, the worst first.
    pub(super) fn collect(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.internal.is_none() {
            warnings.extend(warn_of_hidden_default(self.account));
        }
        for connector in self.used {
            match connector.docker() {
                None => warnings.push(warn_of_type(connector)),
                Some(docker) => warn_of_url(self.account.world(), &name_of(connector), docker, &mut warnings),
            }
            warnings.extend(self.warn_of_delegates(connector));
        }
        warnings.extend(self.warn_of_hosted());
        warnings.extend(self.warn_of_other_use());
        if let Infrastructure::Docker { image_connector: Some(_) } = &self.stage.infrastructure {
            warnings.push(Warning::new(
                WarningCode::DockerRuntimeOverride,
                "`harnessImageConnectorRef` in a Docker runtime is in newer schemas, and whether it counts is not known: \
                 see the switch `docker-runtime-override`",
            ));
        }
        for image in self.images.iter().filter(|image| image.host.is_none()) {
            let (container, after) = (&image.container, &image.after);
            warnings.push(Warning::new(
                WarningCode::ImageName,
                format!("`{after}` of `{container}` is no image reference; container runtimes refuse it"),
            ));
        }
        warnings.extend(self.warn_of_docker_hub());
        for step in self.stage.steps.iter().filter(|step| !is_image_known(step, self.names)) {
            let text = format!("step `{}` of type `{}`: its image is not known", step.identifier, step.kind);
            warnings.push(Warning::new(WarningCode::UnknownImage, text));
        }
        warnings
    }

    /// Nobody has a connector's selectors; or only those have them who may not test an account's connector.
    fn warn_of_delegates(&self, connector: &Connector) -> Option<Warning> {
        let delegates = self.account.delegates();
        if !connector.execute_on_delegate() || delegates.is_empty() {
            return None;
        }
        let (name, selectors) = (name_of(connector), connector.delegate_selectors());
        let fit: Vec<_> = delegates.iter().filter(|delegate| has_all(delegate, &selectors)).collect();
        if fit.is_empty() {
            return Some(Warning::new(
                WarningCode::SelectorsWithoutDelegate,
                format!("connector `{name}`: no delegate has all of its selectors, [{}]", selectors.join(", ")),
            ));
        }
        let is_of_account = connector.scope.level() == Level::Account;
        let nobody = is_of_account && fit.iter().all(|delegate| delegate.owner.level() != Level::Account);
        nobody.then(|| {
            let names: Vec<_> = fit.iter().map(|delegate| delegate.name.as_str()).collect();
            Warning::new(
                WarningCode::ProjectDelegates,
                format!(
                    "connector `{name}` is the account's, and the delegates that could serve it are of organisations and \
                     projects ({}): its connection test finds none",
                    names.join(", ")
                ),
            )
        })
    }

    /// The real check looks at the connectors of steps only; what it says of them holds for this one too.
    fn warn_of_hosted(&self) -> Option<Warning> {
        let connector = self.internal.filter(|connector| connector.execute_on_delegate())?;
        (self.stage.infrastructure == Infrastructure::Cloud).then(|| {
            Warning::new(
                WarningCode::HostedThroughDelegate,
                format!(
                    "connector `{}` goes through a delegate, and hosted builds want connectors that go through the \
                     platform; the check of December 2023 did not look at this one, set `executeOnDelegate: false` anyway",
                    name_of(connector)
                ),
            )
        })
    }

    /// A step pulls an image of its own through the default connector, which is not one of Harness's public registries.
    fn warn_of_other_use(&self) -> Option<Warning> {
        let internal = self.internal?;
        let setting = self.account.default_internal_image_connector()?;
        let is_default =
            EntityRef::parse(setting, &Scope::account()).is_ok_and(|wanted| wanted == internal.reference());
        let docker = internal.docker().filter(|docker| is_default && !is_of_harness(docker))?;
        let name = name_of(internal);
        let is_other = |image: &&ImageResolution| {
            let is_harness_name = image.before.starts_with("harness/") || image.before.starts_with("plugins/");
            !image.internal && !is_harness_name && image.connector.as_ref() == Some(&name)
        };
        let image = self.images.iter().find(is_other)?;
        Some(Warning::new(
            WarningCode::DefaultRepurposed,
            format!(
                "connector `{name}` serves `{}` of step `{}` too: if `{}` is a registry of your own, it must have \
                 Harness's images under their own names, `harness/ci-addon` and the others",
                image.before, image.container, docker.url
            ),
        ))
    }

    fn warn_of_docker_hub(&self) -> Option<Warning> {
        let is_anonymous = |image: &&ImageResolution| {
            image.host.as_deref() == Some("registry-1.docker.io") && image.credentials == oci::Principal::Anonymous
        };
        let n = self.images.iter().filter(is_anonymous).count();
        let text = match n {
            0 => return None,
            1 => String::from("an image comes"),
            n => format!("{n} images come"),
        };
        Some(Warning::new(
            WarningCode::AnonymousDockerHub,
            format!(
                "{text} from Docker Hub without a login, where all pulls of an address count together: 100 in 6 hours"
            ),
        ))
    }

    /// Why an override that leads nowhere may have been written.
    pub(super) fn warn_of_missing(account: &Account, scope: &Scope, error: &ResolveError) -> Option<Warning> {
        let ResolveError::NotFound { identifier, level } = error else { return None };
        let others = account.connectors_called(identifier);
        let in_reach = |reference: &&EntityRef| match reference.scope.level() {
            Level::Account => true,
            Level::Org => reference.scope.org == scope.org,
            Level::Project => reference.scope == *scope,
        };
        let mut others = others.iter().filter(in_reach);
        if let Some(other) = others.clone().find(|other| other.scope.level() == *level) {
            return Some(Warning::new(
                WarningCode::WrongCase,
                format!(
                    "there is a connector `{}`: identifiers are read in the case they are written in",
                    other.written()
                ),
            ));
        }
        let other = others.find(|other| other.identifier == *identifier)?;
        Some(Warning::new(
            WarningCode::OtherLevel,
            format!(
                "there is a connector `{}`: what stands in front of the dot says where it is looked for",
                other.written()
            ),
        ))
    }
}

fn name_of(connector: &Connector) -> String {
    connector.reference().written()
}

fn warn_of_type(connector: &Connector) -> Warning {
    let text = format!(
        "connector `{}` is of type {}, not DockerRegistry: it is accepted and changes nothing, so images come from Docker Hub \
         without a login",
        name_of(connector),
        connector.kind(),
    );
    Warning::new(WarningCode::NotARegistry, text)
}

fn warn_of_url(world: WorldPreset, connector: &str, docker: &DockerSpec, warnings: &mut Vec<Warning>) {
    let Ok(url) = Url::parse(&docker.url) else { return };
    let (host, path) = (url.host_str().unwrap_or_default(), url.path().trim_end_matches('/'));
    let mut warn = |code, text: &str| warnings.push(Warning::new(code, format!("connector `{connector}`: {text}")));
    match host {
        "hub.docker.com" => warn(
            WarningCode::DockerHubWebSite,
            "`hub.docker.com` is Docker Hub's web site, not its registry; use `https://index.docker.io/v2/`",
        ),
        "docker.io" | "registry-1.docker.io" => warn(
            WarningCode::DockerHubPrefixed,
            &format!(
                "Harness does not take `{host}` for Docker Hub's and puts it in front of names; use \
                 `https://index.docker.io/v2/`"
            ),
        ),
        "gallery.ecr.aws" => warn(
            WarningCode::EcrWebSite,
            "`gallery.ecr.aws` is the web site of Amazon's public registry; use `https://public.ecr.aws/harness`",
        ),
        "app.harness.io" if path == "/registry" && world != WorldPreset::Harness2023 => warn(
            WarningCode::EndedRegistry,
            "the registry `app.harness.io/registry` was deprecated on 15 Feb 2024 and ended on 15 May 2024",
        ),
        _ if host.ends_with("docker.pkg.dev") && is_private_gar(path) => warn(
            WarningCode::GarNotPublic,
            "this repository of Harness's at Google is not public, and a token for it is refused with 403; use \
             `https://us-docker.pkg.dev/gar-prod-setup/harness-public`",
        ),
        _ if docker.is_docker_hub() => return,
        _ => {}
    }
    if path.split('/').any(|segment| segment == "v2") {
        let text = format!(
            "the path `{path}` becomes a part of the repository's name, and registries do not have such a repository; \
             leave `/v2` out"
        );
        warn(WarningCode::V2InPath, &text);
    }
}

/// `/gar-prod-setup/harness`: the public one has `-public` at its end.
fn is_private_gar(path: &str) -> bool {
    let repository = path.strip_prefix("/gar-prod-setup/").and_then(|rest| rest.split('/').next());
    repository.is_some_and(|repository| repository != "harness-public")
}

/// Whether it is a public registry that has Harness's images, as pages name them.
fn is_of_harness(docker: &DockerSpec) -> bool {
    let Some((host, path)) = docker.host_and_path() else { return false };
    docker.is_docker_hub()
        || matches!(
            (host, path.trim_end_matches('/')),
            ("us-docker.pkg.dev", "/gar-prod-setup/harness-public")
                | ("public.ecr.aws", "/harness")
                | ("gcr.io", "/gcr-prod")
                | ("app.harness.io", "/registry")
        )
}

/// The account lacks the default connector, and one of that name is below it, or in other letters.
fn warn_of_hidden_default(account: &Account) -> Option<Warning> {
    let setting = account.default_internal_image_connector()?;
    let wanted = EntityRef::parse(setting, &Scope::account()).ok()?.identifier;
    let others = account.connectors_called(&wanted);
    if let Some(other) = others.iter().find(|other| other.scope.level() == Level::Account && other.identifier != wanted)
    {
        return Some(Warning::new(
            WarningCode::WrongCase,
            format!(
                "there is a connector `{}`, and the platform looks for `{wanted}`: identifiers are read in the case they \
                 are written in",
                other.written()
            ),
        ));
    }
    let EntityRef { scope, .. } =
        others.iter().find(|other| other.identifier == wanted && other.scope.level() != Level::Account)?;
    let place = match (&scope.org, &scope.project) {
        (Some(org), Some(project)) => format!("project `{org}/{project}`"),
        (Some(org), None) => format!("organisation `{org}`"),
        _ => return None,
    };
    Some(Warning::new(
        WarningCode::DefaultBelowAccount,
        format!(
            "a connector `{wanted}` exists in {place} only, where it is not looked for: make it at account level, or name \
             it in the stage's `harnessImageConnectorRef`"
        ),
    ))
}
