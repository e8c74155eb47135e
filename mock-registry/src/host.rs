//! What the `Host` header of a request says: the name or address, and the port, that the client reached.

use std::net::IpAddr;

/// The host without its port.
pub(crate) fn name_of(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// The port with its colon, or nothing.
pub(crate) fn port_of(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[colon..],
        _ => "",
    }
}

/// Whether the name is an address.
pub(crate) fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

/// Whether the name leads to the client's own machine.
pub(crate) fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_fall_into_name_and_port() {
        let parts = |host| (name_of(host), port_of(host));
        assert_eq!(parts("registry.example"), ("registry.example", ""));
        assert_eq!(parts("registry.example:5000"), ("registry.example", ":5000"));
        assert_eq!(parts("[::1]:5000"), ("::1", ":5000"));
        assert_eq!(parts("[::1]"), ("::1", ""));
        assert_eq!(parts(""), ("", ""));
    }
}
