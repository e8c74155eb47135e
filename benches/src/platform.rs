//! A Harness platform to be measured, and requests of its API as they go over the wire.

use std::net::SocketAddr;

use mock_harness::{MockHarness, PlatformConfig};
use serde_json::{Value, json};
use testbed::{Clock, Journal};

const KEY: &str = "pat.acme.bench.0123456789abcdefghij";

/// A platform as `pullrig serve` has one: by the machine's clock, with as long a journal.
///
/// # Panics
/// It cannot be started.
pub async fn start_platform() -> MockHarness {
    let clock = Clock::system();
    let journal = Journal::bounded(&clock, 1000);
    let config: PlatformConfig =
        serde_json::from_value(json!({ "account": "acme", "api-keys": [{ "token": KEY }] })).expect("a configuration");
    let builder = MockHarness::builder().config(config).clock(clock).journal(journal);
    builder.start().await.expect("a platform starts")
}

/// A request of the account's API: `path` with its query, but for the account.
pub fn api_request(at: SocketAddr, method: &str, path: &str, body: &Value) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    let head =
        format!("{method} {path}{separator}accountIdentifier=acme HTTP/1.1\r\nhost: {at}\r\nx-api-key: {KEY}\r\n");
    if body.is_null() {
        return format!("{head}\r\n");
    }
    let body = body.to_string();
    format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The body that creates or updates a Docker connector of the account, which is not tested afterwards.
pub fn docker_connector(identifier: &str, description: &str) -> Value {
    json!({ "connector": {
        "name": "Mirror of Harness images",
        "identifier": identifier,
        "description": description,
        "tags": { "team": "build" },
        "type": "DockerRegistry",
        "spec": {
            "dockerRegistryUrl": "https://mirror.example.test/registry",
            "providerType": "Other",
            "auth": { "type": "Anonymous" },
            "delegateSelectors": [],
            "executeOnDelegate": false,
            "ignoreTestConnection": true,
        },
    } })
}
