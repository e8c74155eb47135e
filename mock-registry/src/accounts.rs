//! Who can log in to a registry: changed while it runs, read with every request.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use oci::{AccountName, PullLimit};
use testbed::Secret;
use uuid::Uuid;

/// Someone who can log in.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// The password.
    pub(crate) password: Secret,
    /// A limit of its own.
    pub(crate) limit: Option<PullLimit>,
    /// What Docker Hub shows as the source of its limit.
    pub(crate) uuid: Uuid,
}

/// The accounts of one registry. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Accounts(Arc<RwLock<BTreeMap<AccountName, Account>>>);

impl Accounts {
    pub(crate) fn new(accounts: BTreeMap<AccountName, Account>) -> Self {
        Self(Arc::new(RwLock::new(accounts)))
    }

    /// Lets others log in than before. Tokens that were given out stay valid until they expire.
    pub(crate) fn set(&self, accounts: BTreeMap<AccountName, Account>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = accounts;
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<AccountName, Account> {
        self.read(Clone::clone)
    }

    /// The account of that name, if the password is right.
    pub(crate) fn log_in(&self, name: &str, password: &str) -> Option<AccountName> {
        let name: AccountName = name.parse().ok()?;
        self.read(|accounts| accounts.get(&name).is_some_and(|account| account.password.expose() == password))
            .then_some(name)
    }

    /// The account's identifier, and a limit of its own.
    pub(crate) fn limit_of(&self, name: &AccountName) -> (Option<Uuid>, Option<PullLimit>) {
        self.read(|accounts| match accounts.get(name) {
            Some(account) => (Some(account.uuid), account.limit),
            None => (None, None),
        })
    }

    /// The first account for which it is true.
    pub(crate) fn find(&self, is_it: impl Fn(&AccountName) -> bool) -> Option<AccountName> {
        self.read(|accounts| accounts.keys().find(|name| is_it(name)).cloned())
    }

    fn read<T>(&self, read: impl FnOnce(&BTreeMap<AccountName, Account>) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
