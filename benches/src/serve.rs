//! `pullrig serve` as a program of its own, whose memory is not that of the client.

use std::{
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use tests::program::pullrig;

use crate::memory_mib;

/// A `pullrig serve` that is ready; killed when dropped.
#[derive(Debug)]
pub struct Serve {
    child: Child,
    at: SocketAddr,
}

impl Serve {
    /// Starts it with one registry, and `images` in the words of `--image`.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn start<'a>(images: impl IntoIterator<Item = &'a str>) -> io::Result<Self> {
        let images = images.into_iter().flat_map(|image| ["--image", image]);
        Self::ready(pullrig().args(["serve", "--preset", "generic"]).args(images))
    }

    /// Starts it with one registry, which keeps what is pushed in `folder`.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn start_in(folder: &Path) -> io::Result<Self> {
        Self::ready(pullrig().args(["serve", "--preset", "generic", "--store"]).arg(folder))
    }

    fn ready(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        match child.stdout.take().map(read_address) {
            Some(Ok(at)) => Ok(Self { child, at }),
            _ => {
                child.kill()?;
                let status = child.wait()?;
                Err(io::Error::other(format!("pullrig serve did not get ready: {status}")))
            }
        }
    }

    /// Where it listens.
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// How much of its memory is resident.
    ///
    /// # Errors
    /// This is not Linux, which alone tells it (`VmRSS`).
    pub fn resident_mib(&self) -> io::Result<f64> {
        memory_mib(&self.child.id().to_string(), "VmRSS")
    }

    /// How much of it was resident at most.
    ///
    /// # Errors
    /// As above (`VmHWM`).
    pub fn peak_mib(&self) -> io::Result<f64> {
        memory_mib(&self.child.id().to_string(), "VmHWM")
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The address in `ready generic http://127.0.0.1:4123`.
fn read_address(stdout: impl io::Read) -> io::Result<SocketAddr> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let url = line.trim_end().rsplit_once("http://").map(|(_, authority)| authority.trim_end_matches('/'));
    url.and_then(|at| at.parse().ok())
        .ok_or_else(|| io::Error::other(format!("`{}` tells no address", line.trim_end())))
}
