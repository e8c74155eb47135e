//! The account's state behind its handle: short synchronous methods, each one decision.
//!
//! What is done to connectors and to secrets is in `connector_state` and `secret_state`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use rand::Rng;
use testbed::Timestamp;

use super::{
    ApiKey, ConnectorDraft, Delegate, EntityRef, Refusal, Scope, StoredSecret, TokenProblem,
    connectors::Connectors,
    governance::{Verdict, evaluate},
    images::Images,
    profile::Profile,
    references::References,
    settings::Settings,
};
use crate::{
    config::{Behaviour, PolicyConfig, WorldPreset},
    delegate::{DelegatePool, DelegateTask, NoDelegateError, Tokens},
};

/// A handle to an account. Clones share it.
#[derive(Clone)]
pub struct Account(Arc<Shared>);

pub(super) struct Shared {
    pub(super) identifier: String,
    pub(super) default_internal_image_connector: String,
    pub(super) world: WorldPreset,
    pub(super) governance: Vec<PolicyConfig>,
    pub(super) behaviour: Behaviour,
    pub(super) delegates: DelegatePool,
    pub(super) delegate_tokens: Tokens,
    // A std lock: every critical section is a few map operations or one pass over a list, and none of them awaits.
    pub(super) state: RwLock<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// By the key itself.
    pub(super) keys: HashMap<String, Arc<ApiKey>>,
    pub(super) organizations: BTreeMap<String, BTreeSet<String>>,
    /// What is told of each of them, and of each of their projects.
    pub(super) profiles: BTreeMap<Scope, Profile>,
    pub(super) connectors: Connectors,
    pub(super) secrets: BTreeMap<EntityRef, Arc<StoredSecret>>,
    /// How often a secret was made or changed.
    pub(super) n_secret_changes: u64,
    pub(super) settings: Settings,
    pub(super) images: Images,
    /// Stored pipelines, and the connectors that they name.
    pub(super) of_pipelines: References,
    /// Connectors, and the secrets that they name.
    pub(super) of_connectors: References,
}

impl Account {
    pub(super) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Its identifier.
    pub fn identifier(&self) -> &str {
        &self.0.identifier
    }

    /// The platform's setting `defaultInternalImageConnector`; none if it is empty.
    pub fn default_internal_image_connector(&self) -> Option<&str> {
        Some(self.0.default_internal_image_connector.as_str()).filter(|setting| !setting.is_empty())
    }

    /// The platform's time: which images are the newest, and which registries have ended.
    pub fn world(&self) -> WorldPreset {
        self.0.world
    }

    /// What the policies say about a connector that is to be saved; none if none of them is about it.
    pub(crate) fn judge(&self, draft: &ConnectorDraft, now: Timestamp) -> Option<Verdict> {
        evaluate(&self.0.governance, draft, self.identifier(), now)
    }

    /// The switches.
    pub fn behaviour(&self) -> Behaviour {
        self.0.behaviour
    }

    /// The key that `token` is.
    ///
    /// # Errors
    /// The account `account` is another one, it has no such key, or the key has expired by `now`.
    pub fn find_key(&self, account: &str, token: &str, now: Timestamp) -> Result<Arc<ApiKey>, TokenProblem> {
        if account != self.0.identifier {
            return Err(TokenProblem::NotFound);
        }
        let state = self.state();
        let key = state.keys.get(token).ok_or(TokenProblem::NotFound)?;
        if key.expires.is_some_and(|expires| expires <= now) {
            return Err(TokenProblem::Expired);
        }
        Ok(Arc::clone(key))
    }

    /// The organisations and their projects.
    pub fn organizations(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.state().organizations.clone()
    }

    /// Makes an organisation; false if there is one already.
    pub(crate) fn create_organization(&self, identifier: &str, profile: Profile) -> bool {
        let mut state = self.state_mut();
        if state.organizations.contains_key(identifier) {
            return false;
        }
        state.organizations.insert(String::from(identifier), BTreeSet::new());
        state.profiles.insert(Scope::new(Some(identifier), None), profile);
        true
    }

