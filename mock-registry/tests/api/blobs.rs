//! `/v2/<name>/blobs/<digest>`.

use oci::{Algorithm, Digest};
use serde_json::json;

use crate::{
    common::start,
    table::{line, push_blob, push_blob_with},
};

#[tokio::test]
async fn blobs_are_pulled_looked_up_and_deleted() {
    let registry = start(json!({})).await;
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        for bytes in [&b"layer"[..], b"{}", b""] {
            let digest = push_blob_with(&registry, "a/b", algorithm, bytes).await;
            let path = format!("/v2/a/b/blobs/{digest}");
            let (length, stated) =
                (format!("content-length: {}\n", bytes.len()), format!("docker-content-digest: {digest}\n"));
            let head = line("end-2", format!("HEAD {path}")).is(&registry, 200, &[&length, &stated]).await;
            assert_eq!(head.body, b"");
            let get = line("end-2", format!("GET {path}")).is(&registry, 200, &[&length, &stated]).await;
            assert_eq!(get.body, bytes);
            line("end-10", format!("DELETE {path}")).is(&registry, 202, &[]).await;
            line("end-10", format!("DELETE {path}")).is(&registry, 404, &["BLOB_UNKNOWN"]).await;
            line("end-2", format!("GET {path}")).is(&registry, 404, &["BLOB_UNKNOWN", digest.as_str()]).await;
            line("end-2", format!("HEAD {path}")).is(&registry, 404, &[]).await;
        }
    }
    let absent = Digest::of(b"absent");
    line("end-2", format!("GET /v2/no/such/blobs/{absent}"))
        .is(&registry, 404, &["NAME_UNKNOWN", "{\"name\":\"no/such\"}"])
        .await;
    line("end-10", format!("DELETE /v2/no/such/blobs/{absent}")).is(&registry, 404, &["NAME_UNKNOWN"]).await;
    line("end-2", format!("POST /v2/a/b/blobs/{absent}")).is(&registry, 405, &["allow: GET, HEAD, DELETE"]).await;
}

#[tokio::test]
async fn a_blob_belongs_to_its_repository() {
    let registry = start(json!({})).await;
    let digest = push_blob(&registry, "a/one", b"mine").await;
    push_blob(&registry, "a/two", b"other").await;
    line("end-2", format!("GET /v2/a/two/blobs/{digest}")).is(&registry, 404, &["BLOB_UNKNOWN"]).await;
}

#[tokio::test]
async fn parts_of_a_blob_are_served() {
    let registry = start(json!({})).await;
    let bytes: Vec<u8> = (0..2048_u32).map(|n| (n % 251) as u8).collect();
    let digest = push_blob(&registry, "a/b", &bytes).await;
    let get = format!("GET /v2/a/b/blobs/{digest}");
    let check = async |range: &str, first: usize, last: usize| {
        let place = format!("content-range: bytes {first}-{last}/2048\n");
        let length = format!("content-length: {}\n", last + 1 - first);
        let texts = [&*place, &*length, "content-type: application/octet-stream\n"];
        let part = line("D2 range", &get).header("range", range).is(&registry, 206, &texts).await;
        assert_eq!(part.body, bytes[first..=last], "{range}");
    };
    check("bytes=500-1499", 500, 1499).await;
    check("bytes=500-", 500, 2047).await;
    check("bytes=-500", 1548, 2047).await;
    check("bytes=-5000", 0, 2047).await;
    check("bytes=2000-5000", 2000, 2047).await;
    check("bytes=0-0", 0, 0).await;
    check("bytes=9000-9001,7-8", 7, 8).await;
    for range in ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0", "bytes=x-y", "bytes=", "bytes=1-2-3"] {
        let texts = &["content-range: bytes */2048\n", "RANGE_INVALID", "{\"size\":2048}"];
        line("D2 range 416", &get).header("range", range).is(&registry, 416, texts).await;
    }
    line("RFC 9110 unit", &get).header("range", "items=0-1").is(&registry, 200, &["content-length: 2048\n"]).await;
    let empty = push_blob(&registry, "a/b", b"").await;
    line("D3 nothing", format!("GET /v2/a/b/blobs/{empty}")).header("range", "bytes=0-").is(&registry, 200, &[]).await;
}

#[tokio::test]
async fn several_parts_come_in_one_answer() {
    let registry = start(json!({})).await;
    let digest = push_blob(&registry, "a/b", b"0123456789").await;
    let get = format!("GET /v2/a/b/blobs/{digest}");
    let parts = line("D3 multi-range", &get)
        .header("range", "bytes=0-1,-2")
        .is(&registry, 206, &["content-type: multipart/byteranges; boundary=", "no \ncontent-range"])
        .await;
    let boundary = parts.header("content-type").split_once("boundary=").unwrap().1.to_owned();
    assert_eq!(parts.header("content-length"), parts.body.len().to_string());
    let text = parts.text();
    let parts: Vec<_> = text.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "{text}");
    assert!(parts[1].contains("Content-Range: bytes 0-1/10\r\n") && parts[1].ends_with("\r\n\r\n01\r\n"), "{text}");
    assert!(parts[2].contains("Content-Range: bytes 8-9/10\r\n") && parts[2].ends_with("\r\n\r\n89\r\n"), "{text}");
    assert_eq!(parts[3], "--\r\n");
    let all = "bytes=0-9,0-9,0-9";
    line("D3 more than there is", &get).header("range", all).is(&registry, 200, &["0123456789"]).await;
}

#[tokio::test]
async fn a_client_that_has_it_is_told_so() {
    let registry = start(json!({})).await;
    let digest = push_blob(&registry, "a/b", b"0123456789").await;
    let (get, etag) = (format!("GET /v2/a/b/blobs/{digest}"), format!("\"{digest}\""));
    let texts = [&*format!("etag: {etag}\n"), "cache-control: max-age=31536000\n", "accept-ranges: bytes\n"];
    line("D3 ETag, Cache-Control", &get).is(&registry, 200, &texts).await;
    for condition in [&*etag, "*", &format!("\"other\", W/{etag}")] {
        let texts = &["etag: ", "no content-type", "no content-range"];
        let unchanged = line("D3 304", &get)
            .header("if-none-match", condition)
            .header("range", "bytes=0-1")
            .is(&registry, 304, texts);
        assert_eq!(unchanged.await.body, b"");
    }
    line("D3 If-None-Match", &get).header("if-none-match", "\"other\"").is(&registry, 200, &[]).await;
    let ranged = |condition| line("D3 If-Range", &get).header("range", "bytes=5-9").header("if-range", condition);
    ranged(&etag).is(&registry, 206, &["56789"]).await;
    ranged("\"other\"").is(&registry, 200, &["0123456789"]).await;
    ranged("Sat, 29 Oct 1994 19:43:31 GMT").is(&registry, 200, &[]).await;
}
