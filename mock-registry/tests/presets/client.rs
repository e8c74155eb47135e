//! A client that does what the challenge says.

use std::{cell::RefCell, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mock_registry::MockRegistry;
use serde_json::Value;

use crate::wire::{Answer, Asked, exchange};

/// The layer of every image of the table.
const LAYER: &str = "{layer}";

pub(crate) struct Client<'a> {
    registry: &'a MockRegistry,
    host: String,
    /// What it was told first.
    pub(crate) challenge: Answer,
    /// The headers that have a token, by user and repository.
    tokens: RefCell<BTreeMap<(Option<String>, String), String>>,
    /// The digests of layers, by repository.
    layers: RefCell<BTreeMap<String, String>>,
}

impl<'a> Client<'a> {
    /// Asks for the version check, by the registry's real name if it has one.
    pub(crate) async fn new(registry: &'a MockRegistry) -> Self {
        let host = registry.hosts().first().cloned().unwrap_or_else(|| String::from("registry.example"));
        let challenge = exchange(registry, &Asked::get(&host, "/v2/")).await;
        Self { registry, host, challenge, tokens: RefCell::default(), layers: RefCell::default() }
    }

    pub(crate) fn asks_for_token(&self) -> bool {
        self.challenge.header("www-authenticate").starts_with("Bearer")
    }

    pub(crate) fn forget_tokens(&self) {
        self.tokens.borrow_mut().clear();
    }

    /// Asks as `user`; `wrong` is one with a wrong password. `GET token` asks for a token to pull, and `{layer}` is the layer of
    /// the image in its place.
    pub(crate) async fn ask(&self, user: Option<&str>, request: &str) -> Answer {
        let (method, path) = request.split_once(' ').unwrap();
        if path == "token" {
            return self.ask_for_token(user, "team/app", "pull").await;
        }
        let authorization = self.authorization(user, repository(path)).await;
        let path = match path.split_once("/blobs/{layer}") {
            Some((repository, _)) => path.replace(LAYER, &self.layer(repository, authorization.as_deref()).await),
            None => path.to_owned(),
        };
        let asked = Asked::get(&self.host, &path);
        exchange(self.registry, &Asked { method: method.to_owned(), authorization, ..asked }).await
    }

    async fn authorization(&self, user: Option<&str>, repository: &str) -> Option<String> {
        if !self.asks_for_token() {
            return user.filter(|_| self.challenge.header("www-authenticate").starts_with("Basic")).map(basic);
        }
        let key = (user.map(str::to_owned), repository.to_owned());
        let known = self.tokens.borrow().get(&key).cloned();
        if known.is_some() {
            return known;
        }
        let answer = self.ask_for_token(user, repository, "pull,push,delete").await;
        let body: Value = serde_json::from_slice(&answer.body).ok()?;
        let token = body.get("token").or(body.get("access_token"))?.as_str()?;
        let header = format!("Bearer {token}");
        self.tokens.borrow_mut().insert(key, header.clone());
        Some(header)
    }

    async fn ask_for_token(&self, user: Option<&str>, repository: &str, actions: &str) -> Answer {
        let told = self.challenge.header("www-authenticate");
        let part = |name: &str| {
            let (_, rest) = told.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        let realm = part("realm").unwrap();
        let (host, path) = realm.split_once("://").unwrap().1.split_once('/').unwrap();
        let scope = match part("scope").as_deref() {
            Some("aws") => String::from("scope=aws"),
            _ if repository.is_empty() => String::from("scope=registry:catalog:*"),
            _ => format!("scope=repository:{repository}:{actions}"),
        };
        let service = part("service").map(|service| format!("service={service}&")).unwrap_or_default();
        let asked = Asked::get(host, &format!("/{path}?{service}{scope}"));
        exchange(self.registry, &Asked { authorization: user.map(basic), ..asked }).await
    }

    /// The digest of the layer of what is tagged `1` in the repository at the path `repository`, asked for once.
    pub(crate) async fn layer(&self, repository: &str, authorization: Option<&str>) -> String {
        let known = self.layers.borrow().get(repository).cloned();
        if let Some(known) = known {
            return known;
        }
        let asked = Asked::get(&self.host, &format!("{repository}/manifests/1"));
        let authorization = authorization.map(str::to_owned);
        let answer = exchange(self.registry, &Asked { authorization, ..asked }).await;
        let manifest: Value = serde_json::from_slice(&answer.body).unwrap();
        let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
        self.layers.borrow_mut().insert(repository.to_owned(), digest.clone());
        digest
    }
}

/// The repository that a path below `/v2/` is about; empty where it is about none.
fn repository(path: &str) -> &str {
    let below = path.strip_prefix("/v2/").unwrap_or_default();
    ["/manifests/", "/blobs/", "/tags/"].iter().find_map(|part| below.split_once(part)).map_or("", |(name, _)| name)
}

fn basic(user: &str) -> String {
    let (user, password) = if user == "wrong" { ("ci", "guess") } else { (user, "secret") };
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
