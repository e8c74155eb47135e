//! What requests are counted by: an address, an account, a connection …
//!
//! Source: facts/registry A3 (100 per IPv4 address or IPv6 /64), A5 (`docker-ratelimit-source`), B2, B3.

use std::{
    fmt,
    hash::{Hash as _, Hasher as _},
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use rustc_hash::FxHasher;
use uuid::Uuid;

use super::Asked;
use crate::CountedBy;

/// What requests are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitKey<'a> {
    /// An IPv4 address, or the first address of an IPv6 /64.
    Address(IpAddr),
    /// An account, by the identifier that Docker Hub shows for it.
    Account(Uuid),
    /// A connection.
    Connection(u64),
    /// A text: `repository library/alpine`. Of secrets only a fingerprint is ever told.
    Text(&'static str, &'a str),
    /// All together.
    Registry,
}

impl<'a> LimitKey<'a> {
    /// What `asked` is counted by.
    pub(crate) fn of(by: CountedBy, asked: &Asked<'a>) -> Self {
        let address = || Self::of_address(asked.source);
        match by {
            CountedBy::Address => address(),
            CountedBy::Account => asked.account.map_or_else(address, Self::Account),
            CountedBy::Token => asked.token.map_or_else(address, |token| Self::Text("token", token)),
            CountedBy::Connection => Self::Connection(asked.connection),
            CountedBy::Repository => match asked.repository {
                Some(repository) => Self::Text("repository", repository.as_str()),
                None => Self::Registry,
            },
            CountedBy::Registry => Self::Registry,
            CountedBy::ForwardedFor => asked.forwarded_for.map_or_else(address, Self::of_address),
            CountedBy::Authorization => {
                asked.authorization.map_or_else(address, |value| Self::Text("authorization", value))
            }
        }
    }

    /// The key of a client at `address`: all of an IPv6 /64 share one.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        })
    }

    /// The same, which outlives the request.
    pub(crate) fn to_told(self) -> ToldKey {
        match self {
            Self::Address(address) => ToldKey::Plain(LimitKey::Address(address)),
            Self::Account(uuid) => ToldKey::Plain(LimitKey::Account(uuid)),
            Self::Connection(id) => ToldKey::Plain(LimitKey::Connection(id)),
            Self::Registry => ToldKey::Plain(LimitKey::Registry),
            Self::Text(..) => ToldKey::Text(self.to_string().into()),
        }
    }

    /// As a number, under which a limit keeps it: one limit has keys of one kind, or of two that cannot be mistaken.
    pub(crate) fn number(self) -> u128 {
        match self {
            Self::Address(IpAddr::V4(address)) => address.to_ipv6_mapped().to_bits(),
            Self::Address(IpAddr::V6(address)) => address.to_bits(),
            Self::Account(uuid) => uuid.as_u128(),
            Self::Connection(id) => id.into(),
            Self::Text(_, text) => u128::from(hash(1, text)) << 64 | u128::from(hash(2, text)),
            Self::Registry => 0,
        }
    }
}

/// Always the same: the same seed gives the same journal.
fn hash(salt: u8, text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    (salt, text).hash(&mut hasher);
    hasher.finish()
}

/// As `docker-ratelimit-source` has it: without a `/64` suffix.
impl fmt::Display for LimitKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Account(uuid) => uuid.fmt(f),
            Self::Connection(id) => write!(f, "connection {id}"),
            Self::Text("repository", text) => f.write_str(text),
            Self::Text(kind, text) => write!(f, "{kind} {:08x}", hash(3, text) >> 32),
            Self::Registry => f.write_str("registry"),
        }
    }
}

/// What a request was counted by, as it is told. It becomes a text where one is needed: simulations need none.
#[derive(Clone, Debug)]
pub(crate) enum ToldKey {
    Plain(LimitKey<'static>),
    Text(Arc<str>),
}

impl ToldKey {
    /// As a text.
    pub(crate) fn text(&self) -> Arc<str> {
        match self {
            Self::Plain(key) => key.to_string().into(),
            Self::Text(text) => Arc::clone(text),
        }
    }
}

impl fmt::Display for ToldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(key) => key.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expect: &str) {
        assert_eq!(LimitKey::of_address(address.parse().unwrap()).to_string(), expect);
    }

    #[test]
    fn addresses_are_counted_by_ipv4_and_by_64() {
        check("192.0.2.1", "192.0.2.1");
        check("::ffff:192.0.2.1", "192.0.2.1");
        check("2001:41d0:801:2000:1:2:3:4", "2001:41d0:801:2000::");
    }

    #[test]
    fn a_secret_is_told_by_its_fingerprint() {
        let told = LimitKey::Text("token", "very-secret").to_string();
        assert!(told.starts_with("token ") && !told.contains("secret"), "{told}");
    }
}
