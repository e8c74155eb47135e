//! The flags that `simulate` and `cost` share: who pulls what.

use std::{num::NonZeroU32, time::Duration};

use oci::{AccountName, ByteSize, ImageReference, PullLimit};
use runner::simulate::{Fleet, Image, Restart, find_client};
use testbed::{Seed, diagnostic::Diagnostic};

/// Who pulls what.
#[derive(clap::Args)]
pub(crate) struct FleetArgs {
    /// The image that every node pulls; only its name matters, and what the next three say of it.
    #[arg(value_name = "IMAGE", default_value = "library/alpine:latest")]
    image: ImageReference,
    /// How many layers it has.
    #[arg(long, value_name = "N", default_value_t = 4)]
    layers: usize,
    /// How large each layer is.
    #[arg(long, value_name = "SIZE", default_value = "16MiB")]
    layer_size: ByteSize,
    /// Its tag names one image, not an index of platforms.
    #[arg(long)]
    single_platform: bool,
    /// What every node pulls with: docker, docker-containerd, containerd, buildkit, podman, skopeo, crane, kaniko, regclient, oras,
    /// oci-client, or pullrig.
    #[arg(long, value_name = "CLIENT", default_value = "containerd")]
    client: String,
    /// How many nodes.
    #[arg(long, value_name = "N", default_value = "40")]
    nodes: NonZeroU32,
    /// Behind how many addresses they are. One is a common NAT gateway.
    #[arg(long, value_name = "N", default_value = "1")]
    addresses: NonZeroU32,
    /// The account that all of them have. Default: none, they are anonymous.
    #[arg(long, value_name = "NAME")]
    account: Option<AccountName>,
    /// Over which time they begin, evenly. Default: all at once.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = testbed::duration::parse)]
    over: Duration,
    /// How long one request takes, in policy time.
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = testbed::duration::parse)]
    latency: Duration,
    /// Another limit for those without an account, in place of the preset's: `20/1h`.
    #[arg(long, value_name = "LIMIT")]
    pub(crate) limit: Option<PullLimit>,
}

impl FleetArgs {
    /// The fleet.
    ///
    /// # Errors
    /// There cannot be such a one.
    pub(crate) fn fleet(&self, restart: Restart, until: Duration, seed: Seed) -> Result<Fleet, Diagnostic> {
        let fleet = Fleet {
            client: find_client(&self.client)?,
            n_nodes: self.nodes,
            n_addresses: self.addresses,
            account: self.account.clone(),
            image: Image {
                repository: self.image.repository().clone(),
                is_index: !self.single_platform,
                n_layers: self.layers,
                layer_bytes: self.layer_size.bytes(),
            },
            over: self.over,
            restart,
            latency: self.latency,
            until,
            seed,
        };
        fleet.check().map_err(|error| Diagnostic::general(error.to_string()))?;
        Ok(fleet)
    }
}
