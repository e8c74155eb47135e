//! Delegates as the platform knows them.

use std::net::IpAddr;

use super::Scope;
use crate::config::DelegateConfig;

/// A delegate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegate {
    /// Its name.
    pub name: String,
    /// What selectors are compared with: its tags and its name.
    pub tags: Vec<String>,
    /// The address that its connections come from.
    pub address: Option<IpAddr>,
    /// The hosts it may talk to; none means all of the world's.
    pub allow: Option<Vec<String>>,
    /// Who owns it: the account, an organisation or a project.
    pub owner: Scope,
    /// Whether it is connected.
    pub connected: bool,
}

impl Delegate {
    pub(super) fn from_config(config: &DelegateConfig) -> Self {
        let mut tags = config.tags.clone();
        if !tags.contains(&config.name) {
            tags.push(config.name.clone());
        }
        Self {
            name: config.name.clone(),
            tags,
            address: config.address,
            allow: config.allow.clone(),
            owner: Scope::new(config.organization.as_deref(), config.project.as_deref()),
            connected: config.connected,
        }
    }
}
