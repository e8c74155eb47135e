//! Where and how a server listens.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::tls::Certificates;

/// A loopback address with a port of the system's choice.
pub const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Where a server listens, what it shows to those who ask by TLS, and how much it bears.
#[derive(Clone, Debug)]
#[must_use = "this is only what to listen on"]
pub struct Listen {
    pub(super) at: SocketAddr,
    pub(super) certificates: Option<Certificates>,
    pub(super) limits: Limits,
}

/// What one listener bears. Times are wire time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections may be open at once. One more gets 503, or nothing if it speaks TLS, and is closed. The process
    /// must be let have that many files open: [`raise_open_files`](crate::raise_open_files). Default: 16,384.
    pub max_connections: usize,
    /// How large a request's head may be, in bytes; a larger one gets 431. Default: 64 KiB.
    pub max_head_bytes: u32,
    /// How long a new connection may take to begin: the TLS handshake, or the first bytes that tell HTTP/1 from HTTP/2.
    /// Then it is closed. Default: 30 s.
    pub begin_within: Duration,
    /// How long an HTTP/1 connection may take from the end of one exchange to the end of the next request's head: idle and
    /// slow clients alike. Then it is closed. A little more than Go's clients keep theirs. Default: 2 min.
    pub head_within: Duration,
    /// How long a client may take nothing of what is sent to it; at most twice that long passes until the connection is
    /// closed. Default: 1 min.
    pub stalled_write: Duration,
}

impl Listen {
    /// Listens at `at` for plain HTTP/1 and HTTP/2.
    pub fn at(at: SocketAddr) -> Self {
        Self { at, certificates: None, limits: Limits::default() }
    }

    /// Speaks TLS, and nothing else.
    pub fn tls(self, certificates: Certificates) -> Self {
        Self { certificates: Some(certificates), ..self }
    }

    /// Bears so much.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

impl From<SocketAddr> for Listen {
    fn from(at: SocketAddr) -> Self {
        Self::at(at)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 16 * 1024,
            max_head_bytes: 64 * 1024,
            begin_within: Duration::from_secs(30),
            head_within: Duration::from_secs(120),
            stalled_write: Duration::from_secs(60),
        }
    }
}
