//! A pull task, and who carries it out.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use oci::{AccountName, ImageReference, Platform, RegistryHost};

use super::{PullFailure, PulledImage};
use crate::{Secret, clock::Participant, net::Vantage};

/// Pull this image, from there, with these credentials.
#[derive(Clone, Debug)]
pub struct PullTask {
    /// The image as the container runtime is asked for it.
    pub image: ImageReference,
    /// Which image of an index is wanted.
    pub platform: Platform,
    /// What to log in with; none is an anonymous pull.
    pub credentials: Option<Credentials>,
    /// Hosts that are asked first, in order, if the client has mirrors for this registry.
    pub mirrors: Vec<RegistryHost>,
    /// The image of this name that is here already, as an earlier pull left it.
    pub cached: Option<PulledImage>,
    /// From where: a delegate's address, and the hosts it may talk to.
    pub from: Vantage,
}

impl PullTask {
    /// An anonymous pull for `linux/amd64`, of an image that is not here.
    pub fn new(image: ImageReference, from: Vantage) -> Self {
        Self { image, platform: Platform::linux_amd64(), credentials: None, mirrors: Vec::new(), cached: None, from }
    }
}

/// A user name and a password, for one registry; or a refresh token in the password's place, as credential stores keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub username: AccountName,
    /// Its password or token.
    pub password: Secret,
    /// Whether it is a refresh token: good for tokens, and not to be shown to the registry.
    pub is_refresh_token: bool,
}

/// What carries out pull tasks. The runner gives one to the Harness side, which knows no puller.
pub trait PullAgent: Send + Sync {
    /// Pulls, verifies, and says how it went. The pull takes the place of `participant` on the clock, so that the clock
    /// stands still between it and what its giver does next.
    fn pull<'a>(
        &'a self,
        participant: &'a Participant,
        task: PullTask,
    ) -> BoxFuture<'a, Result<PulledImage, PullFailure>>;
}

/// A shared [`PullAgent`].
pub type SharedAgent = Arc<dyn PullAgent>;
