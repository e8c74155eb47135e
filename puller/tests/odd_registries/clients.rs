//! Clients that are imitated, against odd registries, on the virtual clock: what facts/registry E says of each.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use puller::{ClientProfile, LocalImage, Login, PullShape, RequestKind};
use testbed::{
    Seed,
    task::{FailureKind, PullFailure, PullTask, PulledImage},
};
use wiremock::{Request, ResponseTemplate};

use crate::support::{MANIFEST, World, blob_path, challenge, image, status, wants_token};

async fn pull_like(client: &str, world: &World) -> Result<PulledImage, PullFailure> {
    let profile = ClientProfile::find(client).unwrap();
    world.builder().client(profile).seed(Seed(7)).build().pull(&world.task()).await
}

/// A registry that answers requests for manifests of that method with `answer`, the first `times`.
fn throttled(
    method: &'static str,
    times: usize,
    answer: ResponseTemplate,
) -> impl Fn(&Request, usize) -> Option<ResponseTemplate> + Send + Sync + 'static {
    move |request, n| {
        let is_meant = request.url.path().contains("/manifests/") && request.method.as_str() == method && n <= times;
        is_meant.then(|| answer.clone())
    }
}

async fn n_manifests(world: &World, method: &str) -> usize {
    let prefix = format!("{method} /v2/app/manifests/");
    world.asked().await.iter().filter(|asked| asked.starts_with(&prefix)).count()
}

#[tokio::test]
async fn an_endless_429_costs_what_facts_say() {
    let check = async |client: &str, heads: usize, gets: usize, seconds: std::ops::RangeInclusive<u64>| {
        let world =
            World::new(image(), |request, _| request.url.path().contains("/manifests/").then(|| status(429))).await;
        let failure = pull_like(client, &world).await.unwrap_err();
        assert_eq!(failure.status, Some(429), "{client}: {failure}");
        assert_eq!((n_manifests(&world, "HEAD").await, n_manifests(&world, "GET").await), (heads, gets), "{client}");
        assert!(seconds.contains(&world.elapsed().as_secs()), "{client}: {:?}", world.elapsed());
    };
    check("docker", 1, 1, 0..=0).await;
    check("docker-containerd", 5, 0, 0..=0).await;
    check("containerd", 5, 0, 0..=0).await;
    check("containerd-2.3.0", 6, 0, 0..=0).await;
    check("buildkit", 5, 0, 0..=0).await;
    check("skopeo", 0, 5, 30..=30).await;
    check("podman", 0, 20, 127..=127).await;
    check("crane", 0, 3, 3..=4).await;
    check("ggcr-old", 0, 1, 0..=0).await;
    check("kaniko", 0, 1, 0..=0).await;
    check("regclient", 0, 5, 3..=3).await;
    check("oras", 6, 0, 6..=7).await;
    check("oci-client", 0, 1, 0..=0).await;
    check("pullrig", 0, 1, 0..=0).await;
}

#[tokio::test]
async fn at_zero_head_succeeds_and_get_is_refused() {
    let world = World::new(image(), throttled("GET", 99, status(429))).await;
    pull_like("containerd", &world).await.unwrap_err();
    assert_eq!((n_manifests(&world, "HEAD").await, n_manifests(&world, "GET").await), (1, 5));
}

#[tokio::test]
async fn a_cold_token_costs_containerd_one_of_its_attempts() {
    let check = async |client: &str, expected: usize| {
        let odd = wants_token(|_, _| true);
        let world = World::new(image(), move |request, n| {
            odd(request, n).or_else(|| request.url.path().contains("/manifests/").then(|| status(429)))
        })
        .await;
        pull_like(client, &world).await.unwrap_err();
        assert_eq!(n_manifests(&world, "HEAD").await, expected, "{client}");
    };
    check("containerd", 5).await;
    check("containerd-2.3.0", 7).await;
}

