//! All limits of one registry, in their order, and what is left of each for each key.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Method;
use oci::{AccountName, EndpointKind, PullLimit, RepositoryName};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use testbed::clock::Timestamp;
use uuid::Uuid;

use super::{
    LimitKey, ToldKey,
    keys::Keys,
    law::{Allowance, to_duration},
};
use crate::{ACCOUNTS, Algorithm, Allow, HeaderStyle, LimitConfig, Measure, Only, Protocol, Refused, Units, Who};

/// The limits of one registry and what is left of them. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Limiter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    limits: Vec<Limit>,
    n_made: u64,
}

/// One limit in force.
#[derive(Debug)]
struct Limit {
    /// Its number, which no other limit of the registry ever has.
    id: u64,
    config: Arc<LimitConfig>,
    name: Arc<str>,
    /// What it allows; `None`: it is switched off.
    allowance: Option<Allowance>,
    usage: Usage,
    /// How many exchanges are under way, by key.
    open: FxHashMap<u128, u64>,
}

/// What is used of one limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Usage {
    keys: Keys,
    /// What accounts use of limits of their own, by what these allow.
    own: BTreeMap<PullLimit, Keys>,
    /// Until when a key is refused everything, in microseconds.
    banned: BTreeMap<u128, i64>,
}

/// What is used of every limit, by name: to be kept and put back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LimitUsage(BTreeMap<String, Usage>);

/// Who asks for what, as limits look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) kind: EndpointKind,
    pub(crate) method: &'a Method,
    pub(crate) repository: Option<&'a RepositoryName>,
    pub(crate) account_name: Option<&'a AccountName>,
    /// The account's identifier.
    pub(crate) account: Option<Uuid>,
    /// The account's own limit.
    pub(crate) account_limit: Option<PullLimit>,
    pub(crate) source: IpAddr,
    pub(crate) forwarded_for: Option<IpAddr>,
    pub(crate) connection: u64,
    pub(crate) protocol: Protocol,
    pub(crate) token: Option<&'a str>,
    pub(crate) authorization: Option<&'a str>,
}

/// Where a request stands with one limit.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(super) limit: u64,
    pub(super) key: u128,
    own: Option<PullLimit>,
    /// The limit.
    pub(crate) config: Arc<LimitConfig>,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// What it is counted by.
    pub(crate) source: ToldKey,
    /// Units that are allowed.
    pub(crate) units: u64,
    /// In which window, if it has one.
    pub(crate) window: Option<Duration>,
    /// Units left.
    pub(crate) left: u64,
    /// Whether some were used.
    pub(crate) used: bool,
    /// Whether it was refused.
    pub(crate) refused: bool,
    /// How long until it would pass, if it was refused.
    pub(crate) wait: Duration,
    /// How long until everything is back, where headers tell.
    pub(crate) reset: Duration,
}

/// What the limits say of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ruling {
    /// Every limit that looks at it, in order; the last one may have refused it.
    pub(crate) standings: Vec<Standing>,
}

/// What is known of an answer when it is there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settled {
    /// How many bytes its body has.
    pub(crate) n_bytes: u64,
    /// Whether it is an index.
    pub(crate) is_index: bool,
    /// Whether it refuses a name or a password.
    pub(crate) is_failed_login: bool,
    /// Whether it takes a name and a password.
    pub(crate) is_login: bool,
}

impl Ruling {
    /// The limit that refused, if one did.
    pub(crate) fn refusal(&self) -> Option<&Standing> {
        self.standings.last().filter(|standing| standing.refused)
    }
}

impl Limiter {
    /// Limits of which nothing is used.
    pub(crate) fn new(limits: &[LimitConfig]) -> Self {
        let limiter = Self(Arc::default());
        limiter.set_all(limits, 0);
        limiter
    }

    /// The limits in force, in order.
    pub(crate) fn configs(&self) -> Vec<LimitConfig> {
        self.state().limits.iter().map(|limit| (*limit.config).clone()).collect()
    }

