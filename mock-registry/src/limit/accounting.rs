//! The limits of a registry without its HTTP: what requests would cost, and which would be refused.
//!
//! `pullrig cost` puts recorded requests through it, `pullrig simulate` those of clients that it plays. It is the same limiter
//! that a registry on a socket asks.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use http::Method;
use oci::{AccountName, EndpointKind, PullLimit, RepositoryName};
use testbed::clock::Timestamp;
use uuid::Uuid;

use super::{Asked, Limiter, Ruling, Settled, told::seconds};
use crate::{Allow, ConfigError, LimitConfig, Protocol, RegistryConfig, RetryAfterForm, config::check};

/// The limits of one registry, and what was used of them.
#[derive(Debug)]
pub struct Accounting {
    limiter: Limiter,
    accounts: BTreeMap<AccountName, (Uuid, Option<PullLimit>)>,
}

/// A request that may cost something.
#[derive(Clone, Debug)]
pub struct Charge<'a> {
    /// What is asked for.
    pub endpoint: EndpointKind,
    /// By which method.
    pub method: Method,
    /// In which repository.
    pub repository: Option<&'a RepositoryName>,
    /// By whom; none is anonymous.
    pub account: Option<&'a AccountName>,
    /// From which address.
    pub source: IpAddr,
    /// On which connection.
    pub connection: u64,
    /// Whether it is answered with a 401, for want of a token: then only what is counted before that costs something.
    pub is_challenged: bool,
    /// Whether the answer is an index.
    pub is_index: bool,
    /// How many bytes the answer has.
    pub n_bytes: u64,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Units that it used, by limit.
    pub used: Vec<String>,
    /// Units that are left of each limit that looked at it, by limit.
    pub left: Vec<(String, u64)>,
    /// The limit that refused it, if one did.
    pub refused: Option<RefusedBy>,
}

/// A limit that refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedBy {
    /// The limit.
    pub limit: String,
    /// The status of the refusal.
    pub status: u16,
    /// How long until the same request would pass, if nobody else asks.
    pub wait: Duration,
    /// How long the client is told to wait, if it is told.
    pub retry_after: Option<Duration>,
}

impl Accounting {
    /// The limits of a registry with this configuration, of which nothing is used.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn of(config: &RegistryConfig) -> Result<Self, Vec<ConfigError>> {
        let settings = check("registry", config)?;
        let accounts = settings.accounts.iter().map(|(name, account)| (name.clone(), (account.uuid, account.limit)));
        Ok(Self { limiter: Limiter::new(&settings.limits), accounts: accounts.collect() })
    }

    /// The limits.
    pub fn limits(&self) -> Vec<LimitConfig> {
        self.limiter.configs()
    }

    /// What becomes of a request that is made at `now`.
    pub fn ask(&self, charge: &Charge<'_>, now: Timestamp) -> Outcome {
        let known = charge.account.and_then(|name| self.accounts.get(name)).copied();
        // An account that nobody configured has a counter of its own too.
        let account = charge.account.map(|name| known.map_or_else(|| uuid_of(name), |(uuid, _)| uuid));
        let asked = Asked {
            kind: charge.endpoint,
            method: &charge.method,
            repository: charge.repository,
            account_name: charge.account,
            account,
            account_limit: known.and_then(|(_, limit)| limit),
            source: charge.source,
            forwarded_for: None,
            connection: charge.connection,
            protocol: Protocol::Http1,
            token: None,
            authorization: None,
        };
        let mut ruling = Ruling::default();
        self.limiter.pass(&asked, true, now, &mut ruling);
        if ruling.refusal().is_none() && !charge.is_challenged {
            self.limiter.pass(&asked, false, now, &mut ruling);
        }
        let answer = Settled { n_bytes: charge.n_bytes, is_index: charge.is_index, ..Settled::default() };
        self.limiter.settle(&mut ruling, answer, now);
        Outcome::of(&ruling)
    }
}

impl Outcome {
    fn of(ruling: &Ruling) -> Self {
        let name = |standing: &super::Standing| standing.name.to_string();
        Self {
            used: ruling.standings.iter().filter(|standing| standing.used).map(name).collect(),
            left: ruling.standings.iter().map(|standing| (name(standing), standing.left)).collect(),
            refused: ruling.refusal().map(|standing| RefusedBy {
                limit: name(standing),
                status: status_of(&standing.config.answer),
                wait: standing.wait,
                retry_after: told(&standing.config, standing.wait),
            }),
        }
    }
}

/// How long a client is told to wait.
fn told(config: &LimitConfig, wait: Duration) -> Option<Duration> {
    match &config.retry_after {
        RetryAfterForm::None | RetryAfterForm::Epoch => None,
        RetryAfterForm::Seconds | RetryAfterForm::HttpDate => Some(Duration::from_secs(seconds(wait))),
        RetryAfterForm::Text(text) => text.parse().ok().map(Duration::from_secs),
    }
}

fn status_of(dialect: &str) -> u16 {
    testbed::dialect::find(dialect).map_or(429, |dialect| dialect.status)
}

fn uuid_of(name: &AccountName) -> Uuid {
    crate::config::compose_uuid("registry", name)
}

impl LimitConfig {
    /// Whether it is in force.
    pub fn is_on(&self) -> bool {
        self.allow != Allow::Unlimited
    }
}
