//! Foreign tools that some tests need, and what happens without them.
//!
//! A test whose tool is absent says so and passes, because not every desk has a container engine. `PULLRIG_REQUIRE=all`
//! (or a list: `docker,skopeo`) makes that a failure: `.ci/run` sets it, so that nothing goes missing unseen.

use std::{
    fmt,
    io::Write as _,
    process::{Command, Stdio},
};

use rustix::process::geteuid;

/// A foreign tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The command `docker`, and an engine that answers it.
    Docker,
    /// The same, and the rights to say whom it trusts.
    DockerTrust,
    /// The command `curl`, which speaks HTTP/2.
    Curl,
    /// The command `jq`.
    Jq,
    /// The command `skopeo`.
    Skopeo,
    /// The command `podman`.
    Podman,
    /// The commands `containerd` and `ctr`, and the rights to start an engine with them.
    Containerd,
}

impl Tool {
    /// The command that succeeds where the tool can be used.
    fn probe(self) -> [&'static str; 2] {
        match self {
            Self::Docker | Self::DockerTrust => ["docker", "info"],
            Self::Curl => ["curl", "--version"],
            Self::Jq => ["jq", "--version"],
            Self::Skopeo => ["skopeo", "--version"],
            Self::Podman => ["podman", "--version"],
            Self::Containerd => ["containerd", "--version"],
        }
    }

    /// Whether it can be used here. If not, says which test is skipped and why.
    ///
    /// # Panics
    /// It cannot be used and `PULLRIG_REQUIRE` asks for it.
    pub fn is_here(self) -> bool {
        let Err(why) = self.look() else { return true };
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        assert!(!is_required(self), "{test} needs {self}, and PULLRIG_REQUIRE allows no skipping: {why}");
        // Straight to standard error: what `eprintln!` writes is hidden when the test passes.
        drop(writeln!(std::io::stderr(), "skipped: {test}: {why}"));
        false
    }

    fn look(self) -> Result<(), String> {
        let of_root = match self {
            Self::Containerd => Some("start `containerd`"),
            Self::DockerTrust => Some("say whom `docker` trusts"),
            Self::Docker | Self::Curl | Self::Jq | Self::Skopeo | Self::Podman => None,
        };
        if let Some(of_root) = of_root
            && !geteuid().is_root()
        {
            return Err(format!("only root can {of_root}"));
        }
        let [program, arg] = self.probe();
        let mut command = Command::new(program);
        let status = command.arg(arg).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{program} {arg}` ended with {status}")),
            Err(error) => Err(format!("`{program}` cannot be started: {error}")),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.probe()[0])
    }
}

fn is_required(tool: Tool) -> bool {
    let required = std::env::var("PULLRIG_REQUIRE").unwrap_or_default();
    required.split(',').map(str::trim).any(|name| name == "all" || name == tool.to_string())
}
