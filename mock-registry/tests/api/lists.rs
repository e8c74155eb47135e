//! Tags, the catalog, and the version check.

use serde_json::json;

use crate::{
    common::start,
    table::{OCI, bytes_of, image, line, push_manifest},
};

#[tokio::test]
async fn the_version_check_is_answered() {
    let registry = start(json!({})).await;
    let texts = &["docker-distribution-api-version: registry/2.0\n", "content-type: application/json\n", "{}"];
    line("end-1", "GET /v2/").is(&registry, 200, texts).await;
    line("end-1", "GET /v2").is(&registry, 200, texts).await;
    line("end-1", "HEAD /v2/").is(&registry, 200, &[]).await;
    line("end-1", "DELETE /v2/").is(&registry, 405, &["allow: GET, HEAD\n", "UNSUPPORTED"]).await;
    line("D3 every answer", "GET /v2/a/tags/list").is(&registry, 404, &["docker-distribution-api-version"]).await;
}

#[tokio::test]
async fn tags_come_sorted_and_in_pages() {
    let registry = start(json!({})).await;
    let manifest = bytes_of(&image(&registry, "b/x", b"layer").await);
    for tag in ["v2", "V1", "10", "9", "_x"] {
        push_manifest(&registry, &format!("b/x/manifests/{tag}"), OCI, &manifest).await;
    }
    let all = r#"{"name":"b/x","tags":["10","9","V1","_x","v2"]}"#;
    line("end-8a", "GET /v2/b/x/tags/list").is(&registry, 200, &[all, "no link", "application/json"]).await;
    let check = async |query: &str, tags: &str, link: &str| {
        let call = format!("GET /v2/b/x/tags/list?{query}");
        line("end-8b", call).is(&registry, 200, &[&format!("\"tags\":{tags}}}"), link]).await;
    };
    check("n=2", r#"["10","9"]"#, "link: </v2/b/x/tags/list?last=9&n=2>; rel=\"next\"\n").await;
    check("n=2&last=9", r#"["V1","_x"]"#, "last=_x&n=2").await;
    check("n=2&last=_x", r#"["v2"]"#, "no link").await;
    check("last=V1", r#"["_x","v2"]"#, "no link").await;
    check("last=A-gone", r#"["V1","_x","v2"]"#, "no link").await;
    check("last=zzz", "[]", "no link").await;
    check("n=0", "[]", "no link").await;
    check("n=5", r#"["10","9","V1","_x","v2"]"#, "no link").await;
    check("n=999999999999999999999", r#"["10","9","V1","_x","v2"]"#, "no link").await;
    for n in ["x", "-1", "", "1.5"] {
        let texts = &["PAGINATION_NUMBER_INVALID", &*format!("{{\"n\":\"{n}\"}}")];
        line("D3 n invalid", format!("GET /v2/b/x/tags/list?n={n}")).is(&registry, 400, texts).await;
    }
    line("end-8a", "GET /v2/no/such/tags/list").is(&registry, 404, &["NAME_UNKNOWN"]).await;
    line("end-9", "DELETE /v2/b/x/manifests/9").is(&registry, 202, &[]).await;
    check("", r#"["10","V1","_x","v2"]"#, "no link").await;
    for tag in ["10", "V1", "_x", "v2"] {
        line("end-9", format!("DELETE /v2/b/x/manifests/{tag}")).is(&registry, 202, &[]).await;
    }
    check("", "[]", "no link").await;
}

#[tokio::test]
async fn repositories_come_in_pages() {
    let registry = start(json!({ "images": [{ "name": "b/x" }, { "name": "a/y" }, { "name": "c" }] })).await;
    let check = async |query: &str, names: &str, link: &str| {
        let call = format!("GET /v2/_catalog{query}");
        line("_catalog", call).is(&registry, 200, &[&format!("{{\"repositories\":{names}}}"), link]).await;
    };
    check("", r#"["a/y","b/x","c"]"#, "no link").await;
    check("?n=1", r#"["a/y"]"#, "link: </v2/_catalog?last=a%2Fy&n=1>; rel=\"next\"\n").await;
    check("?last=a%2Fy&n=1", r#"["b/x"]"#, "last=b%2Fx").await;
    check("?last=b%2Fx&n=1", r#"["c"]"#, "no link").await;
    check("?n=0", "[]", "no link").await;
    line("_catalog", "GET /v2/_catalog?n=x").is(&registry, 400, &["PAGINATION_NUMBER_INVALID"]).await;
    line("_catalog", "POST /v2/_catalog").is(&registry, 405, &["allow: GET, HEAD"]).await;
}

#[tokio::test]
async fn a_registry_below_a_path_pages_under_its_own_names() {
    let registry =
        start(json!({ "path": "registry", "images": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] })).await;
    let check = async |call: &str, names: &str| {
        line("harness F", format!("GET {call}")).is(&registry, 200, &[&format!("{{\"repositories\":{names}}}")]).await
    };
    check("/v2/_catalog", r#"["registry/a","registry/b","registry/c"]"#).await;
    check("/v2/_catalog?last=registry/a", r#"["registry/b","registry/c"]"#).await;
    check("/v2/_catalog?last=a", r#"["registry/a","registry/b","registry/c"]"#).await;
    check("/v2/_catalog?last=z", "[]").await;
    let first = check("/registry/_catalog?n=2", r#"["a","b"]"#).await;
    assert_eq!(first.header("link"), "</registry/_catalog?last=b&n=2>; rel=\"next\"");
}
