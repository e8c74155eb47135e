//! Registry hosts as image references name them: `docker.io`, `localhost:5000`, `[::1]:5000`.
//!
//! Reaching a host (names to addresses, TLS) is the world's affair. The one fact kept here is that
//! Docker Hub answers under another name than it is called by.
//!
//! Source: distribution/reference, "domain"; its splitting rule for Docker references.

use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_OLD_NAME: &str = "index.docker.io";
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// A registry's host, with a port where it is not the scheme's own. Lowercase, since host names
/// ignore case.
///
/// It contains `.` or `:`, or is `localhost`: any other word in front of an image reference is part
/// of a repository name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryHost(Arc<str>);

/// Why a text is no registry host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The text would be read as a part of a repository name.
    #[error(
        "registry host `{text}` needs a `.`, a port, or to be `localhost`: otherwise it reads as a repository name"
    )]
    LooksLikeName {
        /// The text that was read.
        text: String,
    },
    /// A label is empty, starts or ends with `-`, or has a character outside `a-z0-9-`.
    #[error("registry host `{text}` is not a host name: `{label}` is not a valid label")]
    Label {
        /// The text that was read.
        text: String,
        /// The part between two dots that is wrong.
        label: String,
    },
    /// Brackets without an IPv6 address in them.
    #[error("registry host `{text}` is not an IPv6 address in brackets")]
    Ipv6 {
        /// The text that was read.
        text: String,
    },
    /// The part after the colon is not a port number.
    #[error("registry host `{text}` has port `{port}`, which is not a number from 0 to 65535")]
    Port {
        /// The text that was read.
        text: String,
        /// The part after the last colon.
        port: String,
    },
}

impl RegistryHost {
    /// `docker.io`.
    pub fn docker_hub() -> RegistryHost {
        RegistryHost(DOCKER_HUB.into())
    }

    /// Whether this is Docker Hub, by its name or by the old one, `index.docker.io`.
    pub fn is_docker_hub(&self) -> bool {
        matches!(self.as_str(), DOCKER_HUB | DOCKER_HUB_OLD_NAME)
    }

    /// The host that serves the API: `registry-1.docker.io` for Docker Hub, itself for every other
    /// registry.
    pub fn api_host(&self) -> &str {
        if self.is_docker_hub() { DOCKER_HUB_API } else { self.as_str() }
    }

    /// The host and port as they are written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` is a host name or address, with or without a port. A name without a dot needs no port here, unlike in
    /// an image reference.
    pub fn is_authority(text: &str) -> bool {
        check_authority(text).is_ok()
    }

    /// Whether the first component of an image reference is a host.
    pub(crate) fn is_meant_by(component: &str) -> bool {
        component.contains(['.', ':']) || component == "localhost"
    }
}

str_view!(RegistryHost);
text_form!(RegistryHost, "a registry host such as `docker.io`, `localhost:5000` or `[::1]:5000`");

impl FromStr for RegistryHost {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let host = text.to_ascii_lowercase();
        if !RegistryHost::is_meant_by(&host) {
            return Err(HostError::LooksLikeName { text: text.to_owned() });
        }
        check_authority(text)?;
        Ok(RegistryHost(host.into()))
    }
}

fn check_authority(text: &str) -> Result<(), HostError> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let Some((address, rest)) = bracketed.split_once(']') else {
            return Err(HostError::Ipv6 { text: text.to_owned() });
        };
        if address.parse::<Ipv6Addr>().is_err() {
            return Err(HostError::Ipv6 { text: text.to_owned() });
        }
        return match rest.strip_prefix(':') {
            Some(port) => check_port(text, port),
            None if rest.is_empty() => Ok(()),
            None => Err(HostError::Ipv6 { text: text.to_owned() }),
        };
    }
    let name = match text.split_once(':') {
        Some((name, port)) => {
            check_port(text, port)?;
            name
        }
        None => text,
    };
    name.split('.').try_for_each(|label| check_label(text, label))
}

fn check_port(text: &str, port: &str) -> Result<(), HostError> {
    let digits_only = port.bytes().all(|b| b.is_ascii_digit());
    if digits_only && port.parse::<u16>().is_ok() {
        Ok(())
    } else {
        Err(HostError::Port { text: text.to_owned(), port: port.to_owned() })
    }
}

fn check_label(text: &str, label: &str) -> Result<(), HostError> {
    let well_formed = !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if well_formed { Ok(()) } else { Err(HostError::Label { text: text.to_owned(), label: label.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expect: &str) {
        let actual = match input.parse::<RegistryHost>() {
            Ok(host) => format!("{host} -> {}", host.api_host()),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expect, "for {input}");
    }

    #[test]
    fn an_authority_is_a_name_or_an_address() {
        let check = |text, expect| assert_eq!(RegistryHost::is_authority(text), expect, "for {text}");
        check("hub", true);
        check("hub:5000", true);
        check("Registry-1.docker.io", true);
        check("127.0.0.1:80", true);
        check("[::1]:80", true);
        check("", false);
        check("hub:", false);
        check("hub:http", false);
        check("a b", false);
        check("ci:secret@hub", false);
        check("hub\",service=\"x", false);
        check("[::1", false);
    }

    #[test]
    fn hosts_parse_and_know_their_api_host() {
        check("docker.io", "docker.io -> registry-1.docker.io");
        check("index.docker.io", "index.docker.io -> registry-1.docker.io");
        check("Quay.IO", "quay.io -> quay.io");
        check("localhost", "localhost -> localhost");
        check("registry:5000", "registry:5000 -> registry:5000");
        check("127.0.0.1:0", "127.0.0.1:0 -> 127.0.0.1:0");
        check("[::1]:5000", "[::1]:5000 -> [::1]:5000");
        check("[::1]", "[::1] -> [::1]");
    }

    #[test]
    fn each_mistake_is_named() {
        check(
            "registry",
            "registry host `registry` needs a `.`, a port, or to be `localhost`: otherwise it reads as a repository name",
        );
        check("a..b", "registry host `a..b` is not a host name: `` is not a valid label");
        check(
            "https://quay.io",
            "registry host `https://quay.io` has port `//quay.io`, which is not a number from 0 to 65535",
        );
        check("a:70000", "registry host `a:70000` has port `70000`, which is not a number from 0 to 65535");
        check("a:+1", "registry host `a:+1` has port `+1`, which is not a number from 0 to 65535");
        check("[::1", "registry host `[::1` is not an IPv6 address in brackets");
        check("[::1]x", "registry host `[::1]x` is not an IPv6 address in brackets");
        check("-a.b", "registry host `-a.b` is not a host name: `-a` is not a valid label");
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(host in crate::arbitrary::registry_host()) {
            prop_assert_eq!(host.to_string().parse(), Ok(host));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<RegistryHost>();
        }
    }
}