    /// Makes a project; false if there is one already.
    ///
    /// # Errors
    /// The organisation does not exist.
    pub(crate) fn create_project(&self, org: &str, identifier: &str, profile: Profile) -> Result<bool, Refusal> {
        let mut state = self.state_mut();
        let projects = state.organizations.get_mut(org).ok_or_else(|| no_such("org", org))?;
        let is_new = projects.insert(String::from(identifier));
        if is_new {
            state.profiles.insert(Scope::new(Some(org), Some(identifier)), profile);
        }
        Ok(is_new)
    }

    /// Gives the organisation or the project that `scope` is another profile; when it was made stays. None if there is none.
    pub(crate) fn update_profile(&self, scope: &Scope, profile: Profile) -> Option<Profile> {
        let mut state = self.state_mut();
        let known = state.profiles.get_mut(scope)?;
        *known = Profile { created_at: known.created_at, ..profile };
        Some(known.clone())
    }

    /// Deletes the organisation or the project that `scope` is, with its connectors and secrets; false if there is none.
    pub(crate) fn delete_scope(&self, scope: &Scope) -> bool {
        let mut state = self.state_mut();
        if state.profiles.remove(scope).is_none() {
            return false;
        }
        let Some(org) = &scope.org else { return false };
        match &scope.project {
            Some(project) => {
                let projects = state.organizations.get_mut(org);
                projects.map(|projects| projects.remove(project));
            }
            None => drop(state.organizations.remove(org)),
        }
        state.profiles.retain(|inner, _| !scope.contains(inner));
        state.secrets.retain(|reference, _| !scope.contains(&reference.scope));
        for connector in state.connectors.remove_within(scope) {
            state.of_connectors.set(&connector, BTreeSet::new());
        }
        true
    }

    /// What is told of the organisation or the project that `scope` is; none if there is none.
    pub(crate) fn profile(&self, scope: &Scope) -> Option<Profile> {
        self.state().profiles.get(scope).cloned()
    }

    /// Whether organisation and project of `scope` exist.
    ///
    /// # Errors
    /// One of them does not, in the platform's words.
    pub fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        self.state().check_scope(scope)
    }

    /// The delegates that the platform knows of.
    pub fn delegates(&self) -> Vec<Arc<Delegate>> {
        self.0.delegates.delegates()
    }

    /// The delegate that does `task`: connected, owned by the account or by what the task is for, and with all selectors.
    /// Among several chance decides.
    ///
    /// # Errors
    /// There is none, in the platform's words.
    pub fn select_delegate(
        &self,
        task: &DelegateTask<'_>,
        random: &mut impl Rng,
    ) -> Result<Arc<Delegate>, NoDelegateError> {
        self.0.delegates.select(task, random)
    }

    /// Lets the delegate called `name` beat from now on, or silences it, whatever its plan was. False if there is none.
    pub fn turn_delegate(&self, name: &str, beats: bool) -> bool {
        self.0.delegates.turn(beats, |delegate| delegate.name == name) > 0
    }

    pub(crate) fn delegate_tokens(&self) -> &Tokens {
        &self.0.delegate_tokens
    }

    pub(crate) fn delegate_pool(&self) -> &DelegatePool {
        &self.0.delegates
    }

    // No critical section can be left half done, so a panic elsewhere does not spoil the state.

    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        let Some(org) = &scope.org else {
            return match &scope.project {
                None => Ok(()),
                Some(project) => {
                    Err(Refusal::NotFound(format!("Project {project} specified without the org Identifier")))
                }
            };
        };
        let projects = self.organizations.get(org).ok_or_else(|| no_such("org", org))?;
        match &scope.project {
            Some(project) if !projects.contains(project) => Err(no_such("project", project)),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.0.identifier)
    }
}

fn no_such(kind: &str, identifier: &str) -> Refusal {
    Refusal::NotFound(format!("{kind} [{identifier}] not found."))
}
