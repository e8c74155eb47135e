//! The hosts that one pull may ask: mirrors first, the registry that the reference names last.
//!
//! Any failure leads to the next host, as in all clients that have mirrors; what differs is for how much it is decided at
//! once: for one request, for what follows the manifest, or for the whole pull.
//!
//! Source: facts/registry E7.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use oci::{ImageReference, RegistryHost, Scope};
use testbed::{
    clock::Participant,
    net::Vantage,
    task::{Credentials, FailureKind, PullFailure, PullTask},
};

use crate::{
    client::{ClientProfile, MirroredRegistries, MirrorsDecided, Order, RoundsOf},
    failure::{failure, round_cause},
    puller::Settings,
    session::{Cost, Session},
};

/// See the module.
pub(crate) struct Hosts {
    sessions: Vec<Arc<Session>>,
    /// Whose manifest was taken, once that decides.
    chosen: OnceLock<usize>,
    profile: Arc<ClientProfile>,
    cost: Arc<Cost>,
}

/// Who asks, and for what.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) image: &'a ImageReference,
    pub(crate) mirrors: &'a [RegistryHost],
    pub(crate) credentials: Option<&'a Credentials>,
    pub(crate) from: &'a Vantage,
}

impl<'a> Asker<'a> {
    /// Whoever has this task.
    pub(crate) fn of(task: &'a PullTask) -> Self {
        let PullTask { image, mirrors, credentials, from, .. } = task;
        Self { image, mirrors, credentials: credentials.as_ref(), from }
    }
}

impl Hosts {
    /// The order of the client's requests.
    pub(crate) fn order(&self) -> &Order {
        &self.profile.order
    }

    /// Begins to deal with the hosts of an image. Credentials are for its own registry, and never for a mirror.
    ///
    /// # Errors
    /// A host makes no URL.
    pub(crate) fn open(settings: &Settings, asker: Asker<'_>, cost: &Arc<Cost>) -> Result<Self, PullFailure> {
        let Asker { image, mirrors, credentials, from } = asker;
        let profile = &settings.profile;
        let has_mirrors = match profile.mirrors.of {
            MirroredRegistries::Any => true,
            MirroredRegistries::DockerHub => image.host().is_docker_hub(),
            MirroredRegistries::None => false,
        };
        let mirrors = if has_mirrors { mirrors } else { &[] };
        let scope = Scope::pull(image.repository());
        let open = |host, credentials, origin| {
            Session::open(settings, host, scope.clone(), from, credentials, origin, cost).map(Arc::new)
        };
        let origin = profile.mirrors.names_origin.then_some(image.host());
        let sessions = mirrors.iter().map(|mirror| open(mirror, None, Some(origin)));
        let sessions = sessions.chain([open(image.host(), credentials, None)]).collect::<Result<_, _>>()?;
        let (profile, cost) = (Arc::clone(profile), Arc::clone(cost));
        Ok(Self { sessions, chosen: OnceLock::new(), profile, cost })
    }

    /// One of them alone.
    pub(crate) fn single(session: &Arc<Session>) -> Self {
        let (profile, cost) = (Arc::clone(&session.profile), Arc::clone(&session.cost));
        Self { sessions: vec![Arc::clone(session)], chosen: OnceLock::new(), profile, cost }
    }

    /// Whether a whole pull is tried at one host after the other.
    pub(crate) fn is_per_pull(&self) -> bool {
        self.sessions.len() > 1 && self.profile.mirrors.decided == MirrorsDecided::PerPull
    }

    /// The manifest came from this one.
    pub(crate) fn choose(&self, session: &Session) {
        if self.profile.mirrors.decided == MirrorsDecided::WithManifest {
            let index = self.sessions.iter().position(|known| std::ptr::eq(&**known, session));
            // A second manifest of the same pull comes from the same host anyway.
            let _ = index.map(|index| self.chosen.set(index));
        }
    }

    /// Lets one host after the other try, each from its version check on, and begins anew if the client has rounds of
    /// requests.
    ///
    /// # Errors
    /// The last host's failure.
    pub(crate) async fn ask<'a, T>(
        &'a self,
        participant: &'a Participant,
        work: impl Fn(&'a Arc<Session>) -> BoxFuture<'a, Result<T, PullFailure>> + Send + Sync,
    ) -> Result<T, PullFailure> {
        let mut round = 1;
        loop {
            let failure = match self.ask_each(participant, &work).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let rounds = self.profile.outer.as_ref().filter(|outer| outer.of == RoundsOf::Request);
            match rounds.and_then(|outer| outer.after(round_cause(&failure), round)) {
                Some(wait) => {
                    self.cost.add_waited(wait);
                    participant.sleep(wait).await;
                }
                None => return Err(failure),
            }
            round += 1;
        }
    }

    async fn ask_each<'a, T>(
        &'a self,
        participant: &'a Participant,
        work: &(impl Fn(&'a Arc<Session>) -> BoxFuture<'a, Result<T, PullFailure>> + Send + Sync),
    ) -> Result<T, PullFailure> {
        let candidates = match self.chosen.get() {
            Some(chosen) => &self.sessions[*chosen..=*chosen],
            None => &self.sessions[..],
        };
        let mut told: Vec<String> = Vec::new();
        let mut last = failure(FailureKind::Protocol, "there is no host to ask");
        for session in candidates {
            let outcome = match session.greet(participant).await {
                Ok(()) => work(session).await,
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(value) => return Ok(value),
                Err(failure) if self.profile.mirrors.ends_on.contains(&failure.kind) => return Err(failure),
                Err(failure) => last = failure,
            }
            told.push(format!("{}: {}", session.registry.authority(), last.message));
        }
        told.pop();
        if self.profile.mirrors.tells_failures && !told.is_empty() {
            last.message = format!("{} (Mirrors also failed: [{}])", last.message, told.join("], ["));
        }
        Err(last)
    }
}

/// The wait after round number `round` of a whole pull; none if there is no further round.
pub(crate) fn after_pull(profile: &ClientProfile, failure: &PullFailure, round: u32) -> Option<Duration> {
    let rounds = profile.outer.as_ref().filter(|outer| outer.of == RoundsOf::Pull)?;
    rounds.after(round_cause(failure), round)
}
