//! Pushes.

use puller::{LocalImage, PushTask};
use testbed::{Seed, task::FailureKind};

use crate::support::{World, image, jo, status, wants_token};

fn task(world: &World) -> PushTask {
    PushTask {
        image: "registry.test/app:1".parse().unwrap(),
        content: LocalImage::synthetic(Seed(9), &[2000]),
        credentials: Some(jo()),
        from: world.from(),
    }
}

#[tokio::test]
async fn a_push_sends_what_is_missing_and_then_the_manifest() {
    let odd = wants_token(|_, _| true);
    let world = World::new(image(), move |request, n| {
        odd(request, n).or_else(|| match request.method.as_str() {
            "POST" => Some(status(202).insert_header("location", format!("/upload/{n}?state=abc"))),
            "PUT" => Some(status(201)),
            _ => None,
        })
    })
    .await;
    let task = task(&world);
    let digest = world.builder().build().push(&task).await.unwrap();
    assert_eq!(digest, task.content.digest());
    let [config, layer] = [0, 1].map(|n| format!("HEAD /v2/app/blobs/{}", task.content.blobs[n].digest));
    let (token, open) = ("GET /token", "POST /v2/app/blobs/uploads/");
    let upload = |n| format!("PUT /upload/{n}");
    let expected: [&str; 9] =
        [&config, token, &config, open, &upload(1), &layer, open, &upload(2), "PUT /v2/app/manifests/1"];
    assert_eq!(world.asked().await, expected);

    let requests = world.server.received_requests().await.unwrap();
    assert_eq!(requests[1].url.query(), Some("account=jo&service=reg&scope=repository%3Aapp%3Apull%2Cpush"));
    let digest = task.content.blobs[0].digest.as_str().replace(':', "%3A");
    assert_eq!(requests[4].url.query(), Some(&*format!("state=abc&digest={digest}")));
    assert_eq!(requests[4].body, task.content.blobs[0].bytes);
    assert_eq!(requests[8].headers["content-type"], task.content.media_type.as_str());
    assert_eq!(requests[8].body, task.content.manifest);
}

/// The first upload is gone after its broken `PUT`, as at a registry that ends an upload with its connection.
#[tokio::test]
async fn after_a_broken_put_the_blob_goes_to_a_new_upload() {
    let world = World::new(image(), |request, n| match request.method.as_str() {
        "POST" => Some(status(202).insert_header("location", format!("/upload/{n}"))),
        "PUT" if request.url.path() == "/upload/1" => Some(status(if n == 1 { 502 } else { 404 })),
        "PUT" => Some(status(201)),
        _ => None,
    })
    .await;
    world.builder().build().push(&task(&world)).await.unwrap();
    let asked = world.asked().await;
    let (post, put) = ("POST /v2/app/blobs/uploads/", |n| format!("PUT /upload/{n}"));
    assert_eq!(asked[1..5], [post, &put(1), post, &put(2)]);
    assert_eq!(world.waits_ms(), [1000]);
    assert_eq!(asked.last().map(String::as_str), Some("PUT /v2/app/manifests/1"));
}

#[tokio::test]
async fn blobs_that_are_there_are_not_sent() {
    let world = World::new(image(), |request, _| (request.method == "PUT").then(|| status(201))).await;
    let task = PushTask { content: image(), ..task(&world) };
    world.builder().build().push(&task).await.unwrap();
    assert_eq!(world.asked().await.len(), 4);
}

#[tokio::test]
async fn an_upload_without_a_place_is_an_error() {
    let world = World::new(image(), |request, _| (request.method == "POST").then(|| status(202))).await;
    let failure = world.builder().build().push(&task(&world)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Protocol);
}
