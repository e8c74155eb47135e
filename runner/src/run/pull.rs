//! The steps `pull` and `push`.

use std::{
    collections::HashMap,
    num::{NonZeroU32, NonZeroUsize},
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use oci::{AccountName, Platform};
use puller::{ClientProfile, LocalImage, Puller, PushTask};
use testbed::{
    Secret,
    clock::Timestamp,
    net::Vantage,
    task::{Credentials, PullTask, PulledImage},
};

use super::{At, Doer, Run};
use crate::{
    check::{self, Seen},
    format::{Caller, PullStep, PushStep},
    outcome::Check,
    world::with_causes,
};

/// The size of the one layer of a pushed image, unless told otherwise: 4 KiB.
const DEFAULT_LAYER_BYTES: usize = 4096;

impl Run<'_> {
    pub(super) async fn pull(&self, step: &PullStep, at: At<'_>, doer: &Doer) -> Result<Vec<Check>, String> {
        let puller = self.puller(step.caller(), step.concurrency, at.number)?;
        let key = format!("{} {:?}", step.image.value, step.platform);
        let platform = step.platform.clone().map_or_else(Platform::linux_amd64, |platform| platform.0);
        let task = PullTask { platform, ..self.task(step.caller(), doer)? };
        let task = match (&step.refresh_token, &step.username) {
            (Some(token), Some(username)) => {
                let (username, password) = (username.clone(), Secret::new(self.variables.fill(token.expose())?));
                PullTask { credentials: Some(Credentials { username, password, is_refresh_token: true }), ..task }
            }
            _ => task,
        };
        let image = step.image.value.familiar();
        let n_pulls = step.repeat.map_or(1, NonZeroU32::get);
        let mut all = Vec::new();
        for n in 1..=n_pulls {
            let cached = self.pulled().get(&key).cloned();
            if step.cached && cached.is_none() {
                return Err(format!("no earlier pull of {image} in this scenario succeeded, so it is not here"));
            }
            let task = PullTask { cached: cached.filter(|_| step.cached), ..task.clone() };
            let begin = self.world.clock.now();
            let pulled = puller.pull_as(&doer.participant, &task).await;
            let took = since(begin, self.world.clock.now());
            if let Ok(pulled) = &pulled {
                self.pulled().insert(key.clone(), pulled.clone());
            }
            let expect = step.expect.last.as_deref().filter(|_| n == n_pulls).unwrap_or(&step.expect);
            let name = if n_pulls == 1 { image.clone() } else { format!("{image} ({n} of {n_pulls})") };
            let mut checks = self.checks(at.before);
            check::pull(expect, &name, &pulled, took, at.span, &mut checks);
            let checks = checks.done();
            let is_false = checks.iter().any(|check| !check.passed);
            all.extend(checks);
            if is_false {
                break;
            }
        }
        Ok(all)
    }

    fn pulled(&self) -> MutexGuard<'_, HashMap<String, PulledImage>> {
        self.pulled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn push(&self, step: &PushStep, at: At<'_>, doer: &Doer) -> Result<Vec<Check>, String> {
        let sizes: Result<Vec<_>, _> = step.layers.iter().map(|size| usize::try_from(size.bytes())).collect();
        let sizes = sizes.map_err(|_| String::from("the layers do not fit into memory"))?;
        let sizes = if sizes.is_empty() { vec![DEFAULT_LAYER_BYTES] } else { sizes };
        let image = &step.image.value;
        let task = PushTask {
            image: image.clone(),
            content: LocalImage::synthetic(self.world.seed().child(&image.to_string()), &sizes),
            credentials: credentials(step.username.as_ref(), step.password.as_ref()),
            from: self.place(step.caller(), doer)?,
        };
        let puller = self.puller(step.caller(), None, at.number)?;
        let begin = self.world.clock.now();
        let outcome = puller.push_as(&doer.participant, &task).await;
        let pushed = Seen { outcome, took: since(begin, self.world.clock.now()) };
        let mut checks = self.checks(at.before);
        check::pushed(&step.expect, &format!("push of {}", image.familiar()), &pushed, at.span, &mut checks);
        Ok(checks.done())
    }

    /// The builtin client as the step of that number wants it.
    pub(super) fn puller(
        &self,
        caller: Caller<'_>,
        concurrency: Option<NonZeroU32>,
        number: &str,
    ) -> Result<Puller, String> {
        // Steps differ in their jitter, and so do clients side by side.
        let seed = self.world.seed().child(&format!("client of step {number}"));
        let mut builder = Puller::builder(&self.world.clock, &self.world.journal).seed(seed);
        if let Some(like) = caller.like {
            let profile = ClientProfile::find(&like.value).ok_or_else(|| format!("no client {}", like.value))?;
            builder = builder.client(profile);
        }
        if let Some(retry) = caller.retry {
            builder = builder.policy(retry.clone());
        }
        if let Some(timeout) = caller.timeout {
            builder = builder.timeout(timeout.0);
        }
        if let Some(concurrency) = concurrency.and_then(|n| NonZeroUsize::try_from(n).ok()) {
            builder = builder.concurrency(concurrency);
        }
        Ok(builder.build())
    }

    /// What a step asks for, for `linux/amd64`.
    pub(super) fn task(&self, caller: Caller<'_>, doer: &Doer) -> Result<PullTask, String> {
        Ok(PullTask {
            credentials: credentials(caller.username, caller.password),
            mirrors: caller.mirrors.to_vec(),
            ..PullTask::new(caller.image.value.clone(), self.place(caller, doer)?)
        })
    }

    fn place(&self, caller: Caller<'_>, doer: &Doer) -> Result<Vantage, String> {
        match (caller.from, caller.source.or(doer.source)) {
            (Some(name), _) => {
                self.world.delegate(&name.value).cloned().ok_or_else(|| format!("no delegate {}", name.value))
            }
            (None, Some(source)) => self.world.client_at(source).map_err(|error| with_causes(&error)),
            (None, None) => Ok(self.world.client().clone()),
        }
    }
}

fn credentials(username: Option<&AccountName>, password: Option<&Secret>) -> Option<Credentials> {
    let username = username?.clone();
    let password = password.cloned().unwrap_or_else(|| Secret::new(""));
    Some(Credentials { username, password, is_refresh_token: false })
}

pub(super) fn since(begin: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(begin)).unwrap_or_default()
}
