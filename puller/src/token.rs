//! Tokens: what a challenge asks for, the request for it, and keeping it until it expires.
//!
//! A token is asked for once per (realm, service, scope) and pull, with `GET`, or with `POST` by clients that have a
//! password and prefer it. When it ends, in policy time, is the client's habit: `expires_in` after it arrived, or after
//! `issued_at` for those who believe it, and mostly not before a minute, since the specification promises no less. The
//! token is opaque, and only a client with that habit looks into it.
//!
//! Source: Docker token specification; facts/registry C1, C2, E4.

use std::{collections::HashMap, sync::Arc, time::Duration};

use oci::{Challenge, Scope};
use serde::Deserialize;
use testbed::{
    Secret, Timestamp,
    clock::{Participant, Turns, after},
    task::{Credentials, FailureKind},
};
use url::{Host, Url};

use crate::{
    client::{Issued, NoExpiry, RealmGuard, TokenField, TokenHabits},
    failure::Trouble,
    jwt,
};

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey {
    /// The URL of the token service.
    pub(crate) realm: Url,
    /// The registry's name there.
    pub(crate) service: Option<String>,
    /// Scopes, each a word; not always in the grammar of scopes.
    pub(crate) scopes: Vec<String>,
}

impl TokenKey {
    /// What a bearer challenge asks for, or `wanted` where it names no scope.
    ///
    /// # Errors
    /// The realm is no URL.
    pub(crate) fn of(realm: &str, service: Option<&str>, scope: Option<&str>, wanted: &Scope) -> Result<Self, Trouble> {
        let url = Url::parse(realm).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(realm) = url else {
            let message = format!("the challenge names the token service `{realm}`, which is no URL");
            return Err(Trouble::last(FailureKind::Protocol, message));
        };
        let mut scopes: Vec<_> = scope.unwrap_or_default().split_ascii_whitespace().map(String::from).collect();
        if scopes.is_empty() {
            scopes.push(wanted.to_string());
        }
        Ok(Self { realm, service: service.map(String::from), scopes })
    }

    /// The form that is posted: scopes in one field.
    pub(crate) fn form(&self, client_id: &str, credentials: &Credentials) -> String {
        let Credentials { username, password, is_refresh_token } = credentials;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", if *is_refresh_token { "refresh_token" } else { "password" });
        form.extend_pairs(self.service.as_deref().map(|service| ("service", service)));
        form.append_pair("client_id", client_id);
        form.append_pair("scope", &self.scopes.join(" "));
        if *is_refresh_token {
            form.append_pair("refresh_token", password.expose());
        } else {
            form.append_pair("username", username.as_str());
            form.append_pair("password", password.expose());
        }
        form.finish()
    }

    /// The URL to ask at. `account` is what docker and podman send beside the credentials.
    pub(crate) fn url(&self, account: Option<&str>) -> Url {
        let mut url = self.realm.clone();
        let mut query = url.query_pairs_mut();
        let service = self.service.as_deref().map(|service| ("service", service));
        let account = account.map(|account| ("account", account));
        query.extend_pairs(account.into_iter().chain(service));
        query.extend_pairs(self.scopes.iter().map(|scope| ("scope", scope)));
        drop(query);
        url
    }
}

/// The challenge to answer: a bearer one if there is any, since it is the stricter of the two that are understood.
pub(crate) fn choose(challenges: &[Challenge]) -> Option<&Challenge> {
    let bearer = challenges.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    bearer.or_else(|| challenges.iter().find(|challenge| matches!(challenge, Challenge::Basic { .. })))
}

/// Whether a password for `registry` may be sent to `realm`: over https, or as openly as the registry itself is asked.
///
/// A registry can name any realm. One that is asked over https and names a plain http service, its own host included,
/// would have the password sent for all to read. A registry that is asked over plain http may name a plain service on its
/// own host. Ports do not count, and all loopback names are one host: that is one machine.
pub(crate) fn may_send_credentials(registry: &Url, realm: &Url) -> bool {
    let is_same_host = registry.host() == realm.host() || (is_loopback(registry) && is_loopback(realm));
    realm.scheme() == "https" || (registry.scheme() == "http" && is_same_host)
}

/// Whether a client asks `realm` for a token of `registry`. `has_password` tells whether one would be sent there.
pub(crate) fn is_trusted(guard: RealmGuard, registry: &Url, realm: &Url, has_password: bool) -> bool {
    match guard {
        RealmGuard::Any => true,
        RealmGuard::AsOpen => !has_password || may_send_credentials(registry, realm),
        RealmGuard::Public | RealmGuard::OwnDomain => {
            let is_own = registry.host() == realm.host() || is_loopback(registry);
            let is_of_domain = guard == RealmGuard::Public || domain(registry) == domain(realm);
            may_send_credentials(registry, realm) && (is_own || (!is_private(realm) && is_of_domain))
        }
    }
}

