//! Clients and registries of a simulation, by name.

use mock_registry::{ConfigError, RegistryConfig, preset_names};
use oci::PullLimit;
use puller::ClientProfile;
use testbed::diagnostic::Diagnostic;

use crate::presets;

/// The client called `name`.
///
/// # Errors
/// There is none.
pub fn find_client(name: &str) -> Result<ClientProfile, Diagnostic> {
    ClientProfile::find(name).cloned().ok_or_else(|| {
        let names: Vec<_> = ClientProfile::names().collect();
        let nearest = names.iter().min_by_key(|known| strsim::osa_distance(known, name));
        let hint = match nearest.filter(|known| strsim::osa_distance(known, name) <= 2) {
            Some(nearest) => format!("did you mean `{nearest}`? There are {}", names.join(", ")),
            None => format!("there are {}", names.join(", ")),
        };
        Diagnostic::general(format!("no client `{name}`")).hint(hint)
    })
}

/// The registry that plays `preset`, by name or from a file, with another limit for those without an account if one is given.
///
/// # Errors
/// There is no such preset, or its file is wrong.
pub fn registry(preset: &str, limit: Option<PullLimit>) -> Result<RegistryConfig, Vec<Diagnostic>> {
    Ok(RegistryConfig { limit, ..presets::registry(preset)? })
}

/// The names of all presets.
pub fn presets() -> Vec<String> {
    preset_names().into_iter().map(String::from).collect()
}

/// What is wrong with a registry, as complaints about a command line.
pub(crate) fn complain(errors: Vec<ConfigError>) -> Vec<Diagnostic> {
    let complaint = |error: ConfigError| {
        let complaint = Diagnostic::general(error.message);
        match error.hint {
            Some(hint) => complaint.hint(hint),
            None => complaint,
        }
    };
    errors.into_iter().map(complaint).collect()
}
