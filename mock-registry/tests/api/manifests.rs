//! `/v2/<name>/manifests/<reference>`: push, pull, negotiation, deletion.

use oci::{Algorithm, Descriptor, Digest, ImageIndex, ImageManifest, MAX_MANIFEST_BYTES, MediaType, Platform};
use serde_json::json;

use crate::{
    common::{IMAGE, MANIFEST, ask, start},
    table::{DOCKER, DOCKER_LIST, OCI, OCI_INDEX, bytes_of, image, line, push_manifest},
};

#[tokio::test]
async fn a_manifest_is_kept_and_served_as_it_is() {
    let registry = start(json!({})).await;
    // Blanks belong to the bytes, and so to the digest.
    let bytes = serde_json::to_vec_pretty(&image(&registry, "a/b", b"layer").await).unwrap();
    let digest = Digest::of(&bytes);
    let put = |reference: &str| {
        line("end-7a", format!("PUT /v2/a/b/manifests/{reference}")).header("content-type", OCI).body(&*bytes)
    };
    let stated = format!("docker-content-digest: {digest}\n");
    let here = format!("location: /v2/a/b/manifests/{digest}\n");
    put("1.0").is(&registry, 201, &[&stated, &here, "no oci-subject"]).await;
    put(digest.as_str()).is(&registry, 201, &[&stated, &here, "no oci-tag"]).await;
    for reference in ["1.0", digest.as_str()] {
        let length = format!("content-length: {}\n", bytes.len());
        let etag = format!("etag: \"{digest}\"\n");
        let texts = [&*stated, &length, &etag, &format!("content-type: {OCI}\n")];
        let path = format!("/v2/a/b/manifests/{reference}");
        let got = line("end-3", format!("GET {path}")).header("accept", OCI).is(&registry, 200, &texts).await;
        assert_eq!(got.body, bytes);
        let head = line("end-3", format!("HEAD {path}")).is(&registry, 200, &texts).await;
        assert_eq!(head.body, b"");
        let unchanged = line("D3 304", format!("GET {path}"))
            .header("if-none-match", &format!("\"{digest}\""))
            .is(&registry, 304, &[&etag])
            .await;
        assert_eq!(unchanged.body, b"");
    }
    line("end-3", "GET /v2/a/b/manifests/2.0").is(&registry, 404, &["MANIFEST_UNKNOWN", "unknown tag=2.0"]).await;
    let absent = Digest::of(b"absent");
    line("end-3", format!("GET /v2/a/b/manifests/{absent}"))
        .is(&registry, 404, &["MANIFEST_UNKNOWN", "unknown manifest revision="])
        .await;
    line("end-3", "GET /v2/no/such/manifests/1").is(&registry, 404, &["NAME_UNKNOWN"]).await;
    line("end-3", "POST /v2/a/b/manifests/1").is(&registry, 405, &["allow: GET, HEAD, PUT, DELETE"]).await;
}

#[tokio::test]
async fn tags_are_pushed_beside_a_digest() {
    let registry = start(json!({})).await;
    let bytes = bytes_of(&image(&registry, "a/b", b"layer").await);
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let digest = Digest::of_with(algorithm, &bytes);
        let tags: Vec<_> = (0..60).map(|n| format!("{algorithm}-{n:02}")).collect();
        let query: Vec<_> = tags.iter().map(|tag| format!("tag={tag}")).collect();
        let call = format!("PUT /v2/a/b/manifests/{digest}?{}", query.join("&"));
        let pushed = line("end-7b", call).header("content-type", OCI).body(&*bytes).is(&registry, 201, &[]).await;
        assert_eq!(pushed.headers.get_all("oci-tag").iter().collect::<Vec<_>>(), tags.iter().collect::<Vec<_>>());
        let stated = format!("docker-content-digest: {digest}\n");
        line("end-7b", format!("GET /v2/a/b/manifests/{}", tags[7])).is(&registry, 200, &[&stated]).await;
    }
    let digest = Digest::of(&bytes);
    let bad = line("end-7b", format!("PUT /v2/a/b/manifests/{digest}?tag=fine&tag=-bad")).body(&*bytes);
    bad.is(&registry, 400, &["TAG_INVALID"]).await;
    line("end-7b", "GET /v2/a/b/manifests/fine").is(&registry, 404, &["MANIFEST_UNKNOWN"]).await;
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let registry = start(json!({})).await;
    let bytes = bytes_of(&image(&registry, "a/b", b"layer").await);
    let put = |reference: &str, content_type: &'static str, body: &[u8]| {
        line("end-7a", format!("PUT /v2/a/b/manifests/{reference}")).header("content-type", content_type).body(body)
    };
    let other = Digest::of(b"x");
    put(other.as_str(), OCI, &bytes).is(&registry, 400, &["DIGEST_INVALID", "\"expected\"", "\"actual\""]).await;
    put("sha256:baddigeststring", OCI, &bytes).is(&registry, 400, &["DIGEST_INVALID"]).await;
    put("-bad", OCI, &bytes).is(&registry, 400, &["TAG_INVALID"]).await;
    put("1", OCI, b"no JSON").is(&registry, 400, &["MANIFEST_INVALID"]).await;
    put("1", OCI, b"{}").is(&registry, 400, &["MANIFEST_INVALID", "schemaVersion"]).await;
    put("1", OCI_INDEX, &bytes).is(&registry, 400, &["MANIFEST_INVALID", "its Content-Type is"]).await;
    put("1", "application/vnd.docker.distribution.manifest.v1+prettyjws", b"{\"schemaVersion\":1}")
        .is(&registry, 400, &["MANIFEST_INVALID"])
        .await;
    put("1", "application/json", &bytes).is(&registry, 201, &[]).await;
    put("1", "application/vnd.oci.image.manifest.v1+json; charset=utf-8", &bytes).is(&registry, 201, &[]).await;
}