/// The last two labels of the host's name, or its address: what ggcr takes for the domain that two hosts share.
fn domain(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => {
            let labels: Vec<_> = name.trim_end_matches('.').rsplit('.').take(2).collect();
            Some(labels.join("."))
        }
        address => Some(address.to_string()),
    }
}

/// Whether `url` names a private or loopback address, in digits.
fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_private() || address.is_loopback() || address.is_link_local(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
        Some(Host::Domain(_)) | None => false,
    }
}

/// Whether `url` names this machine by a loopback name or address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A token, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) value: Secret,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct TokenBody {
    token: Option<Secret>,
    access_token: Option<Secret>,
    expires_in: Option<u64>,
    issued_at: Option<String>,
}

impl Token {
    /// Reads the answer of a token service. Either `token` or `access_token` will do.
    ///
    /// # Errors
    /// There is none of them, as in a login page with status 200.
    pub(crate) fn parse(body: &[u8], now: Timestamp, habits: &TokenHabits) -> Result<Self, Trouble> {
        let fail = |message| Trouble::last(FailureKind::Protocol, message);
        let body: TokenBody = serde_json::from_slice(body)
            .map_err(|error| fail(format!("the token service's answer is no token: {error}")))?;
        let is_usable =
            |token: &Secret| !token.expose().is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        let issued_at = body.issued_at.as_deref().and_then(|text| text.parse().ok());
        let begin = match habits.issued_at {
            Issued::Believed => issued_at.unwrap_or(now),
            Issued::Ignored => now,
        };
        let fields = match habits.prefers {
            TokenField::Token => [body.token, body.access_token],
            TokenField::AccessToken => [body.access_token, body.token],
        };
        let value = fields.into_iter().flatten().find(is_usable);
        let value =
            value.ok_or_else(|| fail(String::from("authorization server did not include a token in the response")))?;
        if habits.reads_exp {
            let expires_at = jwt::expiry(value.expose()).unwrap_or_else(|| after(begin, habits.least_life.0));
            return Ok(Self { value, expires_at });
        }
        let told = body.expires_in.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        let life = match (told, habits.no_expiry) {
            (_, _) if !habits.expires => None,
            (None, NoExpiry::Never) => None,
            (None, NoExpiry::Least) => Some(habits.least_life.0),
            (Some(told), _) => Some(told.max(habits.least_life.0)),
        };
        let expires_at = life.map_or(Timestamp::MAX, |life| {
            let share = habits.renewed_at_percent.min(100);
            after(begin, life.checked_mul(share).map_or(life, |life| life / 100))
        });
        Ok(Self { value, expires_at })
    }
}

/// The tokens of one pull.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    // Taken in turns, also while a token is fetched: layers that need the same token at once get it with one request.
    kept: Turns<HashMap<TokenKey, Arc<Token>>>,
}

