//! Who names what: what is named by another entity cannot be deleted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::EntityRef;

/// Entities, each with those that it names, counted from the other side.
#[derive(Default)]
pub(super) struct References {
    named: BTreeMap<EntityRef, BTreeSet<EntityRef>>,
    n_users: HashMap<EntityRef, usize>,
}

impl References {
    /// From now on `user` names exactly these.
    pub(super) fn set(&mut self, user: &EntityRef, named: BTreeSet<EntityRef>) {
        for target in self.named.remove(user).into_iter().flatten() {
            if let Some(n) = self.n_users.get_mut(&target) {
                *n -= 1;
                if *n == 0 {
                    self.n_users.remove(&target);
                }
            }
        }
        for target in &named {
            *self.n_users.entry(target.clone()).or_default() += 1;
        }
        if !named.is_empty() {
            self.named.insert(user.clone(), named);
        }
    }

    pub(super) fn is_named(&self, target: &EntityRef) -> bool {
        self.n_users.contains_key(target)
    }
}