#[tokio::test]
async fn four_mebibytes_are_a_manifest_and_a_byte_more_is_too_much() {
    let registry = start(json!({})).await;
    let mut bytes = bytes_of(&image(&registry, "a/b", b"layer").await);
    bytes.resize(MAX_MANIFEST_BYTES, b' ');
    push_manifest(&registry, "a/b/manifests/large", OCI, &bytes).await;
    let got = line("D2 4 MB", "GET /v2/a/b/manifests/large").is(&registry, 200, &["content-length: 4194304\n"]).await;
    assert!(got.body == bytes);
    bytes.push(b' ');
    let put = line("D2 413", "PUT /v2/a/b/manifests/larger").header("content-type", OCI).body(bytes);
    put.is(&registry, 413, &["MANIFEST_INVALID", "{\"max\":4194304}"]).await;
}

#[tokio::test]
async fn oci_types_are_for_those_who_take_them() {
    let registry = start(json!({ "images": [
        { "name": "a/single:1" },
        { "name": "a/multi:1", "layers": ["1KiB"], "platforms": ["linux/arm64", "linux/amd64"] },
    ] }))
    .await;
    let (single, multi) = ("GET /v2/a/single/manifests/1", "GET /v2/a/multi/manifests/1");
    for accept in [OCI, "*/*", "application/*", "text/plain, application/vnd.oci.image.manifest.v1+json;q=0.5"] {
        line("D3 Accept", single).header("accept", accept).is(&registry, 200, &[OCI]).await;
    }
    line("D3 Accept", single).is(&registry, 200, &[OCI]).await;
    let manifests = "OCI manifest found, but accept header does not support OCI manifests";
    line("D3 Accept", single).header("accept", DOCKER).is(&registry, 404, &["MANIFEST_UNKNOWN", manifests]).await;
    let both = line("D3 Accept", multi).header("accept", OCI_INDEX).header("accept", OCI);
    let index = both.is(&registry, 200, &["content-type: application/vnd.oci.image.index.v1+json\n"]).await;
    let indexes = "OCI index found, but accept header does not support OCI indexes";
    line("D3 Accept", multi).header("accept", OCI).is(&registry, 404, &["MANIFEST_UNKNOWN", indexes]).await;
    let by_digest = format!("GET /v2/a/multi/manifests/{}", index.header("docker-content-digest"));
    line("D3 Accept", &by_digest).header("accept", OCI).is(&registry, 404, &[indexes]).await;
}

