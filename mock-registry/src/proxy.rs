//! A pull-through proxy: what of its upstream it has in its cache, and what becomes of the upstream's refusals.
//!
//! The upstream is played: its images are this registry's own, and it lets through what the limit allows, the proxy being its
//! one client. As real proxies do, this one asks the upstream by `HEAD` for each pull by tag, which costs nothing, and by
//! `GET` for a manifest that it has not got, which costs a pull. Blobs cost nothing upstream.
//!
//! Source: facts/registry B4.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
};

use axum::response::Response;
use http::Method;
use oci::{Digest, EndpointKind, Reference, RepositoryName};
use testbed::{clock::Timestamp, dialect::Facts};

use crate::{
    LimitConfig, Protocol, UpstreamConfig, UpstreamRefusal, Who,
    dialects::compose,
    error::RegistryError,
    limit::{Asked, Limiter, Ruling},
    state::App,
};

/// The most manifests and tags that are remembered of the cache.
const MAX_CACHED: usize = 1_000_000;

/// The cache of a proxy, and its standing with the upstream.
#[derive(Debug)]
pub(crate) struct Proxy {
    refusal: UpstreamRefusal,
    upstream: Limiter,
    cached: Mutex<Cached>,
}

#[derive(Debug, Default)]
struct Cached {
    manifests: HashSet<(RepositoryName, Digest)>,
    /// What tags named when they were last pulled.
    tags: HashMap<(RepositoryName, Reference), Digest>,
}

/// What the proxy does about a manifest.
pub(crate) enum Fetch {
    /// It has it, or got it.
    Manifest(Reference),
    /// It refuses.
    Refused(Response),
}

impl Proxy {
    /// A proxy with an empty cache.
    pub(crate) fn new(config: &UpstreamConfig) -> Self {
        let limit = LimitConfig { who: Who::Everyone, ..LimitConfig::new("upstream", config.limit) };
        Self { refusal: config.refusal, upstream: Limiter::new(&[limit]), cached: Mutex::default() }
    }

    /// Gets a manifest, which is `digest` upstream: from the cache, or at the cost of a pull. Adds to `ruling` what the
    /// upstream's limit said.
    pub(crate) fn fetch(
        &self,
        app: &App,
        repository: &RepositoryName,
        reference: &Reference,
        digest: &Digest,
        method: &Method,
        ruling: &mut Ruling,
    ) -> Fetch {
        let key = (repository.clone(), digest.clone());
        let tag = (repository.clone(), reference.clone());
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.manifests.contains(&key) || *method == Method::HEAD {
            return Fetch::Manifest(reference.clone());
        }
        let now = app.clock.now();
        if self.ask(repository, now, ruling) {
            if cached.manifests.len() >= MAX_CACHED || cached.tags.len() >= MAX_CACHED {
                *cached = Cached::default();
            }
            cached.manifests.insert(key);
            cached.tags.insert(tag, digest.clone());
            return Fetch::Manifest(reference.clone());
        }
        let stale = cached.tags.get(&tag).cloned().map(Reference::Digest);
        match (self.refusal, stale) {
            (UpstreamRefusal::Stale | UpstreamRefusal::BlobUnknown, Some(stale)) => Fetch::Manifest(stale),
            _ => Fetch::Refused(self.refuse(app, reference, now)),
        }
    }

    /// Whether a blob can be had: not where the proxy takes every trouble of its upstream for a blob that is absent.
    pub(crate) fn has_blob(&self, repository: &RepositoryName, now: Timestamp) -> bool {
        if self.refusal != UpstreamRefusal::BlobUnknown {
            return true;
        }
        let mut ruling = Ruling::default();
        self.upstream.pass(&asked(repository, &Method::HEAD), false, now, &mut ruling);
        ruling.standings.first().is_none_or(|standing| standing.left > 0)
            || self
                .cached
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .manifests
                .iter()
                .any(|(name, _)| name == repository)
    }

    /// Forgets the cache and what was pulled.
    pub(crate) fn reset(&self) {
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = Cached::default();
        self.upstream.restore(&crate::LimitUsage::default());
    }

    fn ask(&self, repository: &RepositoryName, now: Timestamp, ruling: &mut Ruling) -> bool {
        let mut said = Ruling::default();
        self.upstream.pass(&asked(repository, &Method::GET), false, now, &mut said);
        let is_let_through = said.refusal().is_none();
        ruling.standings.append(&mut said.standings);
        is_let_through
    }

    fn refuse(&self, app: &App, reference: &Reference, now: Timestamp) -> Response {
        let facts = Facts { name: Some(app.name.to_string()), now, ..Facts::default() };
        let error = |error: RegistryError| axum::response::IntoResponse::into_response(error);
        match self.refusal {
            UpstreamRefusal::AsItIs => compose("dockerhub-anonymous", &facts),
            UpstreamRefusal::Stale | UpstreamRefusal::TooManyRequests => compose("harbor-proxy", &facts),
            UpstreamRefusal::CacheRule => compose("acr-cache", &facts),
            UpstreamRefusal::ManifestUnknown | UpstreamRefusal::BlobUnknown => {
                error(RegistryError::ManifestUnknown(reference.clone()))
            }
            UpstreamRefusal::Denied => compose("denied-as-limit", &facts),
        }
    }
}

/// The proxy's own request to its upstream.
fn asked<'a>(repository: &'a RepositoryName, method: &'a Method) -> Asked<'a> {
    Asked {
        kind: EndpointKind::Manifest,
        method,
        repository: Some(repository),
        account_name: None,
        account: None,
        account_limit: None,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        forwarded_for: None,
        connection: 0,
        protocol: Protocol::Http1,
        token: None,
        authorization: None,
    }
}
