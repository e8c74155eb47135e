//! `/v2/<name>/blobs/uploads/`: pushing blobs whole and in chunks, mounts, cancelling.

use mock_registry::MockRegistry;
use oci::{Algorithm, Digest};
use serde_json::json;

use crate::{
    common::{Answer, ask, request, send, start},
    table::{line, push_blob},
};

const BYTES: &[u8] = b"hello world";

/// Opens an upload, and returns where it is.
async fn open(registry: &MockRegistry, query: &str) -> String {
    let texts = ["location: /v2/a/b/blobs/uploads/", "docker-upload-uuid: ", "range: 0-0\n", "content-length: 0\n"];
    let opened =
        line("end-4a, D3 uploads", format!("POST /v2/a/b/blobs/uploads/{query}")).is(registry, 202, &texts).await;
    opened.header("location").to_owned()
}

fn location(digest: &Digest) -> String {
    format!("location: /v2/a/b/blobs/{digest}\n")
}

#[tokio::test]
async fn a_blob_is_pushed_in_every_form() {
    let registry = start(json!({})).await;
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let digest = Digest::of_with(algorithm, BYTES);
        let (here, stated) = (location(&digest), format!("docker-content-digest: {digest}\n"));
        let done = [&*here, &*stated];
        line("end-4b", format!("POST /v2/a/b/blobs/uploads/?digest={digest}"))
            .body(BYTES)
            .is(&registry, 201, &done)
            .await;

        let at = open(&registry, "").await;
        line("end-6", format!("PUT {at}?digest={digest}")).body(BYTES).is(&registry, 201, &done).await;
        line("end-6 once", format!("PUT {at}?digest={digest}"))
            .body(BYTES)
            .is(&registry, 404, &["BLOB_UPLOAD_UNKNOWN"])
            .await;

        let at = open(&registry, &format!("?digest-algorithm={algorithm}")).await;
        let chunk = |range: &'static str, bytes: &[u8]| {
            line("end-5", format!("PATCH {at}")).header("content-range", range).body(bytes)
        };
        let uploads = format!("location: {at}\n");
        chunk("0-4", &BYTES[..5]).is(&registry, 202, &[&uploads, "range: 0-4\n", "docker-upload-uuid"]).await;
        chunk("5-5", &BYTES[5..6]).is(&registry, 202, &["range: 0-5\n"]).await;
        chunk("9-10", &BYTES[9..]).is(&registry, 416, &["RANGE_INVALID", "{\"start\":9,\"expected\":6}"]).await;
        chunk("0-4", &BYTES[..5]).is(&registry, 416, &["RANGE_INVALID"]).await;
        let put = || line("end-6 chunk", format!("PUT {at}?digest={digest}"));
        put().header("content-range", "9-10").body(&BYTES[9..]).is(&registry, 416, &["RANGE_INVALID"]).await;
        line("end-13", format!("GET {at}")).is(&registry, 204, &[&uploads, "range: 0-5\n", "no content-length"]).await;
        put().header("content-range", "6-10").body(&BYTES[6..]).is(&registry, 201, &done).await;
        line("end-13", format!("GET {at}")).is(&registry, 404, &["BLOB_UPLOAD_UNKNOWN"]).await;

        // Streamed: no range, and a length that nobody knows.
        let at = open(&registry, "").await;
        let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("hello"), Ok(" world")]);
        let streamed = request(&registry, &format!("PATCH {at}"), &[]).body(reqwest::Body::wrap_stream(pieces));
        let streamed = Answer::of(streamed.send().await.unwrap()).await;
        assert_eq!((streamed.status, streamed.header("range")), (202, "0-10"));
        line("end-6", format!("PUT {at}?digest={digest}")).is(&registry, 201, &done).await;
        let kept = line("end-2", format!("GET /v2/a/b/blobs/{digest}")).is(&registry, 200, &[]).await;
        assert_eq!(kept.body, BYTES);
        line("end-10", format!("DELETE /v2/a/b/blobs/{digest}")).is(&registry, 202, &[]).await;
    }
}

#[tokio::test]
async fn a_wrong_digest_is_refused_in_every_form() {
    let registry = start(json!({})).await;
    let (wrong, right) = (Digest::of(b"other"), Digest::of(BYTES));
    let told = [&*format!("{{\"expected\":\"{wrong}\",\"actual\":\"{right}\"}}"), "DIGEST_INVALID"];
    line("end-4b", format!("POST /v2/a/b/blobs/uploads/?digest={wrong}")).body(BYTES).is(&registry, 400, &told).await;
    let at = open(&registry, "").await;
    line("end-6", format!("PUT {at}?digest={wrong}")).body(BYTES).is(&registry, 400, &told).await;
    line("end-13", format!("GET {at}")).is(&registry, 404, &["BLOB_UPLOAD_UNKNOWN"]).await;
    let at = open(&registry, "").await;
    for query in ["", "?digest=", "?digest=sha256:zz", "?digest=md5:00", "?digest=sha256"] {
        line("end-6", format!("PUT {at}{query}")).body(BYTES).is(&registry, 400, &["DIGEST_INVALID"]).await;
    }
    line("end-6 retried", format!("PUT {at}?digest={right}"))
        .body(BYTES)
        .is(&registry, 201, &[&location(&right)])
        .await;
    line("end-4b", "POST /v2/a/b/blobs/uploads/?digest=sha256:zz").is(&registry, 400, &["DIGEST_INVALID"]).await;
    line("end-4c", "POST /v2/a/b/blobs/uploads/?digest-algorithm=md5")
        .is(&registry, 400, &["DIGEST_INVALID", "`md5` is not supported"])
        .await;
}

