//! What one registry is made of: the state behind every layer and handler.

use std::{fmt, sync::Arc};

use testbed::{Clock, Journal, Seed, rule::RuleBook};

use crate::{
    auth::Tokens,
    limit::Limiter,
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
    pub(crate) name: String,
    /// What was decided before the start.
    pub(crate) settings: Settings,
    /// Policy time.
    pub(crate) clock: Clock,
    /// Where every exchange is told.
    pub(crate) journal: Journal,
    /// The rules in force.
    pub(crate) rules: RuleBook,
    /// How often each client asked for what.
    pub(crate) attempts: Attempts,
    /// The tokens given out.
    pub(crate) tokens: Tokens,
    /// The pull limits.
    pub(crate) limiter: Limiter,
    /// Repositories.
    pub(crate) store: Store,
    /// How much may be pushed.
    pub(crate) room: Room,
    /// Pushes under way.
    pub(crate) uploads: Uploads,
}

impl App {
    /// A registry that nobody has asked anything yet. Images come from `seed` itself, all else from a part of it.
    pub(crate) fn new(name: String, settings: Settings, clock: Clock, journal: Journal, seed: Seed) -> Self {
        let own = seed.child(&name);
        let room = Room::default();
        let parts = Parts {
            rules: RuleBook::new(own),
            attempts: Attempts::default(),
            tokens: Tokens::new(&settings, own),
            limiter: Limiter::new(&settings),
            store: Store::new(seed),
            uploads: Uploads::new(own, room.clone()),
            room,
            name,
            settings,
            clock,
            journal,
        };
        for image in &parts.settings.images {
            parts.store.add_later(image);
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
