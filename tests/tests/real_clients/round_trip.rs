//! What every client must be able to: push an image and an index, and pull them again.
//!
//! An image is told by its id, the digest of its configuration: clients may pack layers anew when they push, so that the
//! manifest is another one, but the configuration names what was packed.

use std::path::Path;

use tests::{program::workspace, serve::Serve};

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

/// `pullrig serve` with two registries: the first has images, the second takes them.
pub(crate) struct Registries(Serve);

impl Registries {
    /// Starts them. The images differ from run to run, because engines ask for nothing that they have already.
    pub(crate) fn start() -> Self {
        let file = Path::new(file!()).with_file_name("registries.yaml");
        let seed = std::process::id().to_string();
        Self(Serve::start(["--scenario", &workspace().join(file).display().to_string(), "--seed", &seed]))
    }

    /// `name` at the registry that has images, and at the one that takes them.
    fn both(&self, name: &str) -> (String, String) {
        let [from, to] = self.0.listeners() else { panic!("two registries are ready") };
        (format!("{}/{name}", from.authority()), format!("{}/{name}", to.authority()))
    }
}

/// Pushes an image and an index with `client`, and pulls what was pushed.
pub(crate) fn check(client: &impl Client, registries: &Registries) {
    let (from, to) = registries.both("app/single:1");
    client.push(&from, &to);
    assert_eq!(client.pull(&to, PLATFORMS[0]), client.pull(&from, PLATFORMS[0]));

    let (from, to) = registries.both("app/multi:1");
    client.push_index(&from, &to);
    let pushed = PLATFORMS.map(|platform| client.pull(&to, platform));
    assert_eq!(pushed, PLATFORMS.map(|platform| client.pull(&from, platform)));
    assert_ne!(pushed[0], pushed[1], "each platform has an image of its own");
}