    /// Puts other limits in force; what was used of those that stay by name still counts.
    pub(crate) fn set_all(&self, limits: &[LimitConfig], now: i64) {
        let mut state = self.state();
        let mut before = std::mem::take(&mut state.limits);
        for config in limits {
            let kept = before.iter().position(|limit| limit.config.name == config.name);
            let mut limit = match kept {
                Some(n) => before.swap_remove(n),
                None => {
                    state.n_made += 1;
                    Limit::new(state.n_made, config)
                }
            };
            limit.change(config, now);
            state.limits.push(limit);
        }
    }

    /// What is used of each limit.
    pub(crate) fn usage(&self) -> LimitUsage {
        let state = self.state();
        LimitUsage(state.limits.iter().map(|limit| (limit.config.name.clone(), limit.usage.clone())).collect())
    }

    /// Puts back what was used; limits that `usage` does not know, or that moved by another law, are as new.
    pub(crate) fn restore(&self, usage: &LimitUsage) {
        for limit in &mut self.state().limits {
            let fresh = Usage::new(limit.config.algorithm);
            let known = usage.0.get(&limit.config.name).filter(|known| known.keys.is_same_law(&fresh.keys));
            limit.usage = known.cloned().unwrap_or(fresh);
        }
    }

    /// The pull limit that such a client is under, for tokens, which tell it.
    pub(crate) fn pull_limit(&self, who: Who, own: Option<PullLimit>) -> Option<Allow> {
        let state = self.state();
        let is_of = |limit: &&Limit| {
            let config = &limit.config;
            config.who == who && config.of == Measure::Requests && config.counts == crate::Counts::default()
        };
        let limit = state.limits.iter().find(is_of)?;
        let own = own.filter(|_| limit.config.name == ACCOUNTS).map(Allow::from);
        own.or(Some(limit.config.allow)).filter(|allow| *allow != Allow::Unlimited)
    }

    /// Lets a request pass the limits that are asked at this place, one after the other, up to the first that refuses.
    pub(crate) fn pass(&self, asked: &Asked<'_>, before_auth: bool, now: Timestamp, ruling: &mut Ruling) {
        let now = now.as_microsecond();
        for limit in &mut self.state().limits {
            if limit.config.before_auth != before_auth {
                continue;
            }
            let Some(standing) = limit.pass(asked, now) else { continue };
            let is_refused = standing.refused;
            ruling.standings.push(standing);
            if is_refused {
                return;
            }
        }
    }

    /// Settles what only the answer tells.
    pub(crate) fn settle(&self, ruling: &mut Ruling, answer: Settled, now: Timestamp) {
        let now = now.as_microsecond();
        // Most limits are settled when they are passed.
        let is_open = |standing: &&mut Standing| {
            let LimitConfig { of, only, units, .. } = &*standing.config;
            !standing.refused && (*of == Measure::Bytes || *only != Only::All || *units == Units::PerArchitecture)
        };
        for standing in ruling.standings.iter_mut().filter(is_open) {
            let mut state = self.state();
            // It may have been taken away in the meantime.
            if let Some(limit) = state.limits.iter_mut().find(|limit| limit.id == standing.limit) {
                limit.settle(standing, answer, now);
            }
        }
    }

