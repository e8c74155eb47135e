//! Host names of a world and the listeners behind them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

/// Maps host names to listeners. Clones share the map.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<RwLock<BTreeMap<String, SocketAddr>>>);

impl Names {
    /// Lets `host` (a name, or a name and a port, in any case) lead to the listener at `at`.
    pub fn add(&self, host: &str, at: SocketAddr) {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        names.insert(host.to_ascii_lowercase(), at);
    }

    /// The listener behind `host` and `port`. A listener can also be named by its own address.
    pub fn find(&self, host: &str, port: Option<u16>) -> Option<SocketAddr> {
        let host = host.to_ascii_lowercase();
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(port) = port else { return names.get(&host).copied() };
        if let Some(at) = names.get(&format!("{host}:{port}")) {
            return Some(*at);
        }
        let is_loopback = host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(is_loopback);
        names.values().find(|at| is_loopback && at.port() == port).copied()
    }

    /// All host names, sorted.
    pub fn hosts(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

fn is_loopback(address: std::net::IpAddr) -> bool {
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
