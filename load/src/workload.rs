//! What is asked for, how much of it, and how much at once. Nothing here does anything.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use oci::{ImageReference, Platform};
use puller::RetryPolicy;
use testbed::task::Credentials;

/// A load.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What is asked for.
    pub mix: Mix,
    /// How much of it.
    pub extent: Extent,
    /// Operations under way at once.
    pub concurrency: NonZeroUsize,
    /// Operations that are made first and not measured: connections are opened, caches filled.
    pub n_warm_up: u64,
    /// Which image of an index is wanted.
    pub platform: Platform,
    /// What to log in with.
    pub credentials: Option<Credentials>,
    /// How often a failed request is made again. [`Workload::new`] says never, so that every failure shows.
    pub policy: RetryPolicy,
}

/// How much is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many operations.
    Count(NonZeroU64),
    /// As many as can be started in this wire time. Those under way at its end are finished, and counted.
    For(Duration),
}

/// Operations by weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    shares: Vec<Share>,
    n_per_round: u64,
}

/// One operation of a mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// What is done.
    pub kind: Kind,
    /// To which image.
    pub image: ImageReference,
    /// How often in a round of the mix.
    pub weight: NonZeroU32,
}

/// What is done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is pulled, and every byte verified and dropped.
    Pull,
    /// Its manifest is fetched, and from an index the platform's.
    Manifest,
}

/// A mix has no operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a workload needs at least one image")]
pub struct EmptyMix;

impl Workload {
    /// A load with the defaults: no warm-up, `linux/amd64`, anonymous, nothing tried again.
    pub fn new(mix: Mix, extent: Extent, concurrency: NonZeroUsize) -> Self {
        Self {
            mix,
            extent,
            concurrency,
            n_warm_up: 0,
            platform: Platform::linux_amd64(),
            credentials: None,
            policy: RetryPolicy::never(),
        }
    }
}

impl Mix {
    /// A mix of these operations.
    ///
    /// # Errors
    /// There are none.
    pub fn new(shares: Vec<Share>) -> Result<Self, EmptyMix> {
        let n_per_round = shares.iter().map(|share| u64::from(share.weight.get())).sum();
        if n_per_round == 0 { Err(EmptyMix) } else { Ok(Self { shares, n_per_round }) }
    }

    /// The same operation on each of these images in turn.
    ///
    /// # Errors
    /// There are none.
    pub fn even(kind: Kind, images: impl IntoIterator<Item = ImageReference>) -> Result<Self, EmptyMix> {
        let share = |image| Share { kind, image, weight: NonZeroU32::MIN };
        Self::new(images.into_iter().map(share).collect())
    }

    /// Operation number `n`: the same for every run, and each round keeps the weights exactly.
    pub fn pick(&self, n: u64) -> &Share {
        let mut left = n % self.n_per_round;
        for share in &self.shares {
            match left.checked_sub(u64::from(share.weight.get())) {
                Some(rest) => left = rest,
                None => return share,
            }
        }
        // `left` was less than the sum of the weights, so one of them ended the loop.
        &self.shares[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(image: &str, weight: u32) -> Share {
        Share { kind: Kind::Pull, image: image.parse().unwrap(), weight: NonZeroU32::new(weight).unwrap() }
    }

    #[test]
    fn each_round_keeps_the_weights() {
        let mix = Mix::new(vec![share("a", 3), share("b", 1)]).unwrap();
        let picked: Vec<_> = (0..8).map(|n| mix.pick(n).image.familiar()).collect();
        assert_eq!(picked, ["a:latest", "a:latest", "a:latest", "b:latest"].repeat(2));
        assert_eq!(mix.pick(u64::MAX), &share("b", 1));
    }

    #[test]
    fn a_mix_of_nothing_is_refused() {
        assert_eq!(Mix::even(Kind::Manifest, []), Err(EmptyMix));
    }
}
