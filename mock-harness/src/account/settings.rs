//! Settings of the account.
//!
//! Source: the server's `SettingsResource` and its list of settings, December 2023; facts/harness B6 (`enable_force_delete`).

use std::collections::BTreeMap;

use testbed::Timestamp;

use super::{Account, Refusal};
use crate::config::SettingsConfig;

/// One setting that an account may have; all of them are true or false, and the account's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SettingKind {
    pub(crate) identifier: &'static str,
    pub(crate) name: &'static str,
    pub(crate) category: &'static str,
    pub(crate) default: bool,
}

const FORCE_DELETE: SettingKind = SettingKind {
    identifier: "enable_force_delete",
    name: "Enable Force Delete of Harness Resources",
    category: "CORE",
    default: false,
};
const NO_BUILT_IN_MANAGER: SettingKind = SettingKind {
    identifier: "disable_harness_built_in_secret_manager",
    name: "Disable Harness Built-In Secret Manager",
    category: "CONNECTORS",
    default: false,
};
const KINDS: [SettingKind; 2] = [FORCE_DELETE, NO_BUILT_IN_MANAGER];

/// A setting, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) kind: SettingKind,
    pub(crate) value: bool,
    /// When it was set; none if it is as Harness has it.
    pub(crate) set_at: Option<Timestamp>,
}

/// The settings that are not as Harness has them, by identifier.
#[derive(Debug, Default)]
pub(super) struct Settings(BTreeMap<&'static str, (bool, Timestamp)>);

impl Settings {
    pub(super) fn from_config(config: SettingsConfig, now: Timestamp) -> Self {
        let SettingsConfig { enable_force_delete, disable_harness_built_in_secret_manager } = config;
        let set = [(FORCE_DELETE, enable_force_delete), (NO_BUILT_IN_MANAGER, disable_harness_built_in_secret_manager)];
        let set = set.into_iter().filter(|(kind, value)| kind.default != *value);
        Self(set.map(|(kind, value)| (kind.identifier, (value, now))).collect())
    }

    fn get(&self, kind: SettingKind) -> Setting {
        let set = self.0.get(kind.identifier);
        Setting { kind, value: set.map_or(kind.default, |(value, _)| *value), set_at: set.map(|(_, at)| *at) }
    }

    pub(super) fn force_delete(&self) -> bool {
        self.get(FORCE_DELETE).value
    }

    pub(super) fn built_in_manager_disabled(&self) -> bool {
        self.get(NO_BUILT_IN_MANAGER).value
    }
}

impl Account {
    /// Whether `forceDelete=true` may be asked for.
    pub(crate) fn force_delete_enabled(&self) -> bool {
        self.state().settings.force_delete()
    }

    /// All settings.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let state = self.state();
        KINDS.into_iter().map(|kind| state.settings.get(kind)).collect()
    }

    /// One setting.
    ///
    /// # Errors
    /// There is none of this identifier.
    pub(crate) fn setting(&self, identifier: &str) -> Result<Setting, Refusal> {
        Ok(self.state().settings.get(kind_of(identifier)?))
    }

    /// Sets a setting, or gives it Harness's value back if `value` is none.
    ///
    /// # Errors
    /// There is none of this identifier, or `value` is none of its values.
    pub(crate) fn set_setting(
        &self,
        identifier: &str,
        value: Option<&str>,
        now: Timestamp,
    ) -> Result<Setting, Refusal> {
        let kind = kind_of(identifier)?;
        let read = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Refusal::Invalid(String::from("Only boolean values are allowed"))),
        };
        let value = value.map(read).transpose()?;
        let mut state = self.state_mut();
        match value {
            Some(value) => drop(state.settings.0.insert(kind.identifier, (value, now))),
            None => drop(state.settings.0.remove(kind.identifier)),
        }
        Ok(state.settings.get(kind))
    }
}

fn kind_of(identifier: &str) -> Result<SettingKind, Refusal> {
    let found = KINDS.into_iter().find(|kind| kind.identifier == identifier);
    found
        .ok_or_else(|| Refusal::Invalid(format!("Setting [{identifier}] is invalid or is not applicable in the scope")))
}