#[tokio::test]
async fn a_retry_after_is_kept_by_those_who_read_it() {
    let check = async |client: &str, header: &str, expected: Option<u64>| {
        let answer = status(429).insert_header("retry-after", header);
        let method = if client == "oras" { "HEAD" } else { "GET" };
        let world = World::new(image(), throttled(method, 1, answer)).await;
        let told = pull_like(client, &world).await.ok().map(|_| world.elapsed().as_millis());
        assert_eq!(told, expected.map(u128::from), "{client} {header}");
    };
    let date = "Thu, 01 Jan 2026 00:00:07 GMT";
    check("podman", "7", Some(7000)).await;
    check("podman", date, Some(7000)).await;
    check("podman", "1767225600", Some(60_000)).await;
    check("podman", "0", Some(2000)).await;
    check("regclient", "7", Some(7000)).await;
    check("regclient", "0.5", Some(500)).await;
    check("regclient", date, Some(200)).await;
    check("oras", "7", Some(3000)).await;
    check("containerd", "7", Some(0)).await;
    check("oci-client", "7", None).await;
    check("pullrig", "7", Some(7000)).await;
    check("pullrig", date, Some(7000)).await;
}

#[tokio::test]
async fn a_429_at_the_token_service_is_repeated_by_few() {
    let check = async |client: &str, expected: usize| {
        let odd = wants_token(|_, _| true);
        let world =
            World::new(
                image(),
                move |request, n| {
                    if request.url.path() == "/token" { Some(status(429)) } else { odd(request, n) }
                },
            )
            .await;
        let failure = pull_like(client, &world).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::RateLimited, "{client}");
        assert_eq!(world.n_asked("GET /token").await, expected, "{client}");
    };
    check("docker", 1).await;
    check("containerd", 1).await;
    check("skopeo", 1).await;
    // Three more rounds are not for this.
    check("podman", 1).await;
    check("crane", 3).await;
    check("oras", 6).await;
    check("regclient", 5).await;
}

#[tokio::test]
async fn a_token_that_dies_in_the_middle_is_outlived_by_those_who_refresh() {
    let check = async |client: &str, expected: bool| {
        let image = image();
        let layer = crate::support::blob_path(&image, 2);
        let dies = wants_token(move |request, token| token != "token-1" || request.url.path() != layer);
        let world = World::new(image, dies).await;
        let outcome = pull_like(client, &world).await;
        assert_eq!(outcome.is_ok(), expected, "{client}: {outcome:?}");
    };
    for client in ["containerd", "buildkit", "crane", "oras", "regclient", "pullrig"] {
        check(client, true).await;
    }
    for client in ["docker", "oci-client", "podman"] {
        check(client, false).await;
    }
}

#[tokio::test]
async fn waits_between_the_rounds_of_a_request_are_waits_of_the_pull() {
    let world = World::new(image(), |_, _| Some(status(502))).await;
    let failure = pull_like("buildkit", &world).await.unwrap_err();
    assert_eq!(failure.effort.waited, Duration::from_secs(7));
    assert_eq!((world.elapsed(), n_manifests(&world, "HEAD").await), (Duration::from_secs(7), 4));
}

#[tokio::test]
async fn a_token_service_that_refuses_is_asked_once() {
    let check = async |client: &str, code: u16| {
        let odd = move |request: &Request| (request.url.path() == "/token").then(|| status(code));
        let wants = wants_token(|_, _| true);
        let world = World::new(image(), move |request, n| odd(request).or_else(|| wants(request, n))).await;
        let failure = pull_like(client, &world).await.unwrap_err();
        assert!(failure.of_token, "{client}: {failure}");
        assert_eq!((world.n_asked("GET /token").await, n_manifests(&world, "GET").await), (1, 0), "{client} {code}");
    };
    // Neither a round more, nor a GET for the text of HEAD's error: it was no error of HEAD's.
    check("podman", 429).await;
    check("buildkit", 429).await;
    check("containerd", 403).await;
    check("buildkit", 403).await;
}

