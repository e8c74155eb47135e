//! Tokens: JWTs with the claims that Docker Hub's have, by the world's clock.
//!
//! They are signed with HS256 under a key drawn from the seed, where Docker Hub uses RS256 with an `x5c` header: clients
//! must not look inside, and nobody but this registry verifies them.
//!
//! Source: facts/registry A2, C1.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use oci::{Action, Principal, Scope};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use testbed::{Seed, clock::Timestamp};

use crate::{Allow, TokenFormat, settings::Settings};

/// How long before its issue a token is valid already: `nbf = iat - 300`.
const EARLIER_SECONDS: i64 = 300;
/// When so many tokens were revoked, the first ones are forgotten together: a bound on memory.
const MAX_REVOKED: usize = 100_000;
/// When so many tokens that say nothing were given out, the first ones are worth nothing any more: a bound on memory.
const MAX_OPAQUE: usize = 100_000;

/// What makes and reads one registry's tokens. Clones share it.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<Shared>);

struct Shared {
    key: [u8; 32],
    issuer: String,
    service: String,
    life: Duration,
    format: TokenFormat,
    min_bytes: usize,
    random: Mutex<ChaCha8Rng>,
    revoked: Mutex<HashSet<String>>,
    /// What is in tokens that say nothing themselves.
    opaque: Mutex<HashMap<String, Claims>>,
}

/// What is in a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// Who made it: `auth.docker.io`.
    pub(crate) iss: String,
    /// Whose it is; empty for nobody's.
    pub(crate) sub: String,
    /// Which registry it is for: its service.
    pub(crate) aud: String,
    /// From when on it is worth nothing, in seconds since 1970.
    pub(crate) exp: i64,
    /// From when on it is valid.
    pub(crate) nbf: i64,
    /// When it was made.
    pub(crate) iat: i64,
    /// Its identifier: `dckr_jti_…=`.
    pub(crate) jti: String,
    /// What it allows.
    pub(crate) access: Vec<Access>,
}

/// What a token allows with one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Access {
    /// `repository` or `registry`.
    #[serde(rename = "type")]
    pub(crate) resource_type: String,
    /// The resource, as the client names it.
    pub(crate) name: String,
    /// What may be done.
    pub(crate) actions: Vec<Action>,
    /// The pull limit, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<LimitParameters>,
}

/// The pull limit as a token tells it: numbers as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LimitParameters {
    pull_limit: String,
    pull_limit_interval: String,
}

/// What is wrong with a token.
#[derive(Clone, Debug)]
pub(crate) enum TokenFault {
    /// It is no token, or not one of this registry's.
    Malformed,
    /// Its time is over, or it was revoked.
    Expired(Box<Claims>),
    /// It is for another registry.
    Audience(Box<Claims>),
}

/// What a token is to be made of.
pub(crate) struct Wish {
    /// For whom.
    pub(crate) principal: Principal,
    /// For which registry; none means this one.
    pub(crate) service: Option<String>,
    /// What it is to allow.
    pub(crate) granted: Vec<Scope>,
    /// The principal's pull limit.
    pub(crate) limit: Option<Allow>,
}

impl Wish {
    /// A token that no registry takes: for nobody, and for no service that there is.
    pub(crate) fn useless() -> Self {
        Self { principal: Principal::Anonymous, service: Some(String::new()), granted: Vec::new(), limit: None }
    }
}

impl Tokens {
    /// Tokens as `settings` say, with a key drawn from `seed`.
    pub(crate) fn new(settings: &Settings, seed: Seed) -> Self {
        let mut key = [0; 32];
        seed.stream("token-key").fill_bytes(&mut key);
        Self(Arc::new(Shared {
            key,
            issuer: settings.issuer.clone(),
            service: settings.service.clone(),
            life: settings.token_life,
            format: settings.token.format,
            min_bytes: settings.token.size.map_or(0, |size| usize::try_from(size.bytes()).unwrap_or(usize::MAX)),
            random: Mutex::new(seed.stream("tokens")),
            revoked: Mutex::default(),
            opaque: Mutex::default(),
        }))
    }

