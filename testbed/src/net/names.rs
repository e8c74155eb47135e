//! Host names of a world and the listeners behind them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use rustls::pki_types::CertificateDer;

use crate::tls::Authority;

/// Maps host names to listeners, and knows which of these speak TLS and who signs for them. Clones share all of it.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    hosts: BTreeMap<String, SocketAddr>,
    speak_tls: BTreeSet<SocketAddr>,
    trusted: Vec<CertificateDer<'static>>,
}

impl Names {
    /// Lets `host` (a name, or a name and a port, in any case) lead to the listener at `at`.
    pub fn add(&self, host: &str, at: SocketAddr) {
        self.write().hosts.insert(host.to_ascii_lowercase(), at);
    }

    /// Tells that the listener at `at` speaks TLS.
    pub fn set_tls(&self, at: SocketAddr) {
        self.write().speak_tls.insert(at);
    }

    /// Whether the listener at `at` speaks TLS.
    pub fn speaks_tls(&self, at: SocketAddr) -> bool {
        self.read().speak_tls.contains(&at)
    }

    /// Lets the places that are made from now on trust what `authority` signs.
    pub fn trust(&self, authority: &Authority) {
        self.write().trusted.push(authority.certificate().clone());
    }

    /// The certificates of the authorities that are trusted.
    pub fn trusted(&self) -> Vec<CertificateDer<'static>> {
        self.read().trusted.clone()
    }

    /// The listener behind `host` and `port`. A listener can also be named by its own address.
    pub fn find(&self, host: &str, port: Option<u16>) -> Option<SocketAddr> {
        let host = host.to_ascii_lowercase();
        let known = self.read();
        let names = &known.hosts;
        let Some(port) = port else { return names.get(&host).copied() };
        if let Some(at) = names.get(&format!("{host}:{port}")) {
            return Some(*at);
        }
        let is_loopback = host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(is_loopback);
        names.values().find(|at| is_loopback && at.port() == port).copied()
    }

    /// All host names, sorted.
    pub fn hosts(&self) -> Vec<String> {
        self.read().hosts.keys().cloned().collect()
    }

    /// The host names that lead to the listener at `at`, sorted and without ports.
    pub fn hosts_at(&self, at: SocketAddr) -> Vec<String> {
        let known = self.read();
        let mut hosts: Vec<_> =
            known.hosts.iter().filter(|(_, to)| **to == at).map(|(host, _)| without_port(host).to_owned()).collect();
        hosts.dedup();
        hosts
    }

    /// Whether `host`, a name without a port, leads to the listener at `at` on some port.
    pub fn leads_to(&self, host: &str, at: SocketAddr) -> bool {
        let known = self.read();
        known.hosts.iter().any(|(known, to)| *to == at && without_port(known).eq_ignore_ascii_case(host))
    }

    /// The addresses of the listeners that `host`, a name without a port, leads to on any port; `localhost` is the name of
    /// all.
    pub fn addresses(&self, host: &str) -> BTreeSet<IpAddr> {
        let known = self.read();
        let is_host = |known: &str| host == "localhost" || without_port(known).eq_ignore_ascii_case(host);
        let of_host = known.hosts.iter().filter(|(known, _)| is_host(known));
        of_host.map(|(_, at)| at.ip()).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn without_port(host: &str) -> &str {
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_by_name_and_by_its_own_address() {
        let at: SocketAddr = "127.0.0.1:4123".parse().unwrap();
        let names = Names::default();
        names.add("Registry-1.docker.io", at);
        assert_eq!(names.find("registry-1.docker.io", None), Some(at));
        assert_eq!(names.find("registry-1.docker.io", Some(8443)), None);
        assert_eq!(names.find("localhost", Some(4123)), Some(at));
        assert_eq!(names.find("127.0.0.1", Some(4123)), Some(at));
        assert_eq!(names.find("192.0.2.1", Some(4123)), None);
        assert_eq!(names.find("quay.io", None), None);
    }
}
