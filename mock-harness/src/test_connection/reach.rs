//! Step 1 of a test: can the URL be reached at all? Nearly every answer is a yes.
//!
//! Source: facts/harness B7, step 1.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::StatusCode;
use testbed::{Clock, Timestamp, clock::after, net::Vantage};
use url::Url;

use super::http::{Follow, get};
use crate::account::{DockerSpec, ProviderType};

/// How long an answer is kept per URL, in policy time.
const KEEP: Duration = Duration::from_secs(60);
/// The most answers kept; beyond it all are forgotten.
const MAX_KEPT: usize = 1000;

/// What was found out about which URL from where, and until when that counts.
#[derive(Clone, Default)]
pub(crate) struct ReachCache(Arc<Mutex<HashMap<Asked, Known>>>);

/// From where, and what.
type Asked = (String, Url);
/// Until when the answer counts, and whether it was one.
type Known = (Timestamp, bool);

/// The URL with a slash at its end, which the platform shows and asks below.
pub(super) fn with_slash(url: &str) -> String {
    if url.ends_with('/') { String::from(url) } else { format!("{url}/") }
}

/// Whether the registry at the connector's URL answers with anything but 400.
pub(super) async fn is_reachable(docker: &DockerSpec, from: &Vantage, cache: &ReachCache, clock: &Clock) -> bool {
    let Ok(url) = Url::parse(&reached_url(docker)) else { return false };
    let key = (String::from(from.name()), url);
    if let Some(known) = cache.get(&key, clock.now()) {
        return known;
    }
    // Only answers are kept, not that there was none.
    let Ok(answer) = get(from, &key.1, None, Follow::WithinScheme).await else { return false };
    let is_reachable = answer.status() != StatusCode::BAD_REQUEST;
    cache.put(key, clock.now(), is_reachable);
    is_reachable
}

/// `<url>/v2`; a URL that ends in `/v2` or `/v2/` stays; Harbor has a ping.
fn reached_url(docker: &DockerSpec) -> String {
    let base = with_slash(&docker.url);
    if docker.provider == ProviderType::Harbor {
        format!("{base}api/v2.0/ping")
    } else if base.ends_with("/v2/") {
        base
    } else {
        format!("{base}v2")
    }
}

impl ReachCache {
    fn get(&self, key: &Asked, now: Timestamp) -> Option<bool> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).filter(|(until, _)| now < *until).map(|(_, known)| *known)
    }

    fn put(&self, key: Asked, now: Timestamp, known: bool) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, (after(now, KEEP), known));
    }
}

impl fmt::Debug for ReachCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReachCache")
    }
}
