//! What the specification leaves open, and `api` chooses.

use oci::{Algorithm, Descriptor, Digest, ImageIndex, ImageManifest, MediaType};
use serde_json::json;

use crate::{
    common::{IMAGE, start},
    table::{OCI, OCI_INDEX, bytes_of, image, line, push_manifest},
};

#[tokio::test]
async fn manifests_are_sparse_or_they_are_not() {
    let absent = Descriptor::of(MediaType::OCI_LAYER_TAR, b"absent");
    let elsewhere = Descriptor { urls: vec![String::from("https://store.example/layer")], ..absent.clone() };
    for sparse in [true, false] {
        let registry = start(json!({ "api": { "sparse": sparse } })).await;
        let whole = image(&registry, "a/b", b"layer").await;
        let put = |tag: &str, media_type: &'static str, bytes: Vec<u8>| {
            line("D2 sparse", format!("PUT /v2/a/b/manifests/{tag}")).header("content-type", media_type).body(bytes)
        };
        let (status, code) = if sparse { (201, "") } else { (400, "MANIFEST_BLOB_UNKNOWN") };
        let layers = vec![absent.clone(), whole.layers[0].clone()];
        let lacking = bytes_of(&ImageManifest { layers, ..whole.clone() });
        put("lacking", OCI, lacking)
            .is(&registry, status, &[code, if sparse { "" } else { absent.digest.as_str() }])
            .await;
        let child = Descriptor::of(MediaType::OCI_MANIFEST, b"absent");
        let index = bytes_of(&ImageIndex::new(MediaType::OCI_INDEX, vec![child]));
        put("index", OCI_INDEX, index).is(&registry, status, &[code]).await;
        let never = line("D2 sparse", "PUT /v2/never/pushed/manifests/1").body(bytes_of(&whole));
        never.is(&registry, status, &[code]).await;

        // Layers of other hosts, and subjects, may be absent in any case.
        put("foreign", OCI, bytes_of(&ImageManifest { layers: vec![elsewhere.clone()], ..whole.clone() }))
            .is(&registry, 201, &[])
            .await;
        put("subject", OCI, bytes_of(&ImageManifest { subject: Some(absent.clone()), ..whole }))
            .is(&registry, 201, &["oci-subject"])
            .await;
        let names = if sparse { r#"["a/b","never/pushed"]"# } else { r#"["a/b"]"# };
        line("_catalog", "GET /v2/_catalog").is(&registry, 200, &[names]).await;
    }
}

#[tokio::test]
async fn deletion_is_allowed_in_part_or_not_at_all() {
    for (delete, tag, digest, blob) in [("all", 202, 202, 202), ("digests", 405, 202, 202), ("none", 405, 405, 405)] {
        let registry = start(json!({ "api": { "delete": delete } })).await;
        let whole = image(&registry, "a/b", b"layer").await;
        let bytes = bytes_of(&whole);
        push_manifest(&registry, "a/b/manifests/1", OCI, &bytes).await;
        let check = async |path: String, status: u16| {
            let texts: &[&str] = if status == 405 { &["UNSUPPORTED", "this registry does not delete"] } else { &[] };
            line("end-9, end-10 off", format!("DELETE /v2/a/b/{path}")).is(&registry, status, texts).await;
        };
        check(String::from("manifests/1"), tag).await;
        check(format!("manifests/{}", Digest::of(&bytes)), digest).await;
        check(format!("blobs/{}", whole.config.digest), blob).await;
    }
}