    /// How long a token lives.
    pub(crate) fn life(&self) -> Duration {
        self.0.life
    }

    /// A new token.
    pub(crate) fn make(&self, wish: &Wish, now: Timestamp) -> String {
        let iat = now.as_second();
        let parameters = wish.limit.and_then(|limit| {
            Some(LimitParameters {
                pull_limit: limit.units()?.to_string(),
                pull_limit_interval: limit.window()?.as_secs().to_string(),
            })
        });
        let access = wish.granted.iter().map(|scope| Access {
            parameters: parameters.clone().filter(|_| scope.allows(&Action::Pull)),
            resource_type: scope.resource_type.clone(),
            name: scope.name.clone(),
            actions: scope.actions.iter().cloned().collect(),
        });
        let claims = Claims {
            iss: self.0.issuer.clone(),
            sub: wish.principal.account().map_or_else(String::new, ToString::to_string),
            aud: wish.service.clone().unwrap_or_else(|| self.0.service.clone()),
            exp: iat.saturating_add(i64::try_from(self.0.life.as_secs()).unwrap_or(i64::MAX)),
            nbf: iat - EARLIER_SECONDS,
            iat,
            jti: self.draw_id(),
            access: access.collect(),
        };
        match self.0.format {
            TokenFormat::Jwt => self.seal(&claims),
            TokenFormat::Opaque => self.keep(claims),
        }
    }

    /// A JWT of at least the wanted size.
    fn seal(&self, claims: &Claims) -> String {
        let key = EncodingKey::from_secret(&self.0.key);
        let mut header = Header::new(Algorithm::HS256);
        // Claims have text keys only and the key is as long as HS256 wants it; an empty token would be refused.
        let token = jsonwebtoken::encode(&header, claims, &key).unwrap_or_default();
        let Some(missing) = self.0.min_bytes.checked_sub(token.len()).filter(|missing| *missing > 0) else {
            return token;
        };
        // Docker Hub's tokens are large by the certificate in their header. Four letters stand for three of it.
        let certificate = STANDARD.encode(Sha256::digest(self.0.key)).repeat(1 + missing / 44);
        header.x5c = Some(vec![certificate]);
        jsonwebtoken::encode(&header, claims, &key).unwrap_or_default()
    }

    /// A token that says nothing: what is in it is kept here.
    fn keep(&self, claims: Claims) -> String {
        let mut kept = self.0.opaque.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_OPAQUE {
            kept.clear();
        }
        let text = Sha256::digest(claims.jti.as_bytes());
        let token = URL_SAFE_NO_PAD.encode(text).repeat(1 + self.0.min_bytes / 44);
        kept.insert(token.clone(), claims);
        token
    }

    /// What is in `token`, whatever its form.
    fn open(&self, token: &str) -> Option<Claims> {
        if self.0.format == TokenFormat::Opaque {
            return self.0.opaque.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
        }
        let mut signature_only = Validation::new(Algorithm::HS256);
        // Time is the world's and the audience has a fault of its own, so both are looked at by whoever reads it.
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        signature_only.required_spec_claims.clear();
        let key = DecodingKey::from_secret(&self.0.key);
        jsonwebtoken::decode::<Claims>(token, &key, &signature_only).ok().map(|read| read.claims)
    }

    /// What is in `token`, if it is valid `now`.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Result<Claims, TokenFault> {
        let claims = self.open(token).ok_or(TokenFault::Malformed)?;
        let seconds = now.as_second();
        let is_revoked = self.0.revoked.lock().unwrap_or_else(PoisonError::into_inner).contains(&claims.jti);
        if seconds >= claims.exp || seconds < claims.nbf || is_revoked {
            return Err(TokenFault::Expired(Box::new(claims)));
        }
        if claims.aud != self.0.service {
            return Err(TokenFault::Audience(Box::new(claims)));
        }
        Ok(claims)
    }

    /// Lets the token called `id` be expired from now on.
    pub(crate) fn revoke(&self, id: &str) {
        let mut revoked = self.0.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        if revoked.len() >= MAX_REVOKED {
            revoked.clear();
        }
        revoked.insert(id.to_owned());
    }

    /// Whether the token called `id` was revoked.
    pub(crate) fn is_revoked(&self, id: &str) -> bool {
        self.0.revoked.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// The refresh token of an account: always the same, and worth nothing to another registry.
    pub(crate) fn refresh_token(&self, account: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.0.key);
        hash.update(account.as_bytes());
        format!("dckr_rt_{}", URL_SAFE.encode(hash.finalize()))
    }

    fn draw_id(&self) -> String {
        let mut bytes = [0; 32];
        self.0.random.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        format!("dckr_jti_{}", URL_SAFE.encode(bytes))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.service)
    }
}

