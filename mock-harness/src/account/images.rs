//! The images that an account has in the place of Harness's own.
//!
//! Source: facts/harness A9.

use std::{collections::BTreeMap, sync::Arc};

use super::{Account, Refusal};
use crate::{config::ImageOverrides, resolve::InternalImages};

/// Images by field, in full and as far as they differ from the newest known.
#[derive(Default)]
pub(super) struct Images {
    /// What the platform has in the place of the newest.
    platform: BTreeMap<String, String>,
    kubernetes: OfInfrastructure,
    vm: OfInfrastructure,
}

#[derive(Default)]
struct OfInfrastructure {
    overrides: BTreeMap<String, String>,
    /// The platform's, and the account's over them.
    all: Arc<BTreeMap<String, String>>,
}

impl Images {
    pub(super) fn new(platform: &BTreeMap<String, String>, overrides: &ImageOverrides) -> Self {
        let of = |overrides: &BTreeMap<String, String>| OfInfrastructure {
            overrides: overrides.clone(),
            ..OfInfrastructure::default()
        };
        let mut images = Self { platform: platform.clone(), kubernetes: of(&overrides.k8), vm: of(&overrides.vm) };
        images.join();
        images
    }

    fn of(&mut self, kubernetes: bool) -> &mut OfInfrastructure {
        if kubernetes { &mut self.kubernetes } else { &mut self.vm }
    }

    fn join(&mut self) {
        for of in [&mut self.kubernetes, &mut self.vm] {
            let mut all = self.platform.clone();
            all.extend(of.overrides.clone());
            of.all = Arc::new(all);
        }
    }
}

impl Account {
    /// The images that are not the newest known, by field name: on Kubernetes, or on VMs, Cloud and local runners.
    pub fn image_overrides(&self, kubernetes: bool) -> Arc<BTreeMap<String, String>> {
        let state = self.state();
        Arc::clone(&if kubernetes { &state.images.kubernetes } else { &state.images.vm }.all)
    }

    /// The platform's images that are not the newest known.
    pub(crate) fn platform_images(&self) -> BTreeMap<String, String> {
        self.state().images.platform.clone()
    }

    /// The images that are set for the account itself.
    pub(crate) fn account_images(&self, kubernetes: bool) -> BTreeMap<String, String> {
        let state = self.state();
        if kubernetes { &state.images.kubernetes } else { &state.images.vm }.overrides.clone()
    }

    /// Sets images of the account; a field without a value goes back to the platform's. All are set, or none.
    ///
    /// # Errors
    /// A field that this infrastructure does not have.
    pub(crate) fn set_images(&self, kubernetes: bool, changes: Vec<(String, Option<String>)>) -> Result<(), Refusal> {
        if let Some((field, _)) =
            changes.iter().find(|(field, _)| !InternalImages::defaults(self.world(), kubernetes).contains_key(field))
        {
            return Err(Refusal::Invalid(no_such_field(field, kubernetes)));
        }
        let mut state = self.state_mut();
        let overrides = &mut state.images.of(kubernetes).overrides;
        for (field, value) in changes {
            match value.filter(|value| !value.trim().is_empty()) {
                Some(value) => drop(overrides.insert(field, value)),
                None => drop(overrides.remove(&field)),
            }
        }
        state.images.join();
        Ok(())
    }

    /// Removes all images of the account.
    pub(crate) fn clear_images(&self) {
        let mut state = self.state_mut();
        state.images.kubernetes.overrides.clear();
        state.images.vm.overrides.clear();
        state.images.join();
    }
}

/// The platform's words about a field that it does not have.
pub(super) fn no_such_field(field: &str, kubernetes: bool) -> String {
    let infra = if kubernetes { "K8" } else { "VM" };
    format!("Field {field} does not exist for infra type: {infra}")
}
