//! Tokens: what a challenge asks for, the request for it, and keeping it until it expires.
//!
//! A token is asked for with `GET`, once per (realm, service, scope) and pull; credentials go along as HTTP Basic. It ends
//! `expires_in` seconds of policy time after it arrived, 60 if the answer does not say, and never before 60, as docker,
//! podman and regclient do: the specification promises no less. `issued_at` is not read, since the clock that wrote it
//! is not ours. The token is opaque: nobody looks into it.
//!
//! Source: Docker token specification; facts/registry C1, C2, E4.

use std::{collections::HashMap, sync::Arc, time::Duration};

use oci::{Challenge, Scope};
use serde::Deserialize;
use testbed::{
    Secret, Timestamp,
    clock::{Participant, after},
    task::FailureKind,
};
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::failure::Trouble;

/// What a token answer may say, and the specification's default, in seconds.
const MIN_LIFE_SECONDS: u64 = 60;

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
}

impl Token {
    /// Reads the answer of a token service. Either `token` or `access_token` will do.
    ///
    /// # Errors
    /// There is none of them, as in a login page with status 200.
    pub(crate) fn parse(body: &[u8], now: Timestamp) -> Result<Self, Trouble> {
        let fail = |message| Trouble::last(FailureKind::Protocol, message);
        let body: TokenBody = serde_json::from_slice(body)
            .map_err(|error| fail(format!("the token service's answer is no token: {error}")))?;
        let is_usable =
            |token: &Secret| !token.expose().is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        let value = [body.token, body.access_token].into_iter().flatten().find(is_usable);
        let value =
            value.ok_or_else(|| fail(String::from("authorization server did not include a token in the response")))?;
        let life = Duration::from_secs(body.expires_in.unwrap_or(MIN_LIFE_SECONDS).max(MIN_LIFE_SECONDS));
        Ok(Self { value, expires_at: after(now, life) })
    }
}

/// The tokens of one pull.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    // A tokio mutex, held while a token is fetched: layers that need the same token at once get it with one request.
    kept: Mutex<HashMap<TokenKey, Arc<Token>>>,
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
        // Whoever holds the lock may be backing off, so this one must not keep the clock from moving.
        let mut kept = participant.wait_for(self.kept.lock()).await;
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
            let token = Token::parse(body.as_bytes(), Clock::DEFAULT_START).ok();
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