#[tokio::test]
async fn a_manifest_list_is_its_image_to_older_clients() {
    let registry = start(json!({})).await;
    let schema2 = |image: ImageManifest| ImageManifest { media_type: Some(MediaType::DOCKER_MANIFEST), ..image };
    let amd64 = bytes_of(&schema2(image(&registry, "a/b", b"amd64").await));
    let arm64 = bytes_of(&schema2(image(&registry, "a/b", b"arm64").await));
    let child = |bytes: &[u8], platform| Descriptor::of(MediaType::DOCKER_MANIFEST, bytes).with_platform(platform);
    let mut children = vec![child(&arm64, Platform::linux_arm64()), child(&amd64, Platform::linux_amd64())];
    for bytes in [&amd64, &arm64] {
        push_manifest(&registry, &format!("a/b/manifests/{}", Digest::of(bytes)), DOCKER, bytes).await;
    }
    let list = bytes_of(&ImageIndex::new(MediaType::DOCKER_MANIFEST_LIST, children.clone()));
    push_manifest(&registry, "a/b/manifests/1", DOCKER_LIST, &list).await;
    let get = |accept: &'static str| line("D3 list", "GET /v2/a/b/manifests/1").header("accept", accept);
    get(DOCKER_LIST).is(&registry, 200, &[&format!("content-type: {DOCKER_LIST}\n")]).await;
    let collapsed = get(DOCKER).is(&registry, 200, &[&format!("content-type: {DOCKER}\n")]).await;
    assert_eq!(collapsed.header("docker-content-digest"), Digest::of(&amd64).as_str());
    assert_eq!(collapsed.body, amd64);
    get(OCI).is(&registry, 400, &["MANIFEST_INVALID", "Schema 2 manifest not supported by client"]).await;
    // What is asked for by its digest is that or nothing.
    let by_digest = line("D3 list", format!("GET /v2/a/b/manifests/{}", Digest::of(&list))).header("accept", DOCKER);
    by_digest.is(&registry, 200, &[DOCKER_LIST]).await;
    line("D3 schema 2", format!("GET /v2/a/b/manifests/{}", Digest::of(&amd64)))
        .header("accept", OCI)
        .is(&registry, 200, &[DOCKER])
        .await;
    children.pop();
    let list = bytes_of(&ImageIndex::new(MediaType::DOCKER_MANIFEST_LIST, children));
    push_manifest(&registry, "a/b/manifests/1", DOCKER_LIST, &list).await;
    get(DOCKER).is(&registry, 404, &["MANIFEST_UNKNOWN"]).await;
}

#[tokio::test]
async fn tags_and_manifests_are_deleted() {
    let registry = start(json!({})).await;
    let bytes = bytes_of(&image(&registry, "a/b", b"layer").await);
    let digest = Digest::of(&bytes);
    for tag in ["1", "2"] {
        push_manifest(&registry, &format!("a/b/manifests/{tag}"), OCI, &bytes).await;
    }
    line("end-9", "DELETE /v2/a/b/manifests/1").is(&registry, 202, &[]).await;
    line("end-9", "DELETE /v2/a/b/manifests/1").is(&registry, 404, &["MANIFEST_UNKNOWN"]).await;
    line("end-3", format!("GET /v2/a/b/manifests/{digest}")).is(&registry, 200, &[]).await;
    line("end-9", format!("DELETE /v2/a/b/manifests/{digest}")).is(&registry, 202, &[]).await;
    line("end-9", format!("DELETE /v2/a/b/manifests/{digest}")).is(&registry, 404, &["MANIFEST_UNKNOWN"]).await;
    line("end-9", "GET /v2/a/b/manifests/2").is(&registry, 404, &["MANIFEST_UNKNOWN"]).await;
    line("end-9", "DELETE /v2/a/b/manifests/sha256:zz").is(&registry, 400, &["DIGEST_INVALID"]).await;
    line("end-9", "DELETE /v2/no/such/manifests/1").is(&registry, 404, &["NAME_UNKNOWN"]).await;
}

/// The digests of an image are those of the same image in any registry of the same seed.
#[tokio::test]
async fn what_is_deleted_before_anybody_asked_for_it_is_gone() {
    let config = || json!({ "images": [{ "name": IMAGE, "layers": ["2KiB"] }] });
    let manifest = ask(&start(config()).await, &format!("GET {MANIFEST}"), &[]).await;
    let digest = Digest::of(&manifest.body);
    let layer = serde_json::from_slice::<ImageManifest>(&manifest.body).unwrap().layers[0].digest.clone();
    let registry = start(config()).await;
    let name = "/v2/harness/ci-addon";
    line("end-10", format!("DELETE {name}/blobs/{layer}")).is(&registry, 202, &[]).await;
    line("end-10", format!("GET {name}/blobs/{layer}")).is(&registry, 404, &["BLOB_UNKNOWN"]).await;
    line("end-9", format!("DELETE {name}/manifests/{digest}")).is(&registry, 202, &[]).await;
    line("end-9", format!("GET {MANIFEST}")).is(&registry, 404, &["MANIFEST_UNKNOWN"]).await;
    line("end-9", format!("GET {name}/manifests/{digest}")).is(&registry, 404, &["MANIFEST_UNKNOWN"]).await;
    // Without its tag a manifest stays what it is.
    let registry = start(config()).await;
    line("end-9", format!("DELETE {MANIFEST}")).is(&registry, 202, &[]).await;
    line("end-9", format!("GET {MANIFEST}")).is(&registry, 404, &["MANIFEST_UNKNOWN"]).await;
    line("end-9", format!("GET {name}/manifests/{digest}")).is(&registry, 200, &[]).await;
}
