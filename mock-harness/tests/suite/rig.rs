//! A platform on a socket, and short ways to ask it.

use mock_harness::{MockHarness, PlatformConfig};
use serde_json::{Value, json};
use testbed::{Clock, Journal, net::Names, task::SharedAgent};

/// A platform, and the world's handles it was started with.
pub(crate) struct Rig {
    pub(crate) harness: MockHarness,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) key: Option<String>,
}

pub(crate) fn config(value: Value) -> PlatformConfig {
    serde_json::from_value(value).unwrap()
}

impl Rig {
    pub(crate) async fn start(config: PlatformConfig) -> Self {
        Self::start_with(config, Names::default(), None).await
    }

    pub(crate) async fn start_with(config: PlatformConfig, names: Names, agent: Option<SharedAgent>) -> Self {
        let clock = Clock::starting_at(Clock::DEFAULT_START);
        let journal = Journal::new(&clock);
        let mut builder =
            MockHarness::builder().config(config).clock(clock.clone()).journal(journal.clone()).names(&names);
        if let Some(agent) = agent {
            builder = builder.agent(agent);
        }
        let harness = builder.start().await.unwrap();
        let key = Some(harness.default_api_key().expose().to_owned());
        Self { harness, clock, journal, key }
    }

    /// Sends a request and returns status and body.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.harness.url());
        let mut request = client().request(method.parse().unwrap(), url).body(String::from(body));
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// As [`Rig::ask`], with the correlation id, which differs each time, replaced.
    pub(crate) async fn told(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, mut answer) = self.ask(method, path, &body).await;
        if let Some(id) = answer.get_mut("correlationId").filter(|id| !id.is_null()) {
            *id = json!("ID");
        }
        (status, answer.to_string())
    }

    /// Waits until the status of an account's connector is no longer `PENDING`.
    pub(crate) async fn settled(&self, identifier: &str) -> Value {
        for _ in 0..500 {
            let path = format!("/ng/api/connectors/{identifier}?accountIdentifier=acme");
            let (_, answer) = self.ask("GET", &path, "").await;
            if answer["data"]["status"]["status"] != "PENDING" {
                return answer["data"]["status"].clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("still pending: {:?}", self.journal.entries());
    }
}

/// A create request for an anonymous connector of the account.
pub(crate) fn anonymous(identifier: &str, url: &str) -> Value {
    json!({ "connector": {
        "name": "Mirror of Harness images", "identifier": identifier, "type": "DockerRegistry",
        "description": "internal images come from the mirror", "tags": { "team": "build" },
        "spec": { "dockerRegistryUrl": url, "providerType": "Other", "auth": { "type": "Anonymous" },
                  "delegateSelectors": [], "executeOnDelegate": false },
    } })
}

/// A create request for a connector with a login, whose password is `account.mirror_password`.
pub(crate) fn with_login(identifier: &str, url: &str) -> Value {
    let mut body = anonymous(identifier, url);
    body["connector"]["spec"]["auth"] = json!({
        "type": "UsernamePassword", "spec": { "username": "puller", "passwordRef": "account.mirror_password" },
    });
    body
}

/// An HTTP client; none is asked by TLS.
pub(crate) fn client() -> reqwest::Client {
    let tls = testbed::tls::client_config(&[]).unwrap();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
}
