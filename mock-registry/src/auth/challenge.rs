//! What a client is told to show: the `WWW-Authenticate` of a 401.
//!
//! The realm depends on how the registry was reached. By its real name it is the real one. By a loopback address it is on
//! the same origin: clients refuse to send credentials to another loopback address (facts/registry E4, ggcr).

use oci::{Challenge, Endpoint, Scope};

use crate::{
    AlsoBasic, AuthConfig, ChallengeConfig,
    host::{is_loopback, name_of},
    settings::Settings,
};

/// What is wrong with the token that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChallengeError {
    /// Expired, malformed, revoked, or for another registry.
    InvalidToken,
    /// Valid, but it does not allow this.
    InsufficientScope,
}

/// The values of `WWW-Authenticate` for a request to `endpoint` that came to `host` and needs these scopes.
///
/// Source: facts/registry B1, C2.
pub(crate) fn compose_challenges(
    settings: &Settings,
    host: &str,
    endpoint: &Endpoint,
    needed: &[Scope],
    error: Option<ChallengeError>,
) -> Vec<String> {
    let ChallengeConfig { service, realm, ping_scope, scope, also_basic, absent, body: _ } = &settings.challenge;
    if *absent {
        return Vec::new();
    }
    if settings.auth == AuthConfig::Basic {
        return vec![compose_basic(settings, host)];
    }
    let needed = (!needed.is_empty()).then(|| join_scopes(needed));
    let is_ping = matches!(endpoint, Endpoint::Ping);
    let bearer = Challenge::Bearer {
        realm: realm.clone().unwrap_or_else(|| compose_realm(settings, host)),
        service: match service.as_deref() {
            Some("none") => None,
            Some(service) => Some(service.to_owned()),
            None => Some(settings.service.clone()),
        },
        scope: if is_ping { ping_scope.clone() } else { scope.clone().or(needed) },
        error: error.map(|error| {
            match error {
                ChallengeError::InvalidToken => "invalid_token",
                ChallengeError::InsufficientScope => "insufficient_scope",
            }
            .to_owned()
        }),
    };
    let basic = || Challenge::Basic { realm: settings.service.clone() }.to_string();
    match also_basic {
        None => vec![bearer.to_string()],
        Some(AlsoBasic::Line) => vec![format!("{}, {bearer}", basic())],
        Some(AlsoBasic::Header) => vec![basic(), bearer.to_string()],
    }
}

/// `Basic`, with a service where the challenge has one of its own: ECR's names both.
fn compose_basic(settings: &Settings, host: &str) -> String {
    let ChallengeConfig { service, realm, .. } = &settings.challenge;
    let realm = match realm {
        // A realm that is a URL names the host that was asked.
        Some(realm) => realm.replace("{host}", host),
        None => settings.service.clone(),
    };
    let basic = Challenge::Basic { realm }.to_string();
    match service.as_deref() {
        None | Some("none") => basic,
        Some(service) => format!("{basic},service=\"{service}\""),
    }
}

/// As one text: scopes have no blanks.
pub(crate) fn join_scopes(scopes: &[Scope]) -> String {
    scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn compose_realm(settings: &Settings, host: &str) -> String {
    let name = name_of(host);
    let is_named = settings.all_hosts().any(|own| own.eq_ignore_ascii_case(name) || own.eq_ignore_ascii_case(host));
    let (scheme, path) = (settings.scheme(), &settings.token_path);
    match &settings.realm {
        _ if is_loopback(name) => format!("{scheme}://{host}{path}"),
        Some(realm) if is_named => realm.clone(),
        None if is_named => format!("https://{host}{path}"),
        _ => format!("{scheme}://{host}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RegistryConfig, config::check};

    fn realm(config: RegistryConfig, host: &str) -> String {
        compose_realm(&check("hub", &config).unwrap(), host)
    }

    #[test]
    fn the_realm_is_real_by_name_and_at_hand_by_address() {
        let hub = || RegistryConfig { preset: Some(String::from("dockerhub").into()), ..RegistryConfig::default() };
        assert_eq!(realm(hub(), "registry-1.docker.io"), "https://auth.docker.io/token");
        assert_eq!(realm(hub(), "auth.docker.io"), "https://auth.docker.io/token");
        assert_eq!(realm(hub(), "127.0.0.1:4123"), "http://127.0.0.1:4123/token");
        assert_eq!(realm(hub(), "localhost:4123"), "http://localhost:4123/token");
        assert_eq!(realm(hub(), "[::1]:4123"), "http://[::1]:4123/token");
        let tls = RegistryConfig { tls: Some(true), ..hub() };
        assert_eq!(realm(tls.clone(), "registry-1.docker.io"), "https://auth.docker.io/token");
        assert_eq!(realm(tls, "127.0.0.1:4123"), "https://127.0.0.1:4123/token");
        let harness =
            RegistryConfig { preset: Some(String::from("harness-registry").into()), ..RegistryConfig::default() };
        assert_eq!(realm(harness, "app.harness.io"), "https://app.harness.io/v2/token");
        let mirror = RegistryConfig { hosts: Some(vec!["mirror.example".into()]), ..hub() };
        assert_eq!(realm(mirror, "mirror.example"), "https://mirror.example/token");
    }
}