#[tokio::test]
async fn an_upload_is_cancelled_and_belongs_to_its_repository() {
    let registry = start(json!({})).await;
    let at = open(&registry, "").await;
    let elsewhere = at.replace("/a/b/", "/a/c/");
    line("end-13", format!("GET {elsewhere}")).is(&registry, 404, &["BLOB_UPLOAD_UNKNOWN"]).await;
    line("end-14", format!("DELETE {elsewhere}")).is(&registry, 404, &["BLOB_UPLOAD_UNKNOWN"]).await;
    line("end-14", format!("DELETE {at}")).is(&registry, 204, &["docker-upload-uuid"]).await;
    line("end-14", format!("DELETE {at}")).is(&registry, 404, &["BLOB_UPLOAD_UNKNOWN"]).await;
    line("end-5", format!("PATCH {at}")).body(BYTES).is(&registry, 404, &["BLOB_UPLOAD_UNKNOWN"]).await;
    line("end-5", format!("POST {at}")).is(&registry, 405, &["allow: GET, PATCH, PUT, DELETE"]).await;
    line("end-4a", "GET /v2/a/b/blobs/uploads/").is(&registry, 405, &["allow: POST\n"]).await;
    // An upload makes no repository before it has a blob.
    line("end-8a", "GET /v2/_catalog").is(&registry, 200, &["{\"repositories\":[]}"]).await;
}

#[tokio::test]
async fn a_chunk_that_is_not_what_it_says_leaves_nothing_behind() {
    let registry = start(json!({})).await;
    let at = open(&registry, "").await;
    let patch = format!("PATCH {at}");
    line("end-5", &patch).header("content-range", "0-4").body("hello").is(&registry, 202, &[]).await;
    for range in ["5-9", "5-3", "x", "+5-7", "bytes 5-7", "5-", "5-18446744073709551615", "5-99999999999999999999"] {
        line("D2 Content-Range", &patch)
            .header("content-range", range)
            .body("abc")
            .is(&registry, 400, &["SIZE_INVALID"])
            .await;
    }
    // Without a length of its own, the body is known to be wrong only when it was read.
    for range in ["5-9", "5-5"] {
        let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("a"), Ok("bc")]);
        let call = request(&registry, &patch, &[("content-range", range)]);
        let answer = Answer::of(call.body(reqwest::Body::wrap_stream(pieces)).send().await.unwrap()).await;
        assert_eq!(answer.code(), "SIZE_INVALID", "{range}");
    }
    line("end-13", format!("GET {at}")).is(&registry, 204, &["range: 0-4\n"]).await;
    let digest = Digest::of(b"hello");
    line("end-6", format!("PUT {at}?digest={digest}")).is(&registry, 201, &[&location(&digest)]).await;
}

#[tokio::test]
async fn a_blob_is_mounted_from_where_it_is() {
    let registry = start(json!({})).await;
    let digest = push_blob(&registry, "a/source", b"layer").await;
    let absent = Digest::of(b"absent");
    let mount = |to: &str, query: String| format!("POST /v2/{to}/blobs/uploads/?{query}");
    let session = ["location: /v2/a/b/blobs/uploads/", "docker-upload-uuid"];
    let failed = async |query: String| line("end-11 fails", mount("a/b", query)).is(&registry, 202, &session).await;
    failed(format!("mount={absent}&from=a/source")).await;
    failed(format!("mount={digest}&from=a/elsewhere")).await;
    failed(format!("mount={digest}&from=NOT/A/NAME")).await;
    failed(format!("mount={absent}")).await;
    failed(String::from("mount=sha256:zz&from=a/source")).await;
    failed(String::from("mount=&from=")).await;
    let blob = format!("GET /v2/a/b/blobs/{digest}");
    line("end-2", &blob).is(&registry, 404, &["NAME_UNKNOWN"]).await;
    let here = [&*location(&digest), &format!("docker-content-digest: {digest}\n")];
    line("end-11", mount("a/b", format!("mount={digest}&from=a/source"))).is(&registry, 201, &here).await;
    line("end-2", &blob).is(&registry, 200, &["layer"]).await;
    let anonymous = mount("a/third", format!("mount={digest}"));
    line("end-11 anonymous", anonymous).is(&registry, 201, &["location: /v2/a/third/blobs/"]).await;
    line("end-10", format!("DELETE /v2/a/source/blobs/{digest}")).is(&registry, 202, &[]).await;
    line("end-2", &blob).is(&registry, 200, &["layer"]).await;
}

/// The second waits for the first, and must not find its emptied session.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_puts_on_one_upload_one_is_kept_and_is_what_it_says() {
    let registry = start(json!({})).await;
    for _ in 0..20 {
        let at = open(&registry, "").await;
        let bodies = [vec![b'a'; 300_000], vec![b'b'; 300_000]];
        let digests = [0, 1].map(|n: usize| Digest::of(&bodies[n]));
        let put = async |n: usize| {
            let call = format!("PUT {at}?digest={}", digests[n]);
            send(&registry, &call, &[], bodies[n].clone()).await
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
