//! Pushing on the wire: uploads whole and in chunks, mounts, manifests and their checks. Source: distribution-spec.

mod common;

use common::{Answer, IMAGE, MANIFEST, ask, check, request, send, start};
use mock_registry::MockRegistry;
use oci::{Algorithm, Descriptor, Digest, ImageManifest, MediaType};
use serde_json::json;

const OCTETS: (&str, &str) = ("content-type", "application/octet-stream");

async fn open(registry: &MockRegistry, repository: &str) -> String {
    let opened = ask(registry, &format!("POST /v2/{repository}/blobs/uploads/"), &[]).await;
    assert_eq!(opened.status, 202);
    assert_eq!(opened.header("range"), "0-0");
    assert!(!opened.header("docker-upload-uuid").is_empty());
    opened.header("location").to_owned()
}

async fn push_blob(registry: &MockRegistry, repository: &str, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    let call = format!("POST /v2/{repository}/blobs/uploads/?digest={digest}");
    let answer = send(registry, &call, &[OCTETS], bytes.to_vec()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("location"), format!("/v2/{repository}/blobs/{digest}"));
    digest
}

#[tokio::test]
async fn a_blob_comes_in_chunks_that_must_be_in_order() {
    let registry = start(json!({})).await;
    let location = open(&registry, "a/b").await;
    let patch = format!("PATCH {location}");
    let chunk =
        async |range, bytes: &[u8]| send(&registry, &patch, &[OCTETS, ("content-range", range)], bytes.to_vec()).await;
    let first = chunk("0-4", b"hello").await;
    assert_eq!((first.status, first.header("range")), (202, "0-4"));
    let early = chunk("9-11", b"abc").await;
    assert_eq!((early.status, early.code().as_str()), (416, "RANGE_INVALID"));
    let status = ask(&registry, &format!("GET {location}"), &[]).await;
    assert_eq!((status.status, status.header("range")), (204, "0-4"));
    for range in ["5-9", "5-3", "x", "5-18446744073709551615"] {
        assert_eq!(chunk(range, b"abc").await.code(), "SIZE_INVALID", "{range}");
    }
    // Without a length of its own, the body is known to be wrong only when it was read; nothing of it stays.
    for range in ["5-9", "5-5"] {
        let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("a"), Ok("bc")]);
        let call = request(&registry, &patch, &[OCTETS, ("content-range", range)]);
        let answer = Answer::of(call.body(reqwest::Body::wrap_stream(pieces)).send().await.unwrap()).await;
        assert_eq!(answer.code(), "SIZE_INVALID", "{range}");
        assert_eq!(ask(&registry, &format!("GET {location}"), &[]).await.header("range"), "0-4");
    }
    assert_eq!(chunk("5-10", b" world").await.status, 202);
    let put = format!("PUT {location}?digest={}", Digest::of(b"hello world"));
    assert_eq!(send(&registry, &put, &[OCTETS], Vec::new()).await.status, 201);

    let location = open(&registry, "a/b").await;
    let patch = format!("PATCH {location}");
    assert_eq!(send(&registry, &patch, &[], b"hello ".to_vec()).await.status, 202);
    let digest = Digest::of_with(Algorithm::Sha512, b"hello world");
    let put = send(&registry, &format!("PUT {location}?digest={digest}"), &[OCTETS], b"world".to_vec()).await;
    assert_eq!(put.status, 201, "{}", put.text());
    let blob = ask(&registry, &format!("GET /v2/a/b/blobs/{digest}"), &[]).await;
    assert_eq!(blob.text(), "hello world");
    check(&registry, &[(&format!("GET {location}"), &[], 404, &["BLOB_UPLOAD_UNKNOWN"])]).await;
}

/// The second waits for the first, and must not find its emptied session.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_puts_on_one_upload_one_is_kept_and_is_what_it_says() {
    let registry = start(json!({})).await;
    for _ in 0..20 {
        let location = open(&registry, "a/b").await;
        let bodies = [vec![b'a'; 300_000], vec![b'b'; 300_000]];
        let digests = [0, 1].map(|n: usize| Digest::of(&bodies[n]));
        let put = async |n: usize| {
            let call = format!("PUT {location}?digest={}", digests[n]);
            send(&registry, &call, &[OCTETS], bodies[n].clone()).await
        };
        let answers = futures_util::future::join(put(0), put(1)).await;
        let mut statuses = [answers.0.status, answers.1.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 404], "{}{}", answers.0.text(), answers.1.text());
        for (digest, body) in digests.iter().zip(&bodies) {
            let blob = ask(&registry, &format!("GET /v2/a/b/blobs/{digest}"), &[]).await;
            assert!(blob.status == 404 || blob.body == *body);
        }
        for digest in &digests {
            ask(&registry, &format!("DELETE /v2/a/b/blobs/{digest}"), &[]).await;
        }
    }
}

