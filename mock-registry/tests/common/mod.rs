//! What the tests share: a client that asks like `curl`, and tables of request and answer.

#![expect(dead_code, reason = "every test file uses a part of it")]

use std::sync::Arc;

use mock_registry::{ImageConfig, MockRegistry, RegistryConfig};
use reqwest::{Method, Response, header::HeaderMap};
use testbed::{
    diagnostic::Source,
    journal::{Entry, Event, Exchange},
    tls::client_config,
    yaml,
};

/// A registry with a configuration as a scenario file has it: JSON is YAML too.
pub(crate) async fn start(config: serde_json::Value) -> MockRegistry {
    let config: RegistryConfig = yaml::from_str(&Source::new("registry", config.to_string())).unwrap();
    MockRegistry::builder("hub").config(config).start().await.unwrap()
}

/// The image that most tests pull.
pub(crate) const IMAGE: &str = "harness/ci-addon:1.16.92";
/// The path of its manifest.
pub(crate) const MANIFEST: &str = "/v2/harness/ci-addon/manifests/1.16.92";

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The code of its first error.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Asks; `method` and path in one text, as in `GET /v2/`.
pub(crate) async fn ask(registry: &MockRegistry, call: &str, headers: &[(&str, &str)]) -> Answer {
    send(registry, call, headers, Vec::new()).await
}

pub(crate) async fn send(registry: &MockRegistry, call: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    Answer::of(request(registry, call, headers).body(body).send().await.unwrap()).await
}

pub(crate) fn request(registry: &MockRegistry, call: &str, headers: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let (method, path) = call.split_once(' ').unwrap();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(client_config(&[]).unwrap())
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let mut request = client.request(method.parse::<Method>().unwrap(), format!("{}{path}", registry.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
}

/// One line of a table: request, request headers, status, and texts that head and body must have.
pub(crate) type Line<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a [&'a str]);

/// Asks everything in the table, in order, and compares.
pub(crate) async fn check(registry: &MockRegistry, table: &[Line<'_>]) {
    for (call, headers, status, texts) in table {
        let answer = ask(registry, call, headers).await;
        let told = format!("{call} {headers:?}\n{:?}\n{}", answer.headers, answer.text());
        assert_eq!(answer.status, *status, "{told}");
        let head: String =
            answer.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
        let whole = head + &answer.text();
        for text in *texts {
            match text.strip_prefix("no ") {
                Some(text) => assert!(!whole.contains(text), "has {text}: {told}"),
                None => assert!(whole.contains(text), "lacks {text}: {told}"),
            }
        }
    }
}

/// A token for `scope`, anonymous or by Basic credentials.
pub(crate) async fn token(registry: &MockRegistry, scope: &str, account: Option<(&str, &str)>) -> String {
    let mut request = request(registry, &format!("GET /token?service=registry.docker.io&scope={scope}"), &[]);
    if let Some((name, password)) = account {
        request = request.basic_auth(name, Some(password));
    }
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["token"].as_str().unwrap().to_owned()
}

/// The exchanges in the journal.
pub(crate) fn exchanges(registry: &MockRegistry) -> Vec<Exchange> {
    let exchange = |entry: Arc<Entry>| match &entry.event {
        Event::Exchange(exchange) => Some((**exchange).clone()),
        _ => None,
    };
    registry.journal().entries().into_iter().filter_map(exchange).collect()
}

pub(crate) fn image(name: &str, layers: &[&str]) -> ImageConfig {
    ImageConfig {
        name: name.to_owned().into(),
        layers: layers.iter().map(|size| size.parse().unwrap()).collect(),
        ..ImageConfig::default()
    }
}
