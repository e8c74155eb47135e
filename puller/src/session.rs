//! One client's dealings with one repository of one registry, for the length of a pull or a push: where the registry is,
//! what it wanted to see last time, and what the pull has cost so far.
//!
//! How a request is made is told in `transport.rs`.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use oci::{Endpoint, RegistryHost, Scope};
use testbed::{
    Clock, Event, Journal, Timestamp,
    clock::{Participant, Turns, after},
    journal::RetryWait,
    net::Vantage,
    task::{Credentials, Effort, FailureKind, PullFailure},
};
use url::Url;

use crate::{
    client::{ClientProfile, Decision, Failure, RequestKind, Retries},
    failure::{Trouble, failure},
    progress::{Listener, Progress, Retrying},
    puller::Settings,
    token::{TokenKey, Tokens, is_loopback},
    transport::Ask,
    words,
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
    pub(crate) cost: Arc<Cost>,
    pub(crate) clock: Clock,
    pub(crate) listener: Listener,
    pub(crate) profile: Arc<ClientProfile>,
    /// How long the head of an answer and each further piece of it may take, in wire time, if that was said.
    pub(crate) timeout: Option<Duration>,
    /// Whether the version check was made. Taken in turns, also while it is made: one is enough for all who wait for it.
    pub(crate) greeted: Turns<bool>,
    /// A std mutex: one small value, copied in and out.
    login: Mutex<Login>,
    /// A std mutex: a few numbers.
    retries: Mutex<Retries>,
    /// Until when no request is sent. A std mutex: one number.
    paused_until: Mutex<Timestamp>,
    /// The registry that a mirror stands for, if it is told.
    origin: Option<RegistryHost>,
    is_last_host: bool,
    journal: Journal,
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
    /// A std mutex: a few numbers and texts.
    effort: Mutex<Effort>,
}

impl Session {
    /// Begins to deal with `host`: a mirror if there is an `origin`, which is told to it if it is a name.
    ///
    /// # Errors
    /// The host makes no URL.
    pub(crate) fn open(
        settings: &Settings,
        host: &RegistryHost,
        scope: Scope,
        from: &Vantage,
        credentials: Option<&Credentials>,
        origin: Option<Option<&RegistryHost>>,
        cost: &Arc<Cost>,
    ) -> Result<Self, PullFailure> {
        Ok(Self {
            from: from.clone(),
            credentials: credentials.cloned(),
            registry: registry_url(host)?,
            scope,
            tokens: Tokens::default(),
            cost: Arc::clone(cost),
            clock: settings.clock.clone(),
            listener: settings.listener.clone(),
            profile: Arc::clone(&settings.profile),
            timeout: settings.timeout,
            greeted: Turns::default(),
            login: Mutex::default(),
            retries: Mutex::new(Retries::new(&settings.profile, settings.next_seed())),
            paused_until: Mutex::new(Timestamp::MIN),
            is_last_host: origin.is_none(),
            origin: origin.flatten().cloned(),
            journal: settings.journal.clone(),
        })
    }

    /// The URL of an endpoint.
    pub(crate) fn url(&self, endpoint: &Endpoint) -> Url {
        let mut url = self.registry.clone();
        url.set_path(&endpoint.path());
        if let Some(origin) = &self.origin {
            url.query_pairs_mut().append_pair("ns", origin.as_str());
        }
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

    /// A request succeeded.
    pub(crate) fn succeeded(&self) {
        self.retries().succeeded();
    }

    /// Waits until requests may be sent, for a client whose requests share what a registry asks for.
    pub(crate) async fn wait_for_pause(&self, participant: &Participant) {
        loop {
            let until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
            match Duration::try_from(until.duration_since(self.clock.now())) {
                Ok(wait) if !wait.is_zero() => {
                    self.cost.add_waited(wait);
                    participant.sleep(wait).await;
                }
                _ => return,
            }
        }
    }

    fn pause(&self, wait: Duration) {
        let until = after(self.clock.now(), wait);
        let mut paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = until.max(*paused);
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

    /// After a failed attempt: waits as the client's rules say, so that the caller tries again.
    ///
    /// # Errors
    /// The rules give up; the failure is the outcome.
    pub(crate) async fn wait_after(&mut self, trouble: Trouble) -> Result<(), PullFailure> {
        let Session { journal, listener, from, cost, profile, .. } = self.session;
        let n_attempts = if trouble.was_challenged && profile.token.challenge_counts { 2 } else { 1 };
        self.n_failed = self.n_failed.saturating_add(n_attempts);
        let failure = Failure {
            request: self.kind,
            asked: self.request.clone(),
            cause: trouble.cause,
            retry_after: trouble.retry_after,
            now: self.session.clock.now(),
            is_last_host: self.session.is_last_host,
        };
        let (decision, is_shared) = {
            let mut retries = self.session.retries();
            (retries.after(&failure, self.n_failed), retries.is_shared(&failure))
        };
        let wait = match decision {
            Decision::GiveUp => return Err(trouble.failure),
            Decision::TooLong(wait) => return Err(too_long(trouble.failure, wait)),
            Decision::RetryAfter(wait) => wait,
        };
        if is_shared {
            self.session.pause(wait);
        }
        cost.n_retries.fetch_add(1, Ordering::Relaxed);
        cost.add_waited(wait);
        journal.record(Event::RetryWait(RetryWait {
            from: String::from(from.name()),
            request: self.request.clone(),
            attempt: self.n_failed,
            cause: words::without_token_ids(&trouble.failure.message),
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

    /// A request was sent.
    pub(crate) fn add_request(&self, kind: RequestKind) {
        let mut effort = self.effort_slot();
        effort.n_requests += 1;
        effort.n_tokens += u32::from(kind == RequestKind::Token);
    }

    /// Somebody waits.
    pub(crate) fn add_waited(&self, wait: Duration) {
        let mut effort = self.effort_slot();
        effort.waited = effort.waited.saturating_add(wait);
    }

    /// The registry warns; each text is kept once.
    pub(crate) fn add_warning(&self, text: &str) {
        let mut effort = self.effort_slot();
        if effort.warnings.len() < MAX_WARNINGS && !effort.warnings.iter().any(|known| known == text) {
            effort.warnings.push(String::from(text));
        }
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

    pub(crate) fn effort(&self) -> Effort {
        self.effort_slot().clone()
    }

    /// The failure of a pull, with what it has cost.
    pub(crate) fn of_failure(&self, failure: PullFailure) -> PullFailure {
        PullFailure { n_retries: self.n_retries(), effort: self.effort(), ..failure }
    }

    fn effort_slot(&self) -> MutexGuard<'_, Effort> {
        self.effort.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many different warnings of one pull are kept.
const MAX_WARNINGS: usize = 100;

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
