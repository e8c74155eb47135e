//! Who takes part in a simulation.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    time::Duration,
};

use mock_registry::Charge;
use oci::{AccountName, EndpointKind, RepositoryName};
use puller::{ClientProfile, Login, Named, PlannedRequest, PullShape, RequestKind};
use testbed::Seed;
use thiserror::Error;

/// The first address of a fleet: one that documentation is written with.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// A fleet that pulls one image.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// What every node pulls with.
    pub client: ClientProfile,
    /// How many nodes.
    pub n_nodes: NonZeroU32,
    /// Behind how many addresses they are; one is a common NAT gateway.
    pub n_addresses: NonZeroU32,
    /// The account that they all have; none is anonymous.
    pub account: Option<AccountName>,
    /// What they pull.
    pub image: Image,
    /// Over which time they begin, evenly; none is all at once.
    pub over: Duration,
    /// Whether somebody begins a pull that failed anew.
    pub restart: Restart,
    /// How long one request takes, in policy time.
    pub latency: Duration,
    /// When it ends, whatever is still under way.
    pub until: Duration,
    /// Where jitter is drawn from.
    pub seed: Seed,
}

/// What is pulled, as far as it matters.
#[derive(Clone, Debug)]
pub struct Image {
    /// The repository.
    pub repository: RepositoryName,
    /// Whether its tag names an index.
    pub is_index: bool,
    /// How many layers it has.
    pub n_layers: usize,
    /// How many bytes each layer has.
    pub layer_bytes: u64,
}

/// Whether a pull that failed is begun anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// By a kubelet: after 10 s, then twice as long each time, at most 5 min. Source: facts/registry E9.
    #[default]
    Kubelet,
    /// By nobody.
    Never,
}

/// A fleet that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FleetError {
    /// It would never be done.
    #[error("{0} nodes are more than can be played; there are at most {MAX_NODES}")]
    TooManyNodes(NonZeroU32),
    /// More addresses than nodes.
    #[error("{addresses} addresses for {nodes} nodes: some would be nobody's")]
    TooManyAddresses {
        /// The addresses.
        addresses: NonZeroU32,
        /// The nodes.
        nodes: NonZeroU32,
    },
    /// A time of nothing.
    #[error("a request takes some time, and the simulation too")]
    NoTime,
}

const MAX_NODES: u32 = 100_000;

impl Fleet {
    /// Looks whether it can be played.
    ///
    /// # Errors
    /// It cannot.
    pub fn check(&self) -> Result<(), FleetError> {
        if self.n_nodes.get() > MAX_NODES {
            return Err(FleetError::TooManyNodes(self.n_nodes));
        }
        if self.n_addresses > self.n_nodes {
            return Err(FleetError::TooManyAddresses { addresses: self.n_addresses, nodes: self.n_nodes });
        }
        if self.latency.is_zero() || self.until.is_zero() {
            return Err(FleetError::NoTime);
        }
        Ok(())
    }

    /// What each node asks for in a pull in which nothing fails; `asks_for_login` as the registry does.
    pub(crate) fn plan(&self, asks_for_login: bool) -> Vec<PlannedRequest> {
        self.client.requests_of_a_pull(&PullShape {
            is_index: self.image.is_index,
            n_layers: self.image.n_layers,
            login: if asks_for_login { Login::Cold } else { Login::None },
            has_password: self.account.is_some(),
            ..PullShape::default()
        })
    }

    /// The address of a node.
    pub(crate) fn address(&self, node: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(FIRST_ADDRESS.to_bits() + node % self.n_addresses.get()))
    }

    /// When a node begins.
    pub(crate) fn begin_of(&self, node: u32) -> Duration {
        self.over * node / self.n_nodes.get()
    }

    /// What a request of a node is to the limits.
    pub(crate) fn charge(&self, node: u32, request: &PlannedRequest) -> Charge<'_> {
        let endpoint = match request.kind {
            RequestKind::Ping => EndpointKind::Ping,
            RequestKind::Token => EndpointKind::Token,
            RequestKind::Head | RequestKind::Manifest => EndpointKind::Manifest,
            RequestKind::Config | RequestKind::Layer => EndpointKind::Blob,
            RequestKind::Tags => EndpointKind::Tags,
            RequestKind::Referrers => EndpointKind::Referrers,
            RequestKind::Push => EndpointKind::Upload,
        };
        let is_manifest = request.kind == RequestKind::Manifest;
        Charge {
            endpoint,
            method: request.method.parse().unwrap_or_default(),
            repository: (request.kind != RequestKind::Ping && request.kind != RequestKind::Token)
                .then_some(&self.image.repository),
            account: self.account.as_ref().filter(|_| !request.is_challenged),
            source: self.address(node),
            connection: u64::from(node) + 1,
            is_challenged: request.is_challenged,
            is_index: is_manifest && self.image.is_index && request.of != Named::Child,
            n_bytes: if request.kind == RequestKind::Layer { self.image.layer_bytes } else { 0 },
        }
    }
}

impl Restart {
    /// How long after its end a pull is begun for the `n`th time anew, from 1.
    pub(crate) fn after(self, n: u32) -> Option<Duration> {
        const FIRST: Duration = Duration::from_secs(10);
        const LAST: Duration = Duration::from_secs(300);
        match self {
            Self::Never => None,
            Self::Kubelet => Some(FIRST.saturating_mul(1 << n.saturating_sub(1).min(8)).min(LAST)),
        }
    }
}
