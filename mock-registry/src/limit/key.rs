//! What pulls are counted by: an address, or an account.
//!
//! Source: facts/registry A3 (100 per IPv4 address or IPv6 /64), A5 (`docker-ratelimit-source`).

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use uuid::Uuid;

/// What pulls are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LimitKey {
    /// An IPv4 address, or the first address of an IPv6 /64.
    Address(IpAddr),
    /// An account, by the identifier that Docker Hub shows for it.
    Account(Uuid),
}

impl LimitKey {
    /// The key of an anonymous client at `address`: all of an IPv6 /64 share one.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// As `docker-ratelimit-source` has it: without a `/64` suffix.
impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Account(uuid) => uuid.fmt(f),
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
}
