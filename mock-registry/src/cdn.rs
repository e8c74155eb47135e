//! The second host of a registry, which blobs are redirected to: addresses that are signed, and their check.
//!
//! They have the form of Docker Hub's, `…/data?verify=<unix>-<signature>`. What stands for the signature holds the
//! repository too, which the path does not name and in which the blob is looked up.
//!
//! Source: facts/registry A10.

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oci::{Digest, Endpoint, RepositoryName};
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use testbed::{Seed, clock::Timestamp};

use crate::host::{is_address, is_loopback, name_of, port_of};

const MAC_BYTES: usize = 16;

/// What signs the addresses of one registry's blobs, and checks them.
#[derive(Clone)]
pub(crate) struct Cdn {
    key: [u8; 32],
    life: Duration,
}

/// What an address carries: how long it is valid, in which repository the blob is, and the proof of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    expires: i64,
    repository: RepositoryName,
    mac: [u8; MAC_BYTES],
}

/// Why an address is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TicketFault {
    /// It was not made by this registry, or not for this blob.
    Forged,
    /// Its time is over.
    Expired,
}

impl Cdn {
    /// Addresses that are valid for `life`, signed with a key drawn from `seed`.
    pub(crate) fn new(seed: Seed, life: Duration) -> Self {
        let mut key = [0; 32];
        seed.stream("cdn-key").fill_bytes(&mut key);
        Self { key, life }
    }

    /// The address of a blob for a client that reached the registry by `scheme` as `host`: at `second_host`, and by loopback where that
    /// is how it came, under the other of the machine's two names. `None`: it came by an address that has no second name.
    pub(crate) fn compose_location(
        &self,
        second_host: &str,
        scheme: &str,
        host: &str,
        repository: &RepositoryName,
        digest: &Digest,
        now: Timestamp,
    ) -> Option<String> {
        let name = name_of(host);
        let origin = match name {
            _ if !is_address(name) && !is_loopback(name) => format!("https://{second_host}"),
            // Clients take another port of the same name for the same host, and would show it their credentials.
            _ if is_address(name) && is_loopback(name) => format!("{scheme}://localhost{}", port_of(host)),
            _ if is_loopback(name) => format!("{scheme}://127.0.0.1{}", port_of(host)),
            _ => return None,
        };
        let path = Endpoint::Cdn { digest: digest.clone() };
        let expires = now.as_second().saturating_add(i64::try_from(self.life.as_secs()).unwrap_or(i64::MAX));
        let mac = self.mac(expires, repository, digest);
        Some(format!("{origin}{path}?verify={}", Ticket { expires, repository: repository.clone(), mac }))
    }

    /// Whether `ticket` is good for a blob `now`.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn check(&self, ticket: &Ticket, digest: &Digest, now: Timestamp) -> Result<(), TicketFault> {
        if ticket.mac != self.mac(ticket.expires, &ticket.repository, digest) {
            return Err(TicketFault::Forged);
        }
        if now.as_second() >= ticket.expires { Err(TicketFault::Expired) } else { Ok(()) }
    }

    fn mac(&self, expires: i64, repository: &RepositoryName, digest: &Digest) -> [u8; MAC_BYTES] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(expires.to_be_bytes());
        hash.update(format!("{digest} {repository}"));
        let mut mac = [0; MAC_BYTES];
        mac.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        mac
    }
}

impl fmt::Debug for Cdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cdn({:?})", self.life)
    }
}

impl Ticket {
    /// Where the blob is.
    pub(crate) fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// The ticket in the query of an address; `None` if there is none, or it is none.
    pub(crate) fn read(query: &str) -> Option<Self> {
        query.split('&').find_map(|pair| pair.strip_prefix("verify="))?.parse().ok()
    }
}

/// The value of `verify`.
impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sealed = [&self.mac, self.repository.as_str().as_bytes()].concat();
        write!(f, "{}-{}", self.expires, URL_SAFE_NO_PAD.encode(sealed))
    }
}

impl FromStr for Ticket {
    type Err = TicketFault;

    fn from_str(text: &str) -> Result<Self, TicketFault> {
        let read = || {
            let (expires, sealed) = text.split_once('-')?;
            let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
            let (mac, repository) = sealed.split_first_chunk()?;
            let repository = std::str::from_utf8(repository).ok()?.parse().ok()?;
            Some(Self { expires: expires.parse().ok()?, repository, mac: *mac })
        };
        read().ok_or(TicketFault::Forged)
    }
}

#[cfg(test)]
mod tests {
    use testbed::clock::after;

    use super::*;

    const NOW: Timestamp = testbed::Clock::DEFAULT_START;

    fn location(url: &str) -> Option<String> {
        let (scheme, host) = url.split_once("://").unwrap();
        let cdn = Cdn::new(Seed(1), Duration::from_secs(60));
        cdn.compose_location("cdn.example", scheme, host, &"a/b".parse().unwrap(), &Digest::of(b"x"), NOW)
    }

    #[test]
    fn the_second_host_is_another_one_however_the_first_was_reached() {
        let check = |url: &str, origin: &str| {
            let location = location(url).unwrap();
            assert!(
                location.starts_with(&format!("{origin}/registry-v2/docker/registry/v2/blobs/sha256/")),
                "{location}"
            );
        };
        check("http://registry-1.docker.io", "https://cdn.example");
        check("https://registry.example:5000", "https://cdn.example");
        check("http://127.0.0.1:4123", "http://localhost:4123");
        check("http://[::1]:4123", "http://localhost:4123");
        check("https://[::1]:4123", "https://localhost:4123");
        check("https://localhost:4123", "https://127.0.0.1:4123");
        assert_eq!(location("http://172.17.0.1:4123"), None);
    }

    #[test]
    fn an_address_is_good_for_its_blob_and_for_its_time() {
        let cdn = Cdn::new(Seed(1), Duration::from_secs(60));
        let location = location("http://localhost").unwrap();
        let ticket = Ticket::read(location.split_once('?').unwrap().1).unwrap();
        assert_eq!(ticket.repository().as_str(), "a/b");
        assert_eq!(ticket.to_string().parse(), Ok(ticket.clone()));
        let check =
            |digest: &[u8], seconds| cdn.check(&ticket, &Digest::of(digest), after(NOW, Duration::from_secs(seconds)));
        assert_eq!(check(b"x", 59), Ok(()));
        assert_eq!(check(b"x", 60), Err(TicketFault::Expired));
        assert_eq!(check(b"y", 0), Err(TicketFault::Forged));
        let later = Ticket { expires: ticket.expires + 1, ..ticket.clone() };
        assert_eq!(cdn.check(&later, &Digest::of(b"x"), NOW), Err(TicketFault::Forged));
        let other = Cdn::new(Seed(2), Duration::from_secs(60));
        assert_eq!(other.check(&ticket, &Digest::of(b"x"), NOW), Err(TicketFault::Forged));
        for bad in ["", "verify=", "verify=1-", "verify=x-AAAA", "verify=1-AAAAAAAAAAAAAAAAAAAAAAAA", "other=1"] {
            assert_eq!(Ticket::read(bad), None, "{bad}");
        }
    }
}