#[tokio::test]
async fn docker_pull_says_that_a_login_may_be_missing() {
    let denied = status(403).set_body_raw(r#"{"errors":[{"code":"DENIED","message":"no"}]}"#, "application/json");
    let world = World::new(image(), throttled("GET", 9, denied)).await;
    let failure = pull_like("docker", &world).await.unwrap_err();
    let login = "repository does not exist or may require 'docker login'";
    assert_eq!(failure.message, format!("pull access denied for registry.test/app, {login}: denied: no"));

    // A token that is refused is another matter: it names the request that wanted it.
    let odd = |request: &Request| (request.url.path() == "/token").then(|| status(403).set_body_string("no"));
    let wants = wants_token(|_, _| true);
    let world = World::new(image(), move |request, n| odd(request).or_else(|| wants(request, n))).await;
    let failure = pull_like("docker", &world).await.unwrap_err();
    assert_eq!(failure.message, r#"Get "https://registry.test/v2/": denied: no"#);
}

#[tokio::test]
async fn a_pull_asks_for_what_the_plan_says() {
    for client in ClientProfile::names() {
        let profile = ClientProfile::find(client).unwrap();
        let image = image();
        let world = World::new(image, with_digests(wants_token(|_, _| true))).await;
        // Side by side the order is chance.
        let puller = world.builder().client(profile).concurrency(std::num::NonZeroUsize::MIN).build();
        let pulled = puller.pull(&world.task()).await.unwrap();
        let shape = PullShape { n_layers: 2, login: Login::Cold, ..PullShape::default() };
        let planned = profile.requests_of_a_pull(&shape);
        let kinds = |asked: &str| match asked {
            "GET /v2/" => RequestKind::Ping,
            asked if asked.ends_with(" /token") => RequestKind::Token,
            asked if asked.starts_with("HEAD") => RequestKind::Head,
            asked if asked.contains("/manifests/sha256-") || asked.contains("/referrers/") => RequestKind::Referrers,
            asked if asked.contains("/manifests/") => RequestKind::Manifest,
            asked if asked.ends_with(world.image.blobs[0].digest.as_str()) => RequestKind::Config,
            _ => RequestKind::Layer,
        };
        let mut asked: Vec<_> = world.asked().await.iter().map(|asked| kinds(asked)).collect();
        // The tag that stands in for a missing API is no part of the plan.
        asked.dedup_by(|a, b| a == b && *a == RequestKind::Referrers);
        let planned: Vec<_> = planned.iter().map(|request| request.kind).collect();
        assert_eq!(asked, planned, "{client}");
        assert_eq!(pulled.effort.n_tokens, 1, "{client}");
        assert_eq!(pulled.effort.n_requests as usize, world.asked().await.len(), "{client}");
    }
}

/// The same registry, which tells digests of manifests.
fn with_digests(
    odd: impl Fn(&Request, usize) -> Option<ResponseTemplate> + Send + Sync + 'static,
) -> impl Fn(&Request, usize) -> Option<ResponseTemplate> + Send + Sync + 'static {
    let image = image();
    move |request, n| {
        let is_known = || {
            let path = request.url.path();
            path == MANIFEST || path.ends_with(image.digest().as_str()) && path.contains("/manifests/")
        };
        let told = || {
            crate::support::sane_answer(&image, request).insert_header("docker-content-digest", image.digest().as_str())
        };
        odd(request, n).or_else(|| is_known().then(told))
    }
}

#[tokio::test]
async fn head_that_fails_leads_to_get_where_the_client_does_so() {
    let check = async |client: &str, code: u16, gets: Option<usize>| {
        let world = World::new(image(), throttled("HEAD", 99, status(code))).await;
        let outcome = pull_like(client, &world).await;
        assert_eq!(outcome.is_ok().then_some(n_manifests(&world, "GET").await), gets, "{client} {code}: {outcome:?}");
    };
    for code in [403, 404, 405, 429] {
        check("docker", code, Some(1)).await;
    }
    check("containerd", 405, Some(1)).await;
    check("containerd", 404, None).await;
    check("containerd", 429, None).await;
}

#[tokio::test]
async fn the_error_that_head_cannot_tell_is_read_with_get() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"not for you"}]}"#;
    let world = World::new(image(), move |request, _| match request.method.as_str() {
        "HEAD" => Some(status(403)),
        _ => Some(status(403).set_body_raw(denied, "application/json")),
    })
    .await;
    let failure = pull_like("containerd", &world).await.unwrap_err();
    assert!(failure.message.ends_with("denied: not for you"), "{failure}");
}