    /// One exchange less is under way.
    pub(super) fn close(&self, limit: u64, key: u128) {
        let mut state = self.state();
        let Some(limit) = state.limits.iter_mut().find(|known| known.id == limit) else { return };
        if let Some(n) = limit.open.get_mut(&key) {
            *n -= 1;
            if *n == 0 {
                limit.open.remove(&key);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Usage {
    fn new(algorithm: Algorithm) -> Self {
        Self { keys: Keys::new(algorithm), own: BTreeMap::new(), banned: BTreeMap::new() }
    }

    /// Until when `key` is banned.
    fn banned_until(&mut self, key: u128, now: i64) -> Option<i64> {
        let until = *self.banned.get(&key)?;
        if until <= now {
            self.banned.remove(&key);
            return None;
        }
        Some(until)
    }
}

impl Limit {
    fn new(id: u64, config: &LimitConfig) -> Self {
        Self {
            id,
            config: Arc::new(config.clone()),
            name: config.name.as_str().into(),
            allowance: allowance(config, config.allow),
            usage: Usage::new(config.algorithm),
            open: FxHashMap::default(),
        }
    }

    fn change(&mut self, config: &LimitConfig, now: i64) {
        let to = allowance(config, config.allow);
        if self.config.algorithm != config.algorithm || self.config.by != config.by {
            self.usage = Usage::new(config.algorithm);
        } else if let (Some(from), Some(to)) = (self.allowance, to)
            && from != to
        {
            self.usage.keys.rescale(from, to, now);
        }
        self.allowance = to;
        self.config = Arc::new(config.clone());
    }

    /// Whether the limit has anything to do with the request.
    fn is_about(&self, asked: &Asked<'_>, is_counted: bool) -> bool {
        let LimitConfig { counts, who, protocol, exempt, .. } = &*self.config;
        let is_whose = match who {
            Who::Everyone => true,
            Who::Anonymous => asked.account_name.is_none(),
            Who::Accounts => asked.account_name.is_some(),
        };
        let is_looked_at = is_counted
            || ((*asked.method == Method::GET || *asked.method == Method::HEAD) && counts.look_at(asked.kind));
        is_whose
            && is_looked_at
            && protocol.is_none_or(|protocol| protocol == asked.protocol)
            && !asked.account_name.is_some_and(|name| exempt.accounts.contains(name))
            && !exempt.addresses.contains(&asked.source)
            && !asked.repository.is_some_and(|name| exempt.repositories.iter().any(|glob| glob.admits(name.as_str())))
    }

    fn pass(&mut self, asked: &Asked<'_>, now: i64) -> Option<Standing> {
        let own = asked.account_limit.filter(|_| self.config.name == ACCOUNTS);
        let allow = own.map_or(self.config.allow, Allow::from);
        let allowance = match own {
            Some(_) => allowance(&self.config, allow)?,
            None => self.allowance?,
        };
        let is_counted = self.config.counts.count(asked.kind, asked.method);
        if !self.is_about(asked, is_counted) {
            return None;
        }
        let by = LimitKey::of(self.config.by, asked);
        let key = by.number();
        let banned = self.usage.banned_until(key, now).filter(|_| is_counted);

        let config = Arc::clone(&self.config);
        let (used, left, is_refused) = match config.of {
            _ if banned.is_some() => (false, 0, true),
            Measure::Concurrency => {
                let n_open = self.open.get(&key).copied().unwrap_or_default();
                let is_refused = is_counted && n_open >= allowance.units;
                let used = is_counted && !is_refused;
                if used {
                    self.open.insert(key, n_open + 1);
                }
                (used, allowance.units.saturating_sub(n_open + u64::from(used)), is_refused)
            }
            // Charged when it is known what the answer is.
            Measure::Bytes => self.look(own, key, allowance, is_counted, now),
            Measure::Requests if config.only != Only::All => self.look(own, key, allowance, is_counted, now),
            Measure::Requests if is_counted => match self.keys(own).take(key, allowance, 1, now) {
                Some(left) => (true, left, false),
                None => (false, 0, true),
            },
            Measure::Requests => (false, self.keys(own).left(key, allowance, now), false),
        };
        let wait_us = match banned {
            Some(until) => until - now,
            None if is_refused => self.refuse(own, key, allowance, now),
            None => 0,
        };
        let tells_reset = !matches!(config.headers, HeaderStyle::None | HeaderStyle::DockerHub);
        let reset_us = if tells_reset { self.keys(own).wait(key, allowance, allowance.all(), now) } else { 0 };
        Some(Standing {
            limit: self.id,
            key,
            own,
            name: Arc::clone(&self.name),
            source: by.to_told(),
            units: allow.units().unwrap_or_default(),
            window: allow.window(),
            left: left / scale(&config),
            used,
            refused: is_refused && !config.log_only,
            wait: to_duration(wait_us),
            reset: to_duration(reset_us),
            config,
        })
    }

    /// What is left without using any; refused if nothing is.
    fn look(
        &mut self,
        own: Option<PullLimit>,
        key: u128,
        allowance: Allowance,
        is_counted: bool,
        now: i64,
    ) -> (bool, u64, bool) {
        let left = self.keys(own).left(key, allowance, now);
        (false, left, is_counted && left == 0)
    }

    /// What a refusal does to the key; returns how long it has to wait.
    fn refuse(&mut self, own: Option<PullLimit>, key: u128, allowance: Allowance, now: i64) -> i64 {
        if self.config.of == Measure::Concurrency {
            return 0;
        }
        let refused = self.config.refused;
        let keys = self.keys(own);
        match refused {
            Refused::Free => {}
            Refused::Counts => keys.charge(key, allowance, 1, now),
            Refused::Extends => keys.extend(key, allowance, now),
        }
        let wait = keys.wait(key, allowance, 1, now);
        match self.config.ban {
            Some(ban) => self.ban(key, ban, now).max(wait),
            None => wait,
        }
    }

    fn ban(&mut self, key: u128, ban: Duration, now: i64) -> i64 {
        let ban_us = i64::try_from(ban.as_micros()).unwrap_or(i64::MAX);
        self.usage.banned.insert(key, now.saturating_add(ban_us));
        ban_us
    }

    fn settle(&mut self, standing: &mut Standing, answer: Settled, now: i64) {
        let own = standing.own;
        let allow = own.map_or(self.config.allow, Allow::from);
        let (Some(allowance), key, config) = (allowance(&self.config, allow), standing.key, Arc::clone(&self.config))
        else {
            return;
        };
        let is_peek = !standing.used && config.of == Measure::Requests && config.only == Only::All;
        if is_peek {
            return;
        }
        match (config.of, config.only) {
            (Measure::Bytes, _) => {
                self.keys(own).charge(key, allowance, answer.n_bytes, now);
                standing.used = answer.n_bytes > 0;
            }
            (_, Only::FailedLogins) if answer.is_failed_login => {
                self.keys(own).charge(key, allowance, 1, now);
                standing.used = true;
                if self.keys(own).left(key, allowance, now) == 0
                    && let Some(ban) = config.ban
                {
                    self.ban(key, ban, now);
                }
            }
            (_, Only::FailedLogins) if answer.is_login && config.forgiven_by_success => {
                self.keys(own).forget(key);
                self.usage.banned.remove(&key);
            }
            (_, Only::FailedLogins) => {}
            (Measure::Requests | Measure::Concurrency, Only::All) => {
                if config.units == Units::PerArchitecture && answer.is_index {
                    self.keys(own).give_back(key, allowance, 1, now);
                    standing.used = false;
                }
            }
        }
        standing.left = self.keys(own).left(key, allowance, now) / scale(&config);
    }

    /// The keys of this limit, or of those who have one of their own.
    fn keys(&mut self, own: Option<PullLimit>) -> &mut Keys {
        let algorithm = self.config.algorithm;
        match own {
            Some(own) => self.usage.own.entry(own).or_insert_with(|| Keys::new(algorithm)),
            None => &mut self.usage.keys,
        }
    }
}

/// How many units a request is worth, inside: a half cannot be counted.
fn scale(config: &LimitConfig) -> u64 {
    if config.units == Units::Half { 2 } else { 1 }
}

fn allowance(config: &LimitConfig, allow: Allow) -> Option<Allowance> {
    let (units, window) = match allow {
        Allow::Unlimited => return None,
        Allow::Rate { units, window } => (units, window),
        Allow::AtOnce(units) => (units, Duration::from_secs(1)),
    };
    let capacity = match config.algorithm {
        Algorithm::TokenBucket => config.burst.unwrap_or(units),
        Algorithm::Gcra => config.burst.unwrap_or_default().saturating_add(1),
        Algorithm::Fixed | Algorithm::Aligned | Algorithm::SlidingLog | Algorithm::SlidingCounter => units,
    };
    let scale = scale(config);
    Some(Allowance {
        units: units.saturating_mul(scale),
        window_us: i64::try_from(window.as_micros()).unwrap_or(i64::MAX),
        capacity: capacity.saturating_mul(scale),
        is_aligned: config.algorithm == Algorithm::Aligned,
    })
}
