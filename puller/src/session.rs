//! One client's dealings with one repository of one registry, for the length of a pull or a push: where the registry is,
//! what it wanted to see last time, and what the pull has cost so far.
//!
//! How a request is made is told in `transport.rs`.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, AtomicU64, Ordering},
};
use std::time::Duration;

use oci::{Endpoint, ImageReference, RegistryHost, Scope};
use testbed::{
    Clock, Event, Journal,
    clock::Participant,
    journal::RetryWait,
    net::Vantage,
    task::{Credentials, FailureKind, PullFailure},
};
use url::Url;

use crate::{
    client::{ClientProfile, Decision, Failure, RequestKind, Retries},
    failure::{Trouble, failure},
    progress::{Listener, Progress, Retrying},
    puller::Settings,
    token::{TokenKey, Tokens, is_loopback},
    transport::Ask,
};

/// See the module.
pub(crate) struct Session {
    pub(crate) from: Vantage,
    pub(crate) credentials: Option<Credentials>,
    /// `https://registry-1.docker.io/`.
    pub(crate) registry: Url,
    /// What tokens are asked for where the challenge does not say.
    pub(crate) scope: Scope,
    pub(crate) tokens: Tokens,
    pub(crate) cost: Cost,
    pub(crate) clock: Clock,
    pub(crate) listener: Listener,
    /// A std mutex: one small value, copied in and out.
    login: Mutex<Login>,
    journal: Journal,
    pub(crate) profile: Arc<ClientProfile>,
    /// A std mutex: a few numbers.
    retries: Mutex<Retries>,
}

/// How the registry wants to be shown who asks, as far as it has said.
#[derive(Clone, Debug, Default)]
pub(crate) enum Login {
    /// Nothing was asked for yet: the first request goes without a token.
    #[default]
    Unasked,
    /// User name and password with every request.
    Basic,
    /// A token of this kind.
    Bearer(TokenKey),
}

/// What a pull has cost so far.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    received_bytes: AtomicU64,
    n_resumed: AtomicU32,
    n_retries: AtomicU32,
}

impl Session {
    /// Begins to deal with the registry of `image`.
    ///
    /// # Errors
    /// The host makes no URL.
    pub(crate) fn open(
        settings: &Settings,
        image: &ImageReference,
        scope: Scope,
        from: &Vantage,
        credentials: Option<&Credentials>,
    ) -> Result<Self, PullFailure> {
        Ok(Self {
            from: from.clone(),
            credentials: credentials.cloned(),
            registry: registry_url(image.host())?,
            scope,
            tokens: Tokens::default(),
            cost: Cost::default(),
            clock: settings.clock.clone(),
            listener: settings.listener.clone(),
            login: Mutex::default(),
            journal: settings.journal.clone(),
            profile: Arc::clone(&settings.profile),
            retries: Mutex::new(Retries::new(&settings.profile, settings.seed)),
        })
    }

    /// The URL of an endpoint.
    pub(crate) fn url(&self, endpoint: &Endpoint) -> Url {
        let mut url = self.registry.clone();
        url.set_path(&endpoint.path());
        url
    }

    /// How to log in, as far as it is known.
    pub(crate) fn login(&self) -> Login {
        self.login_slot().clone()
    }

    /// Keeps how to log in, for the requests to come.
    pub(crate) fn set_login(&self, login: Login) {
        *self.login_slot() = login;
    }

    fn retries(&self) -> MutexGuard<'_, Retries> {
        self.retries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn login_slot(&self) -> MutexGuard<'_, Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `https://<host>/`, or `http://<host>/` for a registry on this machine, which is how clients treat those.
fn registry_url(host: &RegistryHost) -> Result<Url, PullFailure> {
    let fail = || failure(FailureKind::Protocol, format!("the registry host `{host}` makes no URL"));
    let mut url = Url::parse(&format!("https://{}/", host.api_host())).map_err(|_| fail())?;
    if is_loopback(&url) {
        // The port must be read again: 443 is the default of one scheme and not of the other.
        url = Url::parse(&format!("http://{}/", host.api_host())).map_err(|_| fail())?;
    }
    Ok(url)
}

/// A failure that would be over after a wait that is too long.
fn too_long(failure: PullFailure, wait: Duration) -> PullFailure {
    let message = format!("{}; the registry asks to wait {}", failure.message, testbed::duration::print(wait));
    PullFailure { message, ..failure }
}

/// The attempts of one request.
pub(crate) struct Attempts<'a> {
    session: &'a Session,
    participant: &'a Participant,
    request: String,
    kind: RequestKind,
    n_failed: u32,
}

impl<'a> Attempts<'a> {
    /// No attempt at `ask` has failed yet.
    pub(crate) fn new(session: &'a Session, participant: &'a Participant, ask: &Ask) -> Self {
        Self { session, participant, request: ask.name(), kind: ask.kind, n_failed: 0 }
    }

    /// Begins to count anew.
    pub(crate) fn reset(&mut self) {
        self.n_failed = 0;
    }

    /// After a failed attempt: waits as the policy says, so that the caller tries again.
    ///
    /// # Errors
    /// The policy gives up; the failure is the outcome.
    pub(crate) async fn wait_after(&mut self, trouble: Trouble) -> Result<(), PullFailure> {
        self.n_failed += 1;
        let Session { journal, listener, from, cost, .. } = self.session;
        let failure = Failure {
            request: self.kind,
            cause: trouble.cause,
            retry_after: trouble.retry_after,
            now: self.session.clock.now(),
            is_last_host: true,
        };
        let wait = match self.session.retries().after(&failure, self.n_failed) {
            Decision::GiveUp => return Err(trouble.failure),
            Decision::TooLong(wait) => return Err(too_long(trouble.failure, wait)),
            Decision::RetryAfter(wait) => wait,
        };
        cost.n_retries.fetch_add(1, Ordering::Relaxed);
        journal.record(Event::RetryWait(RetryWait {
            from: String::from(from.name()),
            request: self.request.clone(),
            attempt: self.n_failed,
            cause: trouble.failure.message.clone(),
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        }));
        listener.tell(|| {
            Progress::Retrying(Retrying {
                request: self.request.clone(),
                attempt: self.n_failed,
                cause: trouble.failure.message,
                wait,
            })
        });
        self.participant.sleep(wait).await;
        Ok(())
    }
}

impl Cost {
    /// Bytes of blobs came in.
    pub(crate) fn add_received(&self, n_bytes: u64) {
        self.received_bytes.fetch_add(n_bytes, Ordering::Relaxed);
    }

    /// A download went on where it had stopped.
    pub(crate) fn add_resumed(&self) {
        self.n_resumed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn n_resumed(&self) -> u32 {
        self.n_resumed.load(Ordering::Relaxed)
    }

    pub(crate) fn n_retries(&self) -> u32 {
        self.n_retries.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_asked_over_https_except_on_this_machine() {
        let check = |host: &str, expected: &str| {
            assert_eq!(registry_url(&host.parse().unwrap()).unwrap().as_str(), expected);
        };
        check("docker.io", "https://registry-1.docker.io/");
        check("quay.io", "https://quay.io/");
        check("registry.test:5000", "https://registry.test:5000/");
        check("localhost:5000", "http://localhost:5000/");
        check("127.0.0.1:5000", "http://127.0.0.1:5000/");
        check("[::1]:443", "http://[::1]:443/");
    }
}