#[tokio::test]
async fn an_image_that_is_here_is_up_to_date_for_free_with_head() {
    let check = async |client: &str, gets: usize| {
        let odd = with_digests(|_, _| None);
        let world = World::new(image(), move |request, n| {
            let unchanged = request.headers.contains_key("if-none-match").then(|| status(304));
            unchanged.or_else(|| odd(request, n))
        })
        .await;
        let puller = world.builder().client(ClientProfile::find(client).unwrap()).build();
        let first = puller.pull(&world.task()).await.unwrap();
        let before = n_manifests(&world, "GET").await;
        let task = PullTask { cached: Some(first.clone()), ..world.task() };
        let again = puller.pull(&task).await.unwrap();
        assert!(again.is_up_to_date && !first.is_up_to_date, "{client}");
        assert_eq!((again.received_bytes, &again.digest), (0, &first.digest), "{client}");
        assert_eq!(n_manifests(&world, "GET").await - before, gets, "{client}");
    };
    check("containerd", 0).await;
    check("docker", 0).await;
    check("pullrig", 0).await;
    check("podman", 1).await;
}

#[tokio::test]
async fn one_pause_is_shared_by_all_layers_of_a_good_client() {
    let image = LocalImage::synthetic(Seed(1), &[1000, 2000, 3000, 4000]);
    let layers: Vec<_> = (1..=4).map(|n| crate::support::blob_path(&image, n)).collect();
    let world = World::new(image, move |request, n| {
        let is_layer = layers.iter().any(|layer| layer == request.url.path());
        (is_layer && n == 1).then(|| status(429).insert_header("retry-after", "5"))
    })
    .await;
    let pulled = pull_like("pullrig", &world).await.unwrap();
    // Three at once are refused; the fourth waits until asking makes sense.
    assert!(world.elapsed() <= Duration::from_secs(10), "{:?}", world.elapsed());
    assert_eq!(pulled.n_retries, 4);
}

#[tokio::test]
async fn what_is_sent_is_the_clients_own() {
    let check = async |client: &str, agent: &str, n_accept_lines: usize| {
        let world = World::new(image(), |_, _| None).await;
        pull_like(client, &world).await.unwrap();
        let requests = world.server.received_requests().await.unwrap();
        let manifest = requests.iter().find(|request| request.url.path() == MANIFEST).unwrap();
        assert!(manifest.headers["user-agent"].to_str().unwrap().starts_with(agent), "{client}");
        assert_eq!(manifest.headers.get_all("accept").iter().count(), n_accept_lines, "{client}");
    };
    check("docker", "docker/", 4).await;
    check("containerd", "containerd/", 1).await;
    check("podman", "libpod/", 6).await;
}

