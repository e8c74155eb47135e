//! A place in the world from which requests are made.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use globset::{Glob, GlobSet, GlobSetBuilder};
use reqwest::{
    Client, ClientBuilder, Method, RequestBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HOST,
};
use rustls::ClientConfig;
use thiserror::Error;
use url::Url;

use super::Names;
use crate::{
    journal::{EgressRefused, Event, Journal},
    tls::{client_config, system_client_config, trusting_client_config},
};

/// A place from which requests are made: a delegate, or the client on the user's desk. Cheap to clone; clones share
/// their connections.
#[derive(Clone, Debug)]
pub struct Vantage(Arc<Place>);

#[derive(Debug)]
struct Place {
    name: String,
    address: Option<IpAddr>,
    reach: Reach,
    client: Client,
    /// The client that takes any certificate, made when it is first needed.
    trusting: OnceLock<Client>,
}

#[derive(Debug)]
enum Reach {
    /// Only the hosts of a world, and of them only those on the allowlist if there is one.
    World { names: Names, allow: Option<GlobSet>, journal: Journal },
    /// The machine's own network.
    Outside,
}

/// Why a request could not be made from here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DialError {
    /// The world has the host, and the allowlist lacks it.
    #[error("egress to {host} refused: it is not on the allowlist of {from}")]
    Refused {
        /// The host asked for.
        host: String,
        /// The place that asked.
        from: String,
    },
    /// The world has no such host.
    #[error("lookup {host}: no such host")]
    NoSuchHost {
        /// The host asked for.
        host: String,
    },
    /// The URL names no host.
    #[error("{url} names no host")]
    NoHost {
        /// The URL.
        url: String,
    },
}

/// Why a [`Vantage`] could not be made.
#[derive(Debug, Error)]
pub enum VantageError {
    /// An entry of the allowlist is no host pattern.
    #[error("`{pattern}` is no host pattern")]
    Pattern {
        /// The entry.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up an HTTP client")]
    Client(#[from] reqwest::Error),
    /// Its TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

/// The longest that making a connection may take, in wire time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence in the middle of an answer, in wire time.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

impl Vantage {
    /// A place in a world, which trusts whom `names` trusts by now. `address` is the loopback address that connections come from, which limits by address count;
    /// `allow` lists the hosts that may be reached (`*.docker.io` is a pattern), none lets all of the world's through.
    ///
    /// # Errors
    /// A pattern of `allow` is malformed.
    pub fn in_world(
        name: &str,
        address: Option<IpAddr>,
        allow: Option<&[String]>,
        names: &Names,
        journal: &Journal,
    ) -> Result<Self, VantageError> {
        let allow = allow.map(host_patterns).transpose()?;
        let reach = Reach::World { names: names.clone(), allow, journal: journal.clone() };
        let client = client(address).dns_resolver(Arc::new(Resolver(names.clone())));
        Self::new(name, address, reach, client, client_config(&names.trusted())?)
    }

    /// A place on the machine's own network, for registries that are not ours.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn outside(name: &str) -> Result<Self, VantageError> {
        Self::new(name, None, Reach::Outside, client(None), system_client_config()?)
    }

    fn new(
        name: &str,
        address: Option<IpAddr>,
        reach: Reach,
        client: ClientBuilder,
        tls: ClientConfig,
    ) -> Result<Self, VantageError> {
        let client = client.tls_backend_preconfigured(tls).build()?;
        Ok(Self(Arc::new(Place { name: String::from(name), address, reach, client, trusting: OnceLock::new() })))
    }

    /// The name of the place.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The address that its connections come from.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// A request for `url` as people write it; where it really goes is the world's business. Redirects are not
    /// followed.
    ///
    /// # Errors
    /// The host is not in the world, or not on the allowlist; both are journaled.
    pub fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, DialError> {
        self.request_by(&self.0.client, method, url)
    }

    /// The same, and any certificate is taken for the host's.
    ///
    /// # Errors
    /// As [`Vantage::request`].
    pub fn request_of_anybody(&self, method: Method, url: &Url) -> Result<RequestBuilder, DialError> {
        let client = match self.0.trusting.get() {
            Some(client) => client,
            None => match self.trusting_client() {
                Ok(client) => self.0.trusting.get_or_init(|| client),
                // What the careful client was made of is enough for this one, so it does not come to that.
                Err(_) => &self.0.client,
            },
        };
        self.request_by(client, method, url)
    }

    fn trusting_client(&self) -> Result<Client, VantageError> {
        let client = match &self.0.reach {
            Reach::World { names, .. } => client(self.0.address).dns_resolver(Arc::new(Resolver(names.clone()))),
            Reach::Outside => client(self.0.address),
        };
        Ok(client.tls_backend_preconfigured(trusting_client_config()?).build()?)
    }

    fn request_by(&self, client: &Client, method: Method, url: &Url) -> Result<RequestBuilder, DialError> {
        let host = url.host_str().ok_or_else(|| DialError::NoHost { url: url.to_string() })?;
        let Reach::World { names, allow, journal } = &self.0.reach else {
            return Ok(client.request(method, url.clone()));
        };
        let found = names.find(host, url.port());
        let refuse = |exists| {
            journal.record(Event::EgressRefused(EgressRefused {
                from: self.0.name.clone(),
                host: String::from(host),
                exists,
            }));
        };
        let Some(at) = found else {
            refuse(false);
            return Err(DialError::NoSuchHost { host: String::from(host) });
        };
        if allow.as_ref().is_some_and(|allow| !allow.is_match(host.to_ascii_lowercase())) {
            refuse(true);
            return Err(DialError::Refused { host: String::from(host), from: self.0.name.clone() });
        }
        let dialled = dial(url, at, names.speaks_tls(at)).ok_or_else(|| DialError::NoHost { url: url.to_string() })?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => String::from(host),
        };
        Ok(client.request(method, dialled).header(HOST, authority))
    }
}

fn client(address: Option<IpAddr>) -> ClientBuilder {
    Client::builder()
        .local_address(address)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
}

/// The URL that is really asked for. Listeners that speak plain HTTP play those of `https` too; one that speaks TLS is
/// reached under the name itself, which is what its certificate is for, and a plain request to it is made as it was meant.
fn dial(url: &Url, at: SocketAddr, speaks_tls: bool) -> Option<Url> {
    let mut dialled = url.clone();
    let is_tls = speaks_tls && url.scheme() == "https";
    if !is_tls {
        dialled.set_scheme("http").ok()?;
    }
    if !is_tls || url.domain().is_none() {
        dialled.set_ip_host(at.ip()).ok()?;
    }
    dialled.set_port(Some(at.port())).ok()?;
    Some(dialled)
}

/// Finds the addresses of the world's names; the ports are in the URLs that [`dial`] made.
struct Resolver(Names);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let found: Addrs = Box::new(self.0.addresses(name.as_str()).into_iter().map(|ip| SocketAddr::new(ip, 0)));
        Box::pin(std::future::ready(Ok(found)))
    }
}

fn host_patterns(allow: &[String]) -> Result<GlobSet, VantageError> {
    let mut set = GlobSetBuilder::new();
    for pattern in allow {
        let glob = Glob::new(&pattern.to_ascii_lowercase())
            .map_err(|source| VantageError::Pattern { pattern: pattern.clone(), source })?;
        set.add(glob);
    }
    set.build().map_err(|source| VantageError::Pattern { pattern: allow.join(", "), source })
}
