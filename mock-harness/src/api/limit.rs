//! The API's own limits: so many requests of a key, so many from an address, in any window of policy time.
//!
//! A request beyond is answered 429 **without `Retry-After`**, and is not counted. Source: facts/harness B1.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{BuildHasher as _, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use oci::PullLimit;
use testbed::{Secret, Timestamp};

use crate::config::{ApiLimitsConfig, RateLimitBody};

/// The most keys and addresses that are remembered; beyond it those that are idle are forgotten, and if none is, all.
const MAX_KEYS: usize = 10_000;

/// What was used of the limits.
pub(crate) struct ApiLimits {
    config: ApiLimitsConfig,
    // Keys are kept as hashes: what anybody may send is not remembered.
    hashes: RandomState,
    used: Mutex<HashMap<u64, VecDeque<Timestamp>>>,
}

impl ApiLimits {
    pub(crate) fn new(config: ApiLimitsConfig) -> Self {
        Self { config, hashes: RandomState::new(), used: Mutex::default() }
    }

    /// The key of a request, if there is a limit that asks for it.
    pub(super) fn key_of(&self, headers: &HeaderMap) -> Option<Secret> {
        self.config.per_key?;
        headers.get("x-api-key").and_then(|key| key.to_str().ok()).map(Secret::new)
    }

    /// Counts a request, or tells the limit that it is beyond. That of the address comes first, as it does in front of the
    /// platform.
    pub(super) fn take(&self, key: Option<&Secret>, address: IpAddr, now: Timestamp) -> Result<(), PullLimit> {
        if let Some(limit) = self.config.per_address {
            self.take_one(limit, ("address", address), now)?;
        }
        if let (Some(limit), Some(key)) = (self.config.per_key, key) {
            self.take_one(limit, ("key", key.expose()), now)?;
        }
        Ok(())
    }

    fn take_one(&self, limit: PullLimit, whose: impl Hash, now: Timestamp) -> Result<(), PullLimit> {
        let whose = self.hashes.hash_one(whose);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MAX_KEYS && !used.contains_key(&whose) {
            used.retain(|_, requests| requests.back().is_some_and(|last| counts(*last, limit.window(), now)));
            if used.len() >= MAX_KEYS {
                used.clear();
            }
        }
        let requests = used.entry(whose).or_default();
        while requests.front().is_some_and(|at| !counts(*at, limit.window(), now)) {
            requests.pop_front();
        }
        // A clock can be set back: what is in the future does not count either.
        while requests.back().is_some_and(|at| *at > now) {
            requests.pop_back();
        }
        if requests.len() >= usize::try_from(limit.pulls().get()).unwrap_or(usize::MAX) {
            return Err(limit);
        }
        requests.push_back(now);
        Ok(())
    }
}

fn counts(at: Timestamp, window: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(at)).is_ok_and(|age| age < window)
}

/// The answer to a request beyond `limit`.
pub(super) fn refuse(body: RateLimitBody, limit: PullLimit) -> Response {
    let (kind, text) = match body {
        RateLimitBody::Html => ("text/html; charset=UTF-8", String::from(CLOUD_ARMOR)),
        RateLimitBody::Text => {
            let per_second = u64::from(limit.pulls().get()) / limit.window().as_secs().max(1);
            ("text/plain", format!("Too Many requests. Throttled. Max QPS: {per_second}"))
        }
    };
    (StatusCode::TOO_MANY_REQUESTS, [(header::CONTENT_TYPE, kind)], text).into_response()
}

/// What Google's load balancers answer, which are in front of the platform.
const CLOUD_ARMOR: &str = "<!doctype html><meta charset=\"utf-8\"><meta name=viewport content=\"width=device-width, \
                           initial-scale=1\"><title>429</title>429 Too Many Requests";

impl fmt::Debug for ApiLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiLimits({:?})", self.config)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use testbed::{Clock, clock::after};

    use super::*;

    proptest! {
        #[test]
        fn no_window_has_more_than_its_limit_and_none_is_refused_below(
            gaps in proptest::collection::vec(0u64..20, 1..80),
            pulls in 1u32..6,
            window in 1u64..30,
        ) {
            let limit: PullLimit = format!("{pulls}/{window}s").parse().unwrap();
            let limits = ApiLimits::new(ApiLimitsConfig { per_key: Some(limit), per_address: None });
            let mut now = Clock::DEFAULT_START;
            let mut taken: Vec<Timestamp> = Vec::new();
            for gap in gaps {
                now = after(now, Duration::from_secs(gap));
                let in_window = taken.iter().filter(|at| counts(**at, limit.window(), now)).count();
                let granted = limits.take(Some(&Secret::new("k")), IpAddr::from([127, 0, 0, 1]), now).is_ok();
                prop_assert_eq!(granted, in_window < pulls as usize);
                if granted {
                    taken.push(now);
                }
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_forgets_the_future() {
        let limits = ApiLimits::new(ApiLimitsConfig { per_key: None, per_address: Some("1/min".parse().unwrap()) });
        let (address, start) = (IpAddr::from([127, 0, 0, 1]), Clock::DEFAULT_START);
        assert!(limits.take(None, address, after(start, Duration::from_secs(100))).is_ok());
        assert!(limits.take(None, address, start).is_ok());
        assert!(limits.take(None, address, start).is_err());
    }
}