#[tokio::test]
async fn a_wrong_digest_is_refused() {
    let registry = start(json!({})).await;
    let wrong = Digest::of(b"other");
    let whole = send(&registry, &format!("POST /v2/a/b/blobs/uploads/?digest={wrong}"), &[OCTETS], b"x".to_vec()).await;
    assert_eq!((whole.status, whole.code().as_str()), (400, "DIGEST_INVALID"));
    let location = open(&registry, "a/b").await;
    let put = send(&registry, &format!("PUT {location}?digest={wrong}"), &[OCTETS], b"x".to_vec()).await;
    assert_eq!((put.status, put.code().as_str()), (400, "DIGEST_INVALID"));
    let location = open(&registry, "a/b").await;
    check(
        &registry,
        &[
            (&format!("PUT {location}?digest=sha256:zz"), &[], 400, &["DIGEST_INVALID"]),
            (&format!("DELETE {location}"), &[], 204, &[]),
            (&format!("DELETE {location}"), &[], 404, &["BLOB_UPLOAD_UNKNOWN"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_blob_is_mounted_from_where_it_is() {
    let registry = start(json!({})).await;
    let digest = push_blob(&registry, "a/source", b"layer").await;
    let absent = Digest::of(b"absent");
    let blob = format!("GET /v2/a/target/blobs/{digest}");
    let mount = |digest: &Digest, from: &str| format!("POST /v2/a/target/blobs/uploads/?mount={digest}&from={from}");
    check(
        &registry,
        &[
            (&mount(&absent, "a/source"), &[], 202, &["docker-upload-uuid"]),
            ("POST /v2/a/target/blobs/uploads/?mount=sha256:zz&from=a/source", &[], 202, &["docker-upload-uuid"]),
            ("POST /v2/a/target/blobs/uploads/?mount=&from=", &[], 202, &["docker-upload-uuid"]),
            (&mount(&digest, "a/elsewhere"), &[], 202, &["location: /v2/a/target/blobs/uploads/"]),
            (&blob, &[], 404, &["NAME_UNKNOWN"]),
            (&mount(&digest, "a/source"), &[], 201, &["location: /v2/a/target/blobs/sha256"]),
            (&blob, &[], 200, &["layer"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_manifest_is_kept_as_it_is_and_checked() {
    let registry = start(json!({})).await;
    let config = Descriptor::new(MediaType::OCI_CONFIG, push_blob(&registry, "a/b", b"{}").await, 2);
    let layer = Descriptor::new(MediaType::OCI_LAYER_TAR, push_blob(&registry, "a/b", b"tar").await, 3);
    let manifest = ImageManifest::new(MediaType::OCI_MANIFEST, config.clone(), vec![layer]);
    // Blanks belong to the bytes, and so to the digest.
    let bytes = serde_json::to_vec_pretty(&manifest).unwrap();
    let digest = Digest::of(&bytes);
    let oci_type = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
    let put = async |reference: &str, bytes: &[u8]| {
        send(&registry, &format!("PUT /v2/a/b/manifests/{reference}"), &oci_type, bytes.to_vec()).await
    };
    let kept = put("1.0", &bytes).await;
    assert_eq!(kept.status, 201, "{}", kept.text());
    assert_eq!(kept.header("location"), format!("/v2/a/b/manifests/{digest}"));
    assert_eq!(kept.header("docker-content-digest"), digest.as_str());
    assert_eq!(ask(&registry, "GET /v2/a/b/manifests/1.0", &[]).await.body, bytes);

    let absent = Descriptor::of(MediaType::OCI_LAYER_TAR, b"absent");
    let sparse = serde_json::to_vec(&ImageManifest::new(MediaType::OCI_MANIFEST, config.clone(), vec![absent.clone()]));
    let refused = put("2.0", &sparse.unwrap()).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(refused.json()["errors"][0]["detail"], absent.digest.as_str());
    assert_eq!(put(Digest::of(b"x").as_str(), &bytes).await.code(), "DIGEST_INVALID");
    assert_eq!(put(digest.as_str(), &bytes).await.status, 201);
    assert_eq!(put("3.0", b"no JSON").await.code(), "MANIFEST_INVALID");
    assert_eq!(put("3.0", &vec![b' '; (4 << 20) + 1]).await.status, 413);
    assert_eq!(put("-bad", &bytes).await.code(), "TAG_INVALID");

    let tagged = put(&format!("{digest}?tag=a&tag=b"), &bytes).await;
    assert_eq!(tagged.headers.get_all("oci-tag").iter().collect::<Vec<_>>(), ["a", "b"]);
    let refused = send(&registry, "PUT /v2/never/pushed/manifests/1", &oci_type, bytes.clone()).await;
    assert_eq!(refused.code(), "MANIFEST_BLOB_UNKNOWN");
    check(
        &registry,
        &[
            ("GET /v2/a/b/tags/list", &[], 200, &["[\"1.0\",\"a\",\"b\"]"]),
            ("GET /v2/_catalog", &[], 200, &["{\"repositories\":[\"a/b\"]}"]),
        ],
    )
    .await;

    let subject = Descriptor::new(MediaType::OCI_MANIFEST, digest.clone(), bytes.len() as u64);
    let referring = ImageManifest { subject: Some(subject), ..manifest };
    let referring = put("signature", &serde_json::to_vec(&referring).unwrap()).await;
    assert_eq!(referring.header("oci-subject"), digest.as_str());
    let found = referring.header("docker-content-digest").to_owned();
    check(
        &registry,
        &[
            (
                &format!("GET /v2/a/b/referrers/{digest}"),
                &[],
                200,
                &[&found, "application/vnd.oci.image.index.v1+json"],
            ),
            (&format!("GET /v2/a/b/referrers/{found}"), &[], 200, &["\"manifests\":[]"]),
            (
                &format!("GET /v2/a/b/referrers/{digest}?artifactType=x/y"),
                &[],
                200,
                &["oci-filters-applied: artifactType", "\"manifests\":[]"],
            ),
            ("DELETE /v2/a/b/manifests/1.0", &[], 202, &[]),
            ("GET /v2/a/b/manifests/1.0", &[], 404, &["MANIFEST_UNKNOWN"]),
            (&format!("DELETE /v2/a/b/manifests/{digest}"), &[], 202, &[]),
            (&format!("DELETE /v2/a/b/manifests/{digest}"), &[], 404, &["MANIFEST_UNKNOWN"]),
            (&format!("DELETE /v2/a/b/blobs/{}", config.digest), &[], 202, &[]),
            (&format!("GET /v2/a/b/blobs/{}", config.digest), &[], 404, &["BLOB_UNKNOWN"]),
        ],
    )
    .await;
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
    check(
        &registry,
        &[
            (&format!("DELETE {name}/blobs/{layer}"), &[], 202, &[]),
            (&format!("GET {name}/blobs/{layer}"), &[], 404, &["BLOB_UNKNOWN"]),
            (&format!("DELETE {name}/manifests/{digest}"), &[], 202, &[]),
            (&format!("GET {MANIFEST}"), &[], 404, &["MANIFEST_UNKNOWN"]),
            (&format!("GET {name}/manifests/{digest}"), &[], 404, &["MANIFEST_UNKNOWN"]),
        ],
    )
    .await;
    // Without its tag a manifest stays what it is.
    let registry = start(config()).await;
    check(
        &registry,
        &[
            (&format!("DELETE {MANIFEST}"), &[], 202, &[]),
            (&format!("GET {MANIFEST}"), &[], 404, &["MANIFEST_UNKNOWN"]),
            (&format!("GET {name}/manifests/{digest}"), &[], 200, &[]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_registry_that_takes_no_pushes_says_so() {
    let closed = start(json!({ "push": false, "images": [{ "name": IMAGE }] })).await;
    check(
        &closed,
        &[
            ("POST /v2/a/b/blobs/uploads/", &[], 405, &["UNSUPPORTED"]),
            ("PUT /v2/a/b/manifests/1", &[], 405, &["UNSUPPORTED"]),
            ("DELETE /v2/harness/ci-addon/manifests/1.16.92", &[], 405, &["UNSUPPORTED"]),
        ],
    )
    .await;
    let named =
        start(json!({ "push": false, "auth": "basic", "accounts": [{ "name": "ci", "password": "secret" }] })).await;
    let call = "POST /v2/a/b/blobs/uploads/";
    check(
        &named,
        &[(call, &[], 401, &["UNAUTHORIZED"]), (call, &[("authorization", "Basic Y2k6c2VjcmV0")], 403, &["DENIED"])],
    )
    .await;
}
