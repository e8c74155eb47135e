//! A window per key, and the limits in force.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oci::{Principal, PullLimit};
use testbed::clock::Timestamp;

use super::{LimitKey, window::Window};
use crate::{Limited, settings::Settings};

/// Idle windows are first swept out when there are this many keys, so that many addresses do not fill the memory.
const FIRST_SWEEP_AT: usize = 65_536;

/// The limits of one registry and what is left of them. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Limiter(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    anonymous: Option<PullLimit>,
    accounts: Option<PullLimit>,
    counters: HashMap<LimitKey, Counter>,
    /// The longest window that was ever in force: a key without pulls for so long is swept out.
    longest: Duration,
    /// `anonymous` and `accounts`.
    names: [Arc<str>; 2],
    /// The next sweep: twice what the last one left, so that sweeping costs each new key a constant share.
    sweep_at: usize,
}

/// The pulls of one key, and the key as clients and the journal are told it.
#[derive(Debug)]
struct Counter {
    window: Window,
    source: Arc<str>,
}

/// Where a key stands with its limit after a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The limit's name.
    pub(crate) limit_name: Arc<str>,
    /// What is counted by, as text.
    pub(crate) source: Arc<str>,
    /// The limit in force.
    pub(crate) limit: PullLimit,
    /// Pulls left.
    pub(crate) remaining: u32,
    /// Whether a pull was used.
    pub(crate) used: bool,
    /// Whether a pull was wanted and none was left.
    pub(crate) refused: bool,
}

impl Limiter {
    /// Windows without pulls, under the limits of `settings`.
    pub(crate) fn new(settings: &Settings) -> Self {
        let of_accounts = settings.accounts.values().map(|account| account.limit);
        let limits = of_accounts.chain([settings.anonymous_limit, settings.account_limit]);
        Self(Arc::new(Mutex::new(State {
            longest: limits.flatten().map(PullLimit::window).max().unwrap_or_default(),
            anonymous: settings.anonymous_limit,
            accounts: settings.account_limit,
            counters: HashMap::new(),
            names: ["anonymous".into(), "accounts".into()],
            sweep_at: FIRST_SWEEP_AT,
        })))
    }

    /// The limit that `principal` is under; an account's own comes first.
    pub(crate) fn limit_of(&self, settings: &Settings, principal: &Principal) -> Option<PullLimit> {
        self.state().limit_of(settings, principal)
    }

    /// Puts another limit in force; pulls that were made still count.
    pub(crate) fn set(&self, who: Limited, limit: Option<PullLimit>) {
        let mut state = self.state();
        state.longest = state.longest.max(limit.map(PullLimit::window).unwrap_or_default());
        match who {
            Limited::Anonymous => state.anonymous = limit,
            Limited::Accounts => state.accounts = limit,
        }
    }

    /// The limit in force.
    pub(crate) fn get(&self, who: Limited) -> Option<PullLimit> {
        match who {
            Limited::Anonymous => self.state().anonymous,
            Limited::Accounts => self.state().accounts,
        }
    }

    /// Where `principal` at `address` stands; uses a pull if one is `wanted` and left. `None`: it is under no limit.
    pub(crate) fn ask(
        &self,
        settings: &Settings,
        principal: &Principal,
        address: IpAddr,
        now: Timestamp,
        wanted: bool,
    ) -> Option<Standing> {
        let mut state = self.state();
        let state = &mut *state;
        let limit = state.limit_of(settings, principal)?;
        let key = match principal.account().and_then(|name| settings.accounts.get(name)) {
            Some(account) => LimitKey::Account(account.uuid),
            None => LimitKey::of_address(address),
        };
        if state.counters.len() >= state.sweep_at {
            let longest = state.longest;
            state.counters.retain(|_, counter| !counter.window.is_idle(longest, now));
            state.sweep_at = FIRST_SWEEP_AT.max(2 * state.counters.len());
        }
        let counter = state.counters.entry(key).or_insert_with_key(Counter::new);
        let Counter { window, source } = counter;
        let taken = if wanted { window.take(limit, now) } else { None };
        let remaining = taken.unwrap_or_else(|| window.remaining(limit, now));
        Some(Standing {
            limit_name: Arc::clone(&state.names[usize::from(principal.account().is_some())]),
            source: Arc::clone(source),
            limit,
            remaining,
            used: taken.is_some(),
            refused: wanted && taken.is_none(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counter {
    fn new(key: &LimitKey) -> Self {
        Self { window: Window::default(), source: key.to_string().into() }
    }
}

impl State {
    fn limit_of(&self, settings: &Settings, principal: &Principal) -> Option<PullLimit> {
        match principal {
            Principal::Anonymous => self.anonymous,
            Principal::Account(name) => settings.accounts.get(name).and_then(|account| account.limit).or(self.accounts),
        }
    }
}

#[cfg(test)]
mod tests {
    use testbed::{Clock, clock::after};

    use super::*;
    use crate::{RegistryConfig, config::check};

    #[test]
    fn a_sweep_spares_the_account_whose_own_window_is_the_longest() {
        let text = r#"{"preset": "dockerhub", "limit": "9/1min", "account-limit": "9/1min",
            "accounts": [{"name": "ci", "password": "x", "limit": "2/1d"}]}"#;
        let source = testbed::diagnostic::Source::new("registry", text);
        let settings = check("hub", &testbed::yaml::from_str::<RegistryConfig>(&source).unwrap()).unwrap();
        let limiter = Limiter::new(&settings);
        let ci = Principal::Account("ci".parse().unwrap());
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let begin = Clock::DEFAULT_START;
        limiter.ask(&settings, &ci, address(1), begin, true);
        limiter.ask(&settings, &Principal::Anonymous, address(1), begin, true);
        let sweep_after = |seconds| {
            limiter.state().sweep_at = 1;
            let now = after(begin, Duration::from_secs(seconds));
            limiter.ask(&settings, &Principal::Anonymous, address(2), now, true);
            let n_kept = limiter.state().counters.len();
            (n_kept, limiter.ask(&settings, &ci, address(1), now, false).unwrap().remaining)
        };
        assert_eq!(sweep_after(24 * 3600 - 1), (3, 1));
        assert_eq!(sweep_after(24 * 3600), (1, 2));
    }
}