impl Tokens {
    /// The kept token for `key`, unless it has expired or is the `rejected` one; else what `fetch` brings.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub(crate) async fn get<E>(
        &self,
        participant: &Participant,
        key: &TokenKey,
        rejected: Option<&Token>,
        fetch: impl Future<Output = Result<Token, E>>,
    ) -> Result<Arc<Token>, E> {
        let mut kept = self.kept.take(participant).await;
        if let Some(token) = kept.get(key) {
            let is_good = token.expires_at > participant.clock().now() && Some(&**token) != rejected;
            if is_good {
                return Ok(Arc::clone(token));
            }
        }
        kept.remove(key);
        let token = Arc::new(fetch.await?);
        kept.insert(key.clone(), Arc::clone(&token));
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use testbed::Clock;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn either_field_is_the_token_and_a_minute_is_its_least_life() {
        let check = |body: &str, expected: Option<(&str, u64)>| {
            let habits = TokenHabits::default();
            let token = Token::parse(body.as_bytes(), Clock::DEFAULT_START, &habits).ok();
            let life = |token: &Token| token.expires_at.duration_since(Clock::DEFAULT_START).as_secs().cast_unsigned();
            let found = token.as_ref().map(|token| (token.value.expose(), life(token)));
            assert_eq!(found, expected, "{body}");
        };
        check(r#"{"token":"a","expires_in":300}"#, Some(("a", 300)));
        check(r#"{"access_token":"b"}"#, Some(("b", 60)));
        check(r#"{"token":"","access_token":"b"}"#, Some(("b", 60)));
        check(r#"{"token":"a","expires_in":0}"#, Some(("a", 60)));
        check(r#"{"token":"a\r\nx: y"}"#, None);
        check(r#"{"errors":[]}"#, None);
        check("<html>", None);
    }

    #[test]
    fn clients_differ_in_which_of_two_tokens_they_take() {
        let check = |client: &str, expected: &str| {
            let habits = &crate::ClientProfile::find(client).unwrap().token;
            let body = br#"{"token":"one","access_token":"other"}"#;
            let token = Token::parse(body, Clock::DEFAULT_START, habits).unwrap();
            assert_eq!(token.value.expose(), expected, "{client}");
        };
        for client in ["pullrig", "podman", "skopeo", "oci-client"] {
            check(client, "one");
        }
        for client in ["docker", "containerd", "buildkit", "crane", "kaniko", "regclient", "oras"] {
            check(client, "other");
        }
    }

    #[test]
    fn clients_differ_in_how_long_they_keep_a_token() {
        let check = |client: &str, body: &str, expected: Option<i64>| {
            let habits = &crate::ClientProfile::find(client).unwrap().token;
            let token = Token::parse(body.as_bytes(), Clock::DEFAULT_START, habits).unwrap();
            let life = token.expires_at.duration_since(Clock::DEFAULT_START).as_secs();
            let expected = expected.map_or(token.expires_at == Timestamp::MAX, |expected| life == expected);
            assert!(expected, "{client} {body}: {life}");
        };
        let old = r#"{"token":"a","expires_in":300,"issued_at":"2025-12-31T23:50:00Z"}"#;
        check("docker", old, Some(-300));
        check("containerd", old, Some(300));
        check("containerd", r#"{"token":"a"}"#, None);
        check("containerd", r#"{"token":"a","expires_in":5}"#, Some(5));
        check("podman", r#"{"token":"a","expires_in":5}"#, Some(60));
        check("buildkit", r#"{"token":"a","expires_in":300}"#, Some(270));
        check("oras", r#"{"token":"a","expires_in":5}"#, None);
        check("docker", r#"{"token":"a","expires_in":18446744073709551615}"#, None);
        // The claims say 00:00:05.
        check("oci-client", r#"{"token":"e30.eyJleHAiOjE3NjcyMjU2MDV9.c2ln","expires_in":300}"#, Some(5));
        check("oci-client", r#"{"token":"opaque","expires_in":300}"#, Some(60));
    }

    #[test]
    fn a_client_that_guards_asks_no_private_address_for_a_token() {
        let check = |guard, realm, has_password, expected| {
            assert_eq!(
                is_trusted(guard, &url("https://registry.test"), &url(realm), has_password),
                expected,
                "{realm}"
            );
        };
        check(RealmGuard::Public, "https://auth.test/token", true, true);
        check(RealmGuard::Public, "http://auth.test/token", false, false);
        check(RealmGuard::Public, "https://10.0.0.1/token", false, false);
        check(RealmGuard::Public, "https://auth.elsewhere/token", true, true);
        check(RealmGuard::OwnDomain, "https://auth.elsewhere/token", false, false);
        check(RealmGuard::OwnDomain, "https://auth.registry.test/token", true, true);
        check(RealmGuard::OwnDomain, "https://registry.test:8443/token", true, true);
        check(RealmGuard::OwnDomain, "http://registry.test/token", false, false);
        check(RealmGuard::OwnDomain, "https://10.0.0.1/token", false, false);
        check(RealmGuard::AsOpen, "http://auth.test/token", false, true);
        check(RealmGuard::AsOpen, "http://auth.test/token", true, false);
        check(RealmGuard::Any, "http://10.0.0.1/token", true, true);
    }

    #[test]
    fn the_token_url_keeps_the_realms_query_and_repeats_the_scope() {
        let wanted: Scope = "repository:a/b:pull".parse().unwrap();
        let check = |realm, service, scope, account, expected| {
            let key = TokenKey::of(realm, service, scope, &wanted).unwrap();
            assert_eq!(key.url(account).as_str(), expected);
        };
        check(
            "https://auth.test/token",
            Some("reg"),
            None,
            Some("jo"),
            "https://auth.test/token?account=jo&service=reg&scope=repository%3Aa%2Fb%3Apull",
        );
        check("https://a.test/t?x=1", None, Some("aws b"), None, "https://a.test/t?x=1&scope=aws&scope=b");
        assert!(TokenKey::of("Registry Realm", None, None, &wanted).is_err());
    }

    #[test]
    fn a_password_goes_over_https_or_as_openly_as_the_registry_is_asked() {
        let check = |registry, realm, expected| {
            assert_eq!(may_send_credentials(&url(registry), &url(realm)), expected, "{registry} {realm}");
        };
        check("https://registry-1.docker.io", "https://auth.docker.io/token", true);
        check("https://registry.test", "http://elsewhere.test/token", false);
        check("https://registry.test", "http://registry.test:8080/token", false);
        check("https://localhost:5000", "http://localhost:5000/token", false);
        check("http://registry.test", "http://registry.test:8080/token", true);
        check("http://registry.test", "http://elsewhere.test/token", false);
        check("http://localhost:5000", "https://auth.test/token", true);
        check("http://localhost:5000", "http://127.0.0.1:5001/token", true);
        check("https://registry.test", "http://localhost:5001/token", false);
    }

    #[test]
    fn a_bearer_challenge_is_preferred() {
        let both = Challenge::parse_all(r#"Basic realm="x", Bearer realm="https://a/t",service="s""#);
        assert!(matches!(choose(&both), Some(Challenge::Bearer { .. })));
        assert!(matches!(choose(&both[..1]), Some(Challenge::Basic { .. })));
        assert_eq!(choose(&Challenge::parse_all("Negotiate")), None);
    }
}
