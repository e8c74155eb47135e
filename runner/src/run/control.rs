//! Steps that change the world: rules, limits, images.

use mock_registry::{ImageSource, Limited};
use testbed::rule::RuleBook;

use super::Run;
use crate::{
    format::{ImageStep, LimitStep, RuleStep},
    outcome::Check,
    world::{HARNESS_API, with_causes},
};

impl Run<'_> {
    pub(super) fn rule(&self, step: &RuleStep) -> Result<Vec<Check>, String> {
        let name = &step.on.value;
        let rules = self.rules(name)?;
        if let Some(removed) = &step.remove
            && !rules.remove(&removed.value)
        {
            return Err(format!("{name} has no rule `{}`", removed.value));
        }
        if let Some(rule) = &step.add {
            rules.add(rule.value.clone());
        }
        Ok(Vec::new())
    }

    /// The rules of a registry, or of the Harness API.
    pub(super) fn rules(&self, name: &str) -> Result<&RuleBook, String> {
        if name == HARNESS_API {
            return Ok(self.world.harness().ok_or("the scenario has no `harness` section")?.rules());
        }
        Ok(self.registry(name)?.rules())
    }

    pub(super) fn limit(&self, step: &LimitStep) -> Result<Vec<Check>, String> {
        let registry = self.registry(&step.on.value)?;
        if let Some(limit) = step.anonymous {
            registry.set_limit(Limited::Anonymous, limit.0);
        }
        if let Some(limit) = step.accounts {
            registry.set_limit(Limited::Accounts, limit.0);
        }
        let mut limits = registry.limits();
        for (name, allow) in step.set.iter() {
            let known: Vec<_> = limits.iter().map(|limit| limit.name.clone()).collect();
            let limit = limits.iter_mut().find(|limit| limit.name == name.value);
            let limit = limit.ok_or_else(|| no_limit(&step.on.value, &name.value, &known))?;
            limit.allow = *allow;
        }
        if let Some(removed) = &step.remove {
            let known: Vec<_> = limits.iter().map(|limit| limit.name.clone()).collect();
            if !known.contains(&removed.value) {
                return Err(no_limit(&step.on.value, &removed.value, &known));
            }
            limits.retain(|limit| limit.name != removed.value);
        }
        limits.extend(step.add.as_ref().map(|limit| limit.value.clone()));
        registry
            .set_limits(&limits)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        Ok(Vec::new())
    }

    pub(super) async fn image(&self, step: &ImageStep) -> Result<Vec<Check>, String> {
        let registry = self.registry(&step.on.value)?;
        let source = step.add.source().map_err(|errors| {
            let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
            told.join("; ")
        })?;
        match source {
            ImageSource::MadeUp(image) => registry.add_image(&image).await.map_err(told)?,
            ImageSource::File(image) => registry.import(&image).await.map_err(told)?,
        };
        Ok(Vec::new())
    }

    fn registry(&self, name: &str) -> Result<&mock_registry::MockRegistry, String> {
        self.world.registry(name).ok_or_else(|| format!("there is no registry `{name}`"))
    }
}

fn no_limit(registry: &str, name: &str, known: &[String]) -> String {
    format!("{registry} has no limit `{name}`; there are: {}", known.join(", "))
}

fn told(error: impl std::error::Error) -> String {
    with_causes(&error)
}