impl Claims {
    /// Whose the token is.
    pub(crate) fn principal(&self) -> Principal {
        self.sub.parse().map_or(Principal::Anonymous, Principal::Account)
    }

    /// Whether it allows everything in `scope`.
    pub(crate) fn allows(&self, scope: &Scope) -> bool {
        scope.actions.iter().all(|action| self.access.iter().any(|access| access.allows(scope, action)))
    }
}

impl Access {
    fn allows(&self, scope: &Scope, action: &Action) -> bool {
        self.resource_type == scope.resource_type
            && self.name == scope.name
            && (self.actions.contains(action) || self.actions.contains(&Action::Star))
    }
}

#[cfg(test)]
mod tests {
    use testbed::clock::after;

    use super::*;
    use crate::{RegistryConfig, config::check};

    fn tokens() -> Tokens {
        let config = RegistryConfig { preset: Some(String::from("dockerhub").into()), ..RegistryConfig::default() };
        Tokens::new(&check("hub", &config).unwrap(), Seed(1))
    }

    fn wish(scope: &str) -> Wish {
        Wish {
            principal: Principal::Anonymous,
            service: None,
            granted: vec![scope.parse().unwrap()],
            limit: Some("100/6h".parse().unwrap()),
        }
    }

    const NOW: Timestamp = testbed::Clock::DEFAULT_START;

    #[test]
    fn claims_are_those_of_docker_hub() {
        let tokens = tokens();
        let token = tokens.make(&wish("repository:library/alpine:pull"), NOW);
        let claims = tokens.read(&token, NOW).unwrap();
        let iat = NOW.as_second();
        assert_eq!((claims.iat, claims.nbf, claims.exp), (iat, iat - 300, iat + 300));
        assert_eq!((claims.iss.as_str(), claims.aud.as_str()), ("auth.docker.io", "registry.docker.io"));
        assert_eq!(claims.sub, "");
        assert!(claims.jti.starts_with("dckr_jti_") && claims.jti.ends_with('='), "{}", claims.jti);
        assert_eq!(
            serde_json::to_value(&claims.access).unwrap(),
            serde_json::json!([{
                "type": "repository",
                "name": "library/alpine",
                "actions": ["pull"],
                "parameters": { "pull_limit": "100", "pull_limit_interval": "21600" },
            }])
        );
    }

    #[test]
    fn a_token_ends_by_the_clock() {
        let tokens = tokens();
        let token = tokens.make(&wish("repository:a/b:pull"), NOW);
        let read = |seconds| tokens.read(&token, after(NOW, Duration::from_secs(seconds)));
        assert!(read(299).is_ok());
        assert!(matches!(read(300), Err(TokenFault::Expired(_))));
    }

    #[test]
    fn a_token_for_another_service_or_of_another_registry_is_refused() {
        let tokens = tokens();
        let elsewhere = tokens.make(&Wish { service: Some("quay.io".into()), ..wish("repository:a/b:pull") }, NOW);
        assert!(matches!(tokens.read(&elsewhere, NOW), Err(TokenFault::Audience(_))));
        let config = RegistryConfig { preset: Some(String::from("dockerhub").into()), ..RegistryConfig::default() };
        let other = Tokens::new(&check("other", &config).unwrap(), Seed(2));
        let foreign = other.make(&wish("repository:a/b:pull"), NOW);
        assert!(matches!(tokens.read(&foreign, NOW), Err(TokenFault::Malformed)));
        assert!(matches!(tokens.read("rubbish", NOW), Err(TokenFault::Malformed)));
    }
}
