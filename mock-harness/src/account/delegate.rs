//! Delegates as the platform knows them.

use std::{net::IpAddr, time::Duration};

use testbed::{Timestamp, clock::after};

use super::Scope;
use crate::{config::DelegateConfig, delegate::Life};

/// A delegate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegate {
    /// Its name, which is its host's too.
    pub name: String,
    /// The group that it is a replica of.
    pub group: String,
    /// What is said about it.
    pub description: Option<String>,
    /// What selectors are compared with beside the names: the tags of its group.
    pub tags: Vec<String>,
    /// The address that its connections come from.
    pub address: Option<IpAddr>,
    /// The hosts it may talk to; none means all of the world's.
    pub allow: Option<Vec<String>>,
    /// Who owns it: the account, an organisation or a project.
    pub owner: Scope,
    /// The name of the token that it was installed with.
    pub token: String,
    /// The types of task that it supports; none means all.
    pub task_types: Option<Vec<String>>,
    /// The groups of tasks that its scopes let it do; none means all.
    pub scopes: Option<Vec<String>>,
    /// Whether it takes tasks and never ends them.
    pub hangs: bool,
    /// When it beats.
    pub life: Life,
}

impl Delegate {
    /// The delegate that `config` describes, registered at `start`.
    pub(crate) fn from_config(config: &DelegateConfig, start: Timestamp) -> Self {
        let mut life = Life::new(start, config.connected);
        let mut turn = |offset: Option<Duration>, beats| {
            if let Some(offset) = offset {
                life.turn(after(start, offset), beats);
            }
        };
        turn(config.connects_at, true);
        turn(config.disconnects_at, false);
        Self {
            name: config.name.clone(),
            group: config.group.clone().unwrap_or_else(|| config.name.clone()),
            description: config.description.clone(),
            tags: config.tags.clone(),
            address: config.address,
            allow: config.allow.clone(),
            owner: Scope::new(config.organization.as_deref(), config.project.as_deref()),
            token: config.token.clone(),
            task_types: config.task_types.clone(),
            scopes: config.scopes.clone(),
            hangs: config.hangs,
            life,
        }
    }

    /// Everything that selectors are compared with: its tags, the group's name and its own.
    pub fn selectors(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(String::as_str).chain([self.group.as_str(), self.name.as_str()])
    }
}
