//! What every client must be able to: push an image and an index, and pull them again, over plain HTTP and over TLS.
//!
//! An image is told by its id, the digest of its configuration: clients may pack layers anew when they push, so that the
//! manifest is another one, but the configuration names what was packed.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    path::PathBuf,
};

use tempfile::TempDir;
use tests::serve::{Listener, Serve};

/// The platforms of the index.
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// A client, told what to do. It stores what it needs, and forgets it before the call ends: the next pull is a real one.
pub(crate) trait Client {
    /// Pulls `image` for `platform`, and returns its id.
    fn pull(&self, image: &str, platform: &str) -> String;

    /// Pulls `from`, and pushes it as `to`.
    fn push(&self, from: &str, to: &str);

    /// The same for every platform of an index.
    fn push_index(&self, from: &str, to: &str);
}

/// How a client reaches registries, and whom it has to trust for that.
pub(crate) enum Transport {
    /// Plain HTTP.
    Plain,
    /// TLS, with the certificate to trust as `ca.crt` in a folder.
    Tls(TempDir),
}

impl Transport {
    /// The folder with `ca.crt`; `None`: plain HTTP.
    pub(crate) fn certificates(&self) -> Option<String> {
        match self {
            Self::Plain => None,
            Self::Tls(folder) => Some(folder.path().display().to_string()),
        }
    }

    /// The file `ca.crt`; `None`: plain HTTP.
    pub(crate) fn ca(&self) -> Option<PathBuf> {
        self.certificates().map(|folder| PathBuf::from(folder).join("ca.crt"))
    }
}

/// `pullrig serve` with two registries that have the same images.
pub(crate) struct Registries {
    serve: Serve,
    /// How they are reached.
    pub(crate) transport: Transport,
}

impl Registries {
    /// Registries on loopback, where clients take plain HTTP.
    pub(crate) fn plain() -> Self {
        let serve = serve(Ipv4Addr::LOCALHOST.into(), &[]);
        Self { serve, transport: Transport::Plain }
    }

    /// Registries that speak TLS at an address that is not loopback, if this machine has one: docker trusts everybody there.
    pub(crate) fn tls() -> Self {
        let serve = serve(own_address().unwrap_or(Ipv4Addr::LOCALHOST.into()), &["--tls"]);
        let folder = tempfile::tempdir().expect("a folder for the certificate");
        let ca = serve.ca().expect("with TLS there is a certificate");
        fs::copy(ca, folder.path().join("ca.crt")).expect("the certificate can be copied");
        Self { serve, transport: Transport::Tls(folder) }
    }

    /// Both registries, as image references begin.
    pub(crate) fn authorities(&self) -> [&str; 2] {
        let [from, to] = self.serve.listeners() else { panic!("two registries are ready") };
        [from, to].map(Listener::authority)
    }
}

/// The images differ from run to run, because engines ask for nothing that they have already.
fn serve(at: IpAddr, args: &[&str]) -> Serve {
    let preset = format!("generic={at}:0");
    let seed = std::process::id().to_string();
    let registries = ["--preset", &preset, "--preset", &preset, "--seed", &seed];
    let images = ["--image", "app/single:1=1MiB,64KiB", "--image", "app/multi:1=512KiB,64KiB,linux/amd64,linux/arm64"];
    Serve::start([&registries[..], &images, args].concat())
}

/// The address that this machine would be reached by from outside.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Nothing is sent; the system only chooses the interface. RFC 5737 keeps the address for documents.
    socket.connect(("203.0.113.1", 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Pushes an image and an index of the first registry to the second with `client`, and pulls what was pushed.
pub(crate) fn check(client: &impl Client, registries: &Registries) {
    let [from, to] = registries.authorities();
    let both = |name: &str| (format!("{from}/app/{name}:1"), format!("{to}/pushed/{name}:1"));

    let (from, to) = both("single");
    client.push(&from, &to);
    assert_eq!(client.pull(&to, PLATFORMS[0]), client.pull(&from, PLATFORMS[0]));

    let (from, to) = both("multi");
    client.push_index(&from, &to);
    let pushed = PLATFORMS.map(|platform| client.pull(&to, platform));
    assert_eq!(pushed, PLATFORMS.map(|platform| client.pull(&from, platform)));
    assert_ne!(pushed[0], pushed[1], "each platform has an image of its own");
}
