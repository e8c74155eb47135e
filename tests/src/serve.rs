//! A `pullrig serve` that ends with its test.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use serde::Deserialize;
use tempfile::TempDir;

use crate::program::{pullrig, send, wait, wait_until};

/// The longest that `serve` may take until it is ready, on a machine that does much else.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The longest that it may take to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

/// A `pullrig serve`, killed when dropped.
pub struct Serve {
    child: Child,
    ready: Ready,
    _folder: TempDir,
}

/// A line of `--ready-file`.
#[derive(Clone, Debug, Deserialize)]
pub struct Listener {
    /// Its name: that of the preset.
    pub name: String,
    /// Where it is: `http://127.0.0.1:43210`.
    pub url: String,
    /// The host names that it plays.
    pub hosts: Vec<String>,
}

/// What `--ready-file` holds.
#[derive(Deserialize)]
struct Ready {
    ca: Option<PathBuf>,
    listeners: Vec<Listener>,
}

impl Listener {
    /// Address and port, as image references begin.
    pub fn authority(&self) -> &str {
        let (_, rest) = self.url.split_once("://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }
}

impl Serve {
    /// Starts `pullrig serve` with `args` and waits until it is ready.
    ///
    /// # Panics
    /// It does not get ready.
    pub fn start<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the ready file");
        let file = folder.path().join("ready.json");
        let mut command = pullrig();
        command.arg("serve").args(args).arg("--ready-file").arg(&file).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let text = wait_until(READY_WITHIN, || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("{command:?} ended with {status} instead of serving");
            }
            std::fs::read_to_string(&file).ok()
        });
        let Some(text) = text else {
            drop(child.kill());
            panic!("{command:?} was not ready within {READY_WITHIN:?}");
        };
        let ready = serde_json::from_str(&text).expect("the ready file is JSON");
        Self { child, ready, _folder: folder }
    }

    /// What is ready, in order.
    pub fn listeners(&self) -> &[Listener] {
        &self.ready.listeners
    }

    /// The certificate that clients have to trust, if there is TLS.
    pub fn ca(&self) -> Option<&Path> {
        self.ready.ca.as_deref()
    }

    /// The URL of the first listener, without a slash at its end.
    pub fn url(&self) -> &str {
        self.listeners().first().map_or("", |listener| listener.url.trim_end_matches('/'))
    }

    /// Address and port of the first listener, as image references begin.
    pub fn authority(&self) -> &str {
        self.listeners().first().map_or("", Listener::authority)
    }

    /// Tells it to stop with `signal`, and returns how it ended and what it had printed.
    ///
    /// # Panics
    /// It does not stop.
    pub fn stop(mut self, signal: Signal) -> (ExitStatus, String) {
        send(&self.child, signal);
        let status = wait(&mut self.child, STOPPED_WITHIN);
        let mut printed = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            std::io::Read::read_to_string(&mut stdout, &mut printed).expect("standard output is text");
        }
        (status, printed)
    }
}

/// A program in the background that says in a file when it is ready, killed when dropped. What it prints goes where its
/// command says.
pub struct Background(Child);

impl Background {
    /// Starts `command` and waits until it has written its ready file; returns it with what is ready.
    ///
    /// # Panics
    /// It does not get ready.
    pub fn start(command: &mut Command, ready_file: &Path) -> (Self, Vec<Listener>) {
        let started = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let started = Self(started);
        let text = wait_until(READY_WITHIN, || std::fs::read_to_string(ready_file).ok());
        let text = text.unwrap_or_else(|| panic!("{command:?} was not ready within {READY_WITHIN:?}"));
        let ready: Ready = serde_json::from_str(&text).expect("the ready file is JSON");
        (started, ready.listeners)
    }

    /// Tells it to stop, and waits until it has.
    ///
    /// # Panics
    /// It does not stop.
    pub fn stop(mut self) -> ExitStatus {
        send(&self.0, Signal::TERM);
        wait(&mut self.0, STOPPED_WITHIN)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
