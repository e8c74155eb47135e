//! Downloads that break off in the middle, served by a bare socket: `cdn.test`, to which the registry redirects layer 1.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use puller::LocalImage;
use testbed::{
    Seed,
    task::{FailureKind, PullFailure, PulledImage},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{Seen, World, blob_path, image, status};

/// What is sent of the layer's 6,656 bytes before the first connection ends.
const CUT_AT: usize = 4000;

/// How the socket answers a `Range`.
#[derive(Clone, Copy)]
enum Resume {
    Exactly,
    /// 200 and everything.
    Ignored,
    /// 206, and a `Content-Range` that starts elsewhere; the truth once asked without `Range`.
    Lying,
    /// 416.
    Refused,
    /// Every answer breaks off after one byte.
    CutAgain,
    /// Every answer breaks off after `STEP` bytes.
    Slowly,
}

/// More than what counts as progress.
const STEP: usize = 70_000;

/// Pulls an image whose layer 1 breaks off once. Returns the `Range` headers that the layer was asked with, too.
async fn pull(resume: Resume) -> (World, Result<PulledImage, PullFailure>, Vec<String>) {
    pull_image(image(), resume).await
}

async fn pull_image(image: LocalImage, resume: Resume) -> (World, Result<PulledImage, PullFailure>, Vec<String>) {
    let path = blob_path(&image, 1);
    let bytes = image.blobs[1].bytes.clone();
    let world = World::new(image, move |request, _| {
        (request.url.path() == path).then(|| status(307).insert_header("location", "http://cdn.test/layer"))
    })
    .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.names.add("cdn.test", listener.local_addr().unwrap());
    let ranges: Seen<String> = Arc::new(Mutex::default());
    let serving = tokio::spawn({
        let ranges = Arc::clone(&ranges);
        async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, &bytes, resume, &ranges).await;
            }
        }
    });
    let outcome = world.pull().await;
    serving.abort();
    let ranges = ranges.lock().unwrap().clone();
    (world, outcome, ranges)
}

async fn serve(mut stream: TcpStream, bytes: &Bytes, resume: Resume, ranges: &Seen<String>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let request = String::from_utf8(request).unwrap().to_ascii_lowercase();
    let range = request.lines().find_map(|line| line.strip_prefix("range: bytes=")).unwrap_or_default();
    let is_first = ranges.lock().unwrap().is_empty();
    ranges.lock().unwrap().push(String::from(range));
    let first: usize = range.trim_end_matches('-').parse().unwrap_or(0);
    let (whole, last) = (bytes.len(), bytes.len() - 1);
    let length = whole - first;
    let all = (format!("200 OK\r\ncontent-length: {whole}"), &bytes[..]);
    let (head, body) = match resume {
        _ if is_first => (all.0, &bytes[..CUT_AT]),
        Resume::CutAgain => (
            format!("206 Partial Content\r\ncontent-range: bytes {first}-{last}/{whole}\r\ncontent-length: {length}"),
            &bytes[first..=first],
        ),
        Resume::Slowly => (
            format!("206 Partial Content\r\ncontent-range: bytes {first}-{last}/{whole}\r\ncontent-length: {length}"),
            &bytes[first..whole.min(first + STEP)],
        ),
        _ if range.is_empty() => all,
        Resume::Ignored => all,
        Resume::Exactly => (
            format!("206 Partial Content\r\ncontent-range: bytes {first}-{last}/{whole}\r\ncontent-length: {length}"),
            &bytes[first..],
        ),
        Resume::Lying => (
            format!("206 Partial Content\r\ncontent-range: bytes 0-{last}/{whole}\r\ncontent-length: {length}"),
            &bytes[first..],
        ),
        Resume::Refused => {
            (format!("416 Range Not Satisfiable\r\ncontent-range: bytes */{whole}\r\ncontent-length: 0"), &bytes[..0])
        }
    };
    stream.write_all(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
}

fn size_bytes(world: &World) -> u64 {
    world.image.blobs.iter().map(|blob| blob.bytes.len() as u64).sum()
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off() {
    let (world, outcome, ranges) = pull(Resume::Exactly).await;
    let pulled = outcome.unwrap();
    assert_eq!(ranges, ["", "4000-"]);
    assert_eq!((pulled.n_resumed, pulled.n_retries), (1, 1));
    assert_eq!(pulled.received_bytes, size_bytes(&world));
}

#[tokio::test]
async fn a_range_that_is_ignored_costs_the_prefix_twice() {
    let (world, outcome, ranges) = pull(Resume::Ignored).await;
    let pulled = outcome.unwrap();
    assert_eq!(ranges, ["", "4000-"]);
    assert_eq!(pulled.n_resumed, 0);
    assert_eq!(pulled.received_bytes, size_bytes(&world) + CUT_AT as u64);
}

#[tokio::test]
async fn after_a_lying_content_range_it_starts_from_zero() {
    let (_, outcome, ranges) = pull(Resume::Lying).await;
    let pulled = outcome.unwrap();
    assert_eq!(ranges, ["", "4000-", ""]);
    assert_eq!((pulled.n_resumed, pulled.n_retries), (0, 2));
}

#[tokio::test]
async fn after_a_416_it_starts_from_zero() {
    let (_, outcome, ranges) = pull(Resume::Refused).await;
    assert_eq!(outcome.unwrap().n_resumed, 0);
    assert_eq!(ranges, ["", "4000-", ""]);
}

#[tokio::test]
async fn a_download_that_always_breaks_off_ends_with_the_policy() {
    let (_, outcome, ranges) = pull(Resume::CutAgain).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Network);
    assert!(failure.message.starts_with("GET https://registry.test/v2/app/blobs/sha256:"), "{failure}");
    assert_eq!(ranges, ["", "4000-", "4001-"]);
}

#[tokio::test]
async fn a_download_that_gains_enough_each_time_outlives_the_attempts() {
    let (world, outcome, ranges) = pull_image(LocalImage::synthetic(Seed(1), &[400_000, 10]), Resume::Slowly).await;
    let pulled = outcome.unwrap();
    assert_eq!(ranges[..4], ["", "4000-", "74000-", "144000-"]);
    assert_eq!(ranges.len(), 7);
    assert_eq!(pulled.received_bytes, size_bytes(&world));
    // The waits begin anew as well.
    assert_eq!(world.waits_ms(), [1000; 6]);
}