#[tokio::test]
async fn chunks_have_a_least_length_but_the_last() {
    let registry = start(json!({ "api": { "chunk-min": "4" } })).await;
    let opened = line("D2 OCI-Chunk-Min-Length", "POST /v2/a/b/blobs/uploads/?digest-algorithm=sha512");
    let opened = opened.is(&registry, 202, &["oci-chunk-min-length: 4\n"]).await;
    let at = opened.header("location");
    let patch = |bytes: &str| line("D2 chunk", format!("PATCH {at}")).body(bytes);
    patch("hello ").is(&registry, 202, &["range: 0-5\n"]).await;
    patch("wor").is(&registry, 202, &["range: 0-8\n"]).await;
    patch("ld").is(&registry, 400, &["SIZE_INVALID", "{\"size\":3,\"min\":4}"]).await;
    line("end-13", format!("GET {at}")).is(&registry, 204, &["range: 0-8\n"]).await;
    let digest = Digest::of_with(Algorithm::Sha512, b"hello wor");
    line("end-6", format!("PUT {at}?digest={digest}")).is(&registry, 201, &[]).await;
}

#[tokio::test]
async fn warnings_are_on_every_answer_of_the_api() {
    let registry =
        start(json!({ "auth": "bearer", "api": { "warnings": ["deprecated", "a \"quoted\" \\ one"] } })).await;
    let warned = line("D2 Warning", "GET /token").is(&registry, 200, &["no warning"]).await;
    let token = format!("Bearer {}", warned.json()["token"].as_str().unwrap());
    let ping = line("D2 Warning", "GET /v2/").header("authorization", &token);
    ping.is(&registry, 200, &["warning: 299 - \"deprecated\"\n", "warning: 299 - \"a \\\"quoted\\\" \\\\ one\"\n"])
        .await;
}

#[tokio::test]
async fn a_mirror_says_whose_it_is() {
    let registry = start(json!({ "images": [{ "name": IMAGE }], "api": { "mirror-of": ["docker.io"] } })).await;
    let get = |query: &str| line("D2 ns", format!("GET /v2/harness/ci-addon/manifests/1.16.92{query}"));
    get("?ns=docker.io").is(&registry, 200, &["oci-namespace: docker.io\n"]).await;
    get("").is(&registry, 200, &["no oci-namespace"]).await;
    get("?ns=quay.io").is(&registry, 404, &["NAME_UNKNOWN", "{\"ns\":\"quay.io\"}"]).await;
    let registry = start(json!({ "images": [{ "name": IMAGE }] })).await;
    let ignored = line("D2 ns", "GET /v2/harness/ci-addon/manifests/1.16.92?ns=quay.io");
    ignored.is(&registry, 200, &["no oci-namespace"]).await;
}

#[tokio::test]
async fn pages_have_a_largest_size() {
    let registry =
        start(json!({ "images": [{ "name": "a:1" }, { "name": "a:2" }, { "name": "b" }], "api": { "max-page": 1 } }))
            .await;
    for (call, link) in [
        ("GET /v2/a/tags/list", "link: </v2/a/tags/list?last=1&n=1>; rel=\"next\"\n"),
        ("GET /v2/a/tags/list?n=100", "link: </v2/a/tags/list?last=1&n=1>; rel=\"next\"\n"),
        ("GET /v2/_catalog", "link: </v2/_catalog?last=a&n=1>; rel=\"next\"\n"),
    ] {
        line("D3 clamped", call).is(&registry, 200, &[link]).await;
    }
}

#[tokio::test]
async fn a_registry_that_takes_no_pushes_says_so() {
    let closed = start(json!({ "push": false, "images": [{ "name": IMAGE }] })).await;
    for call in
        ["POST /v2/a/b/blobs/uploads/", "PUT /v2/a/b/manifests/1", "DELETE /v2/harness/ci-addon/manifests/1.16.92"]
    {
        line("read-only", call).is(&closed, 405, &["UNSUPPORTED", "this registry does not take pushes"]).await;
    }
    let named =
        start(json!({ "push": false, "auth": "basic", "accounts": [{ "name": "ci", "password": "secret" }] })).await;
    let call = "POST /v2/a/b/blobs/uploads/";
    line("read-only", call).is(&named, 401, &["UNAUTHORIZED"]).await;
    let shown = line("read-only", call).header("authorization", "Basic Y2k6c2VjcmV0");
    shown.is(&named, 403, &["DENIED", "{\"principal\":\"account:ci\"}"]).await;
}
