//! The second host, where redirects of blobs lead: facts/registry A10, G3.

use std::time::Duration;

use serde_json::json;

use crate::{
    common::{exchanges, start},
    table::{line, push_blob},
};

#[tokio::test]
async fn blobs_are_redirected_to_a_host_that_takes_no_credentials() {
    let registry = start(json!({ "preset": "dockerhub", "auth": "none", "limit": "9/h",
        "api": { "redirect-blobs": "production.cloudflare.docker.com", "redirect-life": "5m" } }))
    .await;
    let digest = push_blob(&registry, "a/b", b"0123456789").await;
    let path =
        format!("/registry-v2/docker/registry/v2/blobs/sha256/{}/{}/data", &digest.encoded()[..2], digest.encoded());
    let get = format!("GET /v2/a/b/blobs/{digest}");
    let second = format!("location: https://production.cloudflare.docker.com{path}?verify=");
    let texts = [&*second, "content-type: application/octet-stream", "docker-distribution-api-version: registry/2.0"];
    line("A10", &get).header("host", "registry-1.docker.io").is(&registry, 307, &texts).await;
    line("A10", &get).header("host", "172.17.0.1:5000").is(&registry, 200, &["0123456789"]).await;

    let redirected = line("A10 loopback", &get).is(&registry, 307, &["location: http://localhost:"]).await;
    let signed = redirected.header("location").replace("http://localhost", "");
    let signed = &signed[signed.find('/').unwrap()..];
    let host = ("host", "production.cloudflare.docker.com");
    let at = |call: String| line("A10 store", call).header(host.0, host.1);
    let texts = &["0123456789", "no docker-", "content-length: 10\n", "accept-ranges: bytes"];
    at(format!("GET {signed}")).is(&registry, 200, texts).await;
    at(format!("HEAD {signed}")).is(&registry, 200, &["content-length: 10\n"]).await;
    at(format!("GET {signed}")).header("range", "bytes=8-").is(&registry, 206, &["\n89"]).await;
    at(format!("GET {signed}")).header("authorization", "Bearer x").is(&registry, 400, &["InvalidArgument"]).await;
    at(format!("GET {path}")).is(&registry, 403, &["<Code>AccessDenied</Code>"]).await;
    at(format!("GET {signed}x")).is(&registry, 403, &["AccessDenied"]).await;
    at(String::from("GET /v2/")).is(&registry, 404, &[]).await;

    registry.clock().advance(Duration::from_secs(300));
    at(format!("GET {signed}")).is(&registry, 403, &["Request has expired"]).await;
    let there = exchanges(&registry).into_iter().filter(|exchange| exchange.host == host.1);
    let told =
        there.map(|exchange| (serde_json::to_value(&exchange.subject).unwrap(), exchange.status)).collect::<Vec<_>>();
    assert_eq!(told[0].0["registry"]["endpoint"], "cdn", "{told:?}");
    assert_eq!(told[0].0["registry"]["repository"], "a/b");
}

#[tokio::test]
async fn a_registry_without_a_second_host_has_none() {
    let registry = start(json!({})).await;
    let path = format!("/registry-v2/docker/registry/v2/blobs/sha256/00/{}/data", "0".repeat(64));
    line("A10", format!("GET {path}")).is(&registry, 404, &["UNSUPPORTED"]).await;
}
