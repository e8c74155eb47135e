//! What one registry is made of: the state behind every layer and handler.

use std::{fmt, sync::Arc};

use testbed::{
    Clock, Journal, Seed,
    clock::{DateHeader, Timestamp},
    rule::RuleBook,
};

use crate::{
    ImageSource,
    accounts::Accounts,
    auth::Tokens,
    cdn::Cdn,
    limit::Limiter,
    proxy::Proxy,
    rule::Attempts,
    settings::Settings,
    store::{Room, Store, Uploads},
};

/// One registry's state. A clone is a pointer.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// The parts of a registry's state, each a handle of its own.
pub(crate) struct Parts {
    /// The registry's name in its world.
    pub(crate) name: Arc<str>,
    /// What was decided before the start.
    pub(crate) settings: Settings,
    /// Policy time.
    pub(crate) clock: Clock,
    /// When it began, in policy time.
    pub(crate) start: Timestamp,
    /// The `Date` of its answers.
    pub(crate) date: DateHeader,
    /// Where every exchange is told.
    pub(crate) journal: Journal,
    /// The rules in force.
    pub(crate) rules: RuleBook,
    /// How often each client asked for what.
    pub(crate) attempts: Attempts,
    /// The signed addresses of blobs.
    pub(crate) cdn: Cdn,
    /// The tokens given out.
    pub(crate) tokens: Tokens,
    /// Who can log in.
    pub(crate) accounts: Accounts,
    /// The limits.
    pub(crate) limiter: Limiter,
    /// What is pulled through, if this is a proxy.
    pub(crate) proxy: Option<Proxy>,
    /// Repositories.
    pub(crate) store: Store,
    /// How much may be held in memory of what is pushed.
    pub(crate) room: Room,
    /// Pushes under way.
    pub(crate) uploads: Uploads,
}

impl App {
    /// A registry that nobody has asked anything yet. Images come from the seed of `store`, all else from a part of `seed`.
    pub(crate) fn new(
        name: String,
        settings: Settings,
        store: Store,
        clock: Clock,
        journal: Journal,
        seed: Seed,
    ) -> Self {
        let own = seed.child(&name);
        let parts = Parts {
            rules: RuleBook::new(own),
            attempts: Attempts::default(),
            cdn: Cdn::new(own, settings.api.redirect_life),
            tokens: Tokens::new(&settings, own),
            accounts: Accounts::new(settings.accounts.clone()),
            limiter: Limiter::new(&settings.limits),
            proxy: settings.upstream.as_ref().map(Proxy::new),
            uploads: Uploads::new(own, store.medium()),
            room: store.room().clone(),
            store,
            name: name.into(),
            settings,
            start: clock.now(),
            clock,
            date: DateHeader::default(),
            journal,
        };
        for image in &parts.settings.images {
            // What is read from files is read before it is served.
            if let ImageSource::MadeUp(image) = image {
                parts.store.add_later(image);
            }
        }
        for rule in &parts.settings.rules {
            parts.rules.add(rule.clone());
        }
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "App({})", self.name)
    }
}
