//! What all parts of a running platform share: the account, the world's handles, tasks under way.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    hash::{BuildHasher as _, Hash},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::Engine as _;
use testbed::{
    Clock, Journal, Seed, Timestamp,
    clock::Participant,
    net::{Names, Vantage, VantageError},
    rule::RuleBook,
    task::SharedAgent,
};
use tokio::task::JoinSet;

use crate::{
    account::{Account, Delegate},
    api::ApiLimits,
    execution::Executions,
    pipeline::Pipelines,
    test_connection::ReachCache,
};

/// The most distinct requests whose attempts are counted; beyond it counting starts over.
const MAX_COUNTED_REQUESTS: usize = 10_000;

/// A handle to the platform. Clones share it.
#[derive(Clone)]
pub(crate) struct Platform(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) actor: Arc<str>,
    pub(crate) account: Account,
    pub(crate) clock: Clock,
    /// When it began, in policy time.
    pub(crate) start: Timestamp,
    pub(crate) journal: Journal,
    pub(crate) seed: Seed,
    pub(crate) rules: RuleBook,
    pub(crate) limits: ApiLimits,
    pub(crate) agent: Option<SharedAgent>,
    pub(crate) places: Places,
    pub(crate) pipelines: Pipelines,
    pub(crate) executions: Executions,
    pub(crate) reached: ReachCache,
    /// How often requests were made, each by a hash: what anybody may send is not kept.
    pub(crate) attempts: Mutex<HashMap<u64, u32>>,
    /// Tests and executions under way. Dropping the set ends them.
    pub(crate) tasks: Mutex<JoinSet<()>>,
    pub(crate) n_ids: AtomicU64,
}

/// Where requests are made from: the platform itself, and each delegate.
pub(crate) struct Places {
    platform: Vantage,
    delegates: BTreeMap<String, Vantage>,
}

impl Places {
    pub(crate) fn build(delegates: &[Arc<Delegate>], names: &Names, journal: &Journal) -> Result<Self, VantageError> {
        let platform = Vantage::in_world("platform", None, None, names, journal)?;
        let place = |delegate: &Arc<Delegate>| {
            let allow = delegate.allow.as_deref();
            let vantage = Vantage::in_world(&delegate.name, delegate.address, allow, names, journal)?;
            Ok((delegate.name.clone(), vantage))
        };
        Ok(Self { platform, delegates: delegates.iter().map(place).collect::<Result<_, VantageError>>()? })
    }

    /// The place of a delegate; without one the platform's.
    pub(crate) fn of(&self, delegate: Option<&str>) -> &Vantage {
        delegate.and_then(|name| self.delegates.get(name)).unwrap_or(&self.platform)
    }
}

impl Platform {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(crate) fn actor(&self) -> &Arc<str> {
        &self.0.actor
    }

    pub(crate) fn account(&self) -> &Account {
        &self.0.account
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// How much policy time has passed since the platform began.
    pub(crate) fn since_start(&self) -> Duration {
        self.0.clock.now().duration_since(self.0.start).try_into().unwrap_or_default()
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub(crate) fn seed(&self) -> Seed {
        self.0.seed
    }

    pub(crate) fn rules(&self) -> &RuleBook {
        &self.0.rules
    }

    pub(crate) fn limits(&self) -> &ApiLimits {
        &self.0.limits
    }

    pub(crate) fn agent(&self) -> Option<&SharedAgent> {
        self.0.agent.as_ref()
    }

    pub(crate) fn places(&self) -> &Places {
        &self.0.places
    }

    pub(crate) fn pipelines(&self) -> &Pipelines {
        &self.0.pipelines
    }

    pub(crate) fn executions(&self) -> &Executions {
        &self.0.executions
    }

    pub(crate) fn reached(&self) -> &ReachCache {
        &self.0.reached
    }

    /// How often this was asked, from 1.
    pub(crate) fn count_attempt(&self, request: impl Hash) -> u32 {
        let mut attempts = self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let request = attempts.hasher().hash_one(request);
        if attempts.len() >= MAX_COUNTED_REQUESTS && !attempts.contains_key(&request) {
            attempts.clear();
        }
        let n = attempts.entry(request).or_default();
        *n = n.saturating_add(1);
        *n
    }

    /// Does `work` in the background, as a participant of the clock from now on.
    pub(crate) fn spawn<F>(&self, work: impl FnOnce(Participant) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let work = work(self.0.clock.enter());
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are let go.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// A place on the clock for work beside that of another participant.
    pub(crate) fn enter(&self) -> Participant {
        self.0.clock.enter()
    }

    /// Ends what is under way.
    pub(crate) fn abort_tasks(&self) {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// A seed of its own for everything that needs an identifier.
    fn next_seed(&self) -> Seed {
        let n = self.0.n_ids.fetch_add(1, Ordering::Relaxed);
        self.0.seed.child(&format!("id {n}"))
    }

    /// A correlation id.
    pub(crate) fn next_uuid(&self) -> String {
        let bytes = bits_of(self.next_seed()).to_be_bytes();
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// The identifier of 22 characters that `what` has in this world.
    pub(crate) fn entity_id_of(&self, what: &str) -> String {
        entity_id(self.0.seed.child(what))
    }

    /// An identifier of 22 characters, as plan executions and delegate tasks have them.
    pub(crate) fn next_entity_id(&self) -> String {
        entity_id(self.next_seed())
    }

    /// The value of a new secret: 32 hexadecimal digits, drawn from the seed, in base64 as the platform hands them out.
    pub(crate) fn next_secret(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(format!("{:032x}", bits_of(self.next_seed())))
    }
}

/// An identifier of 22 characters, as plan executions and their nodes have them.
pub(crate) fn entity_id(seed: Seed) -> String {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    let mut bits = bits_of(seed);
    let mut id = String::with_capacity(22);
    for _ in 0..22 {
        let index = usize::try_from(bits & 63).unwrap_or(0);
        id.push(char::from(ALPHABET[index % ALPHABET.len()]));
        bits >>= 6;
    }
    id
}

fn bits_of(seed: Seed) -> u128 {
    u128::from(seed.0) << 64 | u128::from(seed.child("more").0)
}

/// An instant in milliseconds, as the API writes it.
pub(crate) fn epoch_ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}
