//! The requests that one would send to a registry with curl: no client library, nothing followed, nothing repeated.

use reqwest::{Client, Method, RequestBuilder, Response, redirect::Policy};
use serde_json::Value;
use testbed::tls::client_config;

/// Docker Hub's words for whoever pulls without an account too often. Source: facts/registry A7.
pub const TOO_MANY: &str =
    "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit";

/// What Docker and containerd ask for.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.docker.distribution.manifest.v2+json";

/// A registry that is asked by hand.
pub struct ByHand {
    url: String,
    client: Client,
}

impl ByHand {
    /// The registry at `url`, which has no slash at its end.
    ///
    /// # Panics
    /// There is no HTTP client.
    pub fn new(url: &str) -> Self {
        let tls = client_config(&[]).expect("the TLS of an HTTP client");
        let client = Client::builder().tls_backend_preconfigured(tls).no_proxy().redirect(Policy::none()).build();
        let client = client.expect("an HTTP client");
        Self { url: String::from(url), client }
    }

    /// A request for `target`, a path and query, or a whole URL of the same registry.
    pub fn request(&self, method: Method, target: &str) -> RequestBuilder {
        let url = if target.starts_with("http") { String::from(target) } else { format!("{}{target}", self.url) };
        self.client.request(method, url)
    }

    /// GET of `target`, as above.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn get(&self, target: &str) -> Response {
        let answer = self.request(Method::GET, target).send().await;
        answer.unwrap_or_else(|error| panic!("GET {target}: {error:?}"))
    }

    /// An anonymous token to pull `repository`, from the realm that the registry names.
    ///
    /// # Panics
    /// The registry challenges with nothing, or its token endpoint gives no token.
    pub async fn token(&self, repository: &str) -> String {
        let answer = self.get("/v2/").await;
        let challenge = header(&answer, "www-authenticate").expect("a challenge").to_owned();
        let realm = parameter(&challenge, "realm").expect("a realm");
        let service = parameter(&challenge, "service").expect("a service");
        let answer = self.get(&format!("{realm}?service={service}&scope=repository:{repository}:pull")).await;
        assert_eq!(answer.status(), 200, "{realm}");
        let answer: Value = answer.json().await.expect("the token endpoint answers in JSON");
        String::from(answer["token"].as_str().expect("a token"))
    }

    /// `method` of a manifest.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn manifest(&self, method: Method, repository: &str, reference: &str, token: &str) -> Response {
        let url = format!("{}/v2/{repository}/manifests/{reference}", self.url);
        let request = self.client.request(method, &url).header("accept", ACCEPT).bearer_auth(token);
        request.send().await.unwrap_or_else(|error| panic!("{url}: {error:?}"))
    }

    /// Pulls manifests until the registry refuses one, and returns how many it gave.
    ///
    /// # Panics
    /// It does not refuse the thousandth.
    pub async fn use_up(&self, repository: &str, reference: &str) -> usize {
        let token = self.token(repository).await;
        for n_given in 0..1000 {
            let answer = self.manifest(Method::GET, repository, reference, &token).await;
            if answer.status() == 429 {
                return n_given;
            }
            assert_eq!(answer.status(), 200);
        }
        panic!("{} has no limit", self.url);
    }
}

/// A header's text.
pub fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// A quoted parameter of a challenge.
pub fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}