#[tokio::test]
async fn warnings_are_kept_once_by_clients_that_show_them() {
    let odd = with_digests(|_, _| None);
    let world = World::new(image(), move |request, n| {
        odd(request, n).map(|answer| answer.insert_header("warning", r#"299 - "deprecated""#))
    })
    .await;
    let pulled = pull_like("containerd", &world).await.unwrap();
    assert_eq!(pulled.effort.warnings, [r#"299 - "deprecated""#]);
    assert!(pull_like("docker", &world).await.unwrap().effort.warnings.is_empty());
}

#[tokio::test]
async fn a_token_id_is_in_neither_the_message_nor_the_journal() {
    let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit as 'jo': dckr_jti_x="}]}"#;
    let answer = status(429).set_body_raw(body, "application/json");
    let world = World::new(image(), throttled("GET", 99, answer)).await;
    let failure = pull_like("pullrig", &world).await.unwrap_err();
    assert_eq!(failure.message, "toomanyrequests: You have reached your pull rate limit as '[account]': [token id]");
    let failure = pull_like("docker", &world).await.unwrap_err();
    assert!(failure.message.contains("dckr_jti_"), "{failure}");
    let told: Vec<_> =
        world.journal.entries().iter().map(|entry| serde_json::to_string(&entry.event).unwrap()).collect();
    assert!(!told.iter().any(|told| told.contains("dckr_jti_")), "{told:?}");
}

#[tokio::test]
async fn containerd_posts_its_password_and_falls_back_on_get() {
    let check = async |code: u16, expected: &[&str]| {
        let odd = wants_token(|_, _| true);
        let world = World::new(image(), move |request, n| {
            let is_post = request.method.as_str() == "POST" && request.url.path() == "/token";
            if is_post && code != 200 { Some(status(code)) } else { odd(request, n) }
        })
        .await;
        let profile = ClientProfile::find("containerd").unwrap();
        world.builder().client(profile).build().pull(&world.task_as_jo()).await.unwrap();
        let asked = world.asked().await;
        let tokens: Vec<_> = asked.iter().filter(|asked| asked.ends_with("/token")).collect();
        assert_eq!(tokens, expected, "{code}");
        let requests = world.server.received_requests().await.unwrap();
        let post = requests.iter().find(|request| request.method.as_str() == "POST").unwrap();
        let form = String::from_utf8(post.body.clone()).unwrap();
        let expected = "grant_type=password&service=reg&client_id=containerd-client&scope=repository%3Aapp%3Apull&username=jo&password=hunter2";
        assert_eq!(form, expected);
        assert!(post.headers.get("authorization").is_none());
    };
    check(200, &["POST /token"]).await;
    check(404, &["POST /token", "GET /token"]).await;
    check(405, &["POST /token", "GET /token"]).await;
}

#[tokio::test]
async fn a_version_check_that_names_a_placeholder_costs_no_useless_token() {
    let odd = wants_token(|_, _| true);
    let world = World::new(image(), move |request, n| {
        let placeholder =
            r#"Bearer realm="https://registry.test/token",service="reg",scope="repository:user/image:pull""#;
        if request.url.path() == "/v2/" { Some(challenge(placeholder)) } else { odd(request, n) }
    })
    .await;
    pull_like("podman", &world).await.unwrap();
    let requests = world.server.received_requests().await.unwrap();
    let tokens: Vec<_> = requests.iter().filter(|request| request.url.path() == "/token").collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].url.query(), Some("service=reg&scope=repository%3Aapp%3Apull"));
}

#[tokio::test]
async fn a_length_that_is_not_the_descriptors_is_refused_before_the_download_by_some() {
    let image = image();
    let layer = crate::support::blob_path(&image, 1);
    let short =
        move |request: &Request, _| (request.url.path() == layer).then(|| status(200).set_body_bytes(vec![0; 10]));
    let world = World::new(image, short).await;
    for client in ["crane", "regclient"] {
        let failure = pull_like(client, &world).await.unwrap_err();
        assert!(failure.message.contains("size mismatch"), "{client}: {failure}");
    }
}

#[tokio::test]
async fn a_compressed_body_is_decoded_by_clients_that_ask_for_it() {
    let image = image();
    let (path, bytes) = (blob_path(&image, 1), image.blobs[1].bytes.clone());
    let odd = with_digests(move |request, _| {
        let is_asked = request.headers.contains_key("accept-encoding") && request.url.path() == path;
        is_asked.then(|| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&bytes).unwrap();
            status(200).insert_header("content-encoding", "gzip").set_body_bytes(gzip.finish().unwrap())
        })
    });
    let world = World::new(image, odd).await;
    let pulled = pull_like("containerd", &world).await.unwrap();
    assert_ne!(pulled.received_bytes, pulled.size_bytes, "what is counted is what was sent");
    let pulled = pull_like("podman", &world).await.unwrap();
    assert_eq!(pulled.received_bytes, pulled.size_bytes);
}
