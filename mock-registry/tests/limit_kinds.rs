//! Limits of every kind on the wire: what counts, by what, by which law, and what a refusal does.
//! Source: facts/registry A4, A8, B2, B3.

mod common;

use std::time::Duration;

use common::{IMAGE, MANIFEST, ask, check, start, token};
use mock_registry::{Accounting, Charge, MockRegistry, RegistryConfig};
use oci::EndpointKind;
use serde_json::{Value, json};
use testbed::{Clock, clock::after};

async fn with_limits(limits: Value) -> MockRegistry {
    start(json!({ "limits": limits, "images": [{ "name": IMAGE, "layers": ["2KiB"] }] })).await
}

async fn statuses(registry: &MockRegistry, call: &str, n: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..n {
        statuses.push(ask(registry, call, &[]).await.status);
    }
    statuses
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test]
async fn several_limits_hold_at_once_and_the_first_that_refuses_answers() {
    let hub = with_limits(json!([
        { "name": "abuse", "counts": { "any": "any" }, "before-auth": true, "allow": "3/1min", "answer": "dockerhub-abuse" },
        { "name": "pulls", "allow": "1/6h", "headers": "docker-hub", "answer": "dockerhub-anonymous", "retry-after": "seconds" },
    ]))
    .await;
    let get = format!("GET {MANIFEST}");
    check(
        &hub,
        &[
            (&get, &[], 200, &["ratelimit-remaining: 0;w=21600"]),
            (&get, &[], 429, &["unauthenticated pull rate limit", "retry-after: 21600"]),
            ("GET /v2/", &[], 200, &["no ratelimit-"]),
            // The fourth request of the minute, whatever it asks for.
            ("GET /v2/", &[], 429, &["Too Many Requests", "retry-after: 60", "no docker-distribution"]),
            ("HEAD /nowhere", &[], 429, &[]),
        ],
    )
    .await;
    hub.clock().advance(seconds(60));
    assert_eq!(statuses(&hub, "GET /v2/", 1).await, [200]);
}

#[tokio::test]
async fn the_journal_tells_the_limit_that_counted_and_not_one_that_only_looks_on() {
    let hub = with_limits(json!([
        { "name": "bytes", "of": "bytes", "counts": { "blob": "get" }, "allow": "500GiB/30d" },
        { "name": "reads", "counts": { "any": ["get", "head"] }, "allow": "2/1min" },
        { "name": "writes", "counts": { "any": ["put", "post"] }, "allow": "9/1min" },
    ]))
    .await;
    let manifest = ask(&hub, &format!("GET {MANIFEST}"), &[]).await.json();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let (name, _) = MANIFEST.split_once("/manifests/").unwrap();
    assert_eq!(statuses(&hub, &format!("HEAD {name}/blobs/{layer}"), 2).await, [200, 429]);
    let told: Vec<_> = hub.received().into_iter().filter_map(|asked| asked.counted).collect();
    let told: Vec<_> = told.iter().map(|told| (&*told.limit_name, told.remaining, told.used, told.refused)).collect();
    assert_eq!(told, [("reads", 1, true, false), ("reads", 0, true, false), ("reads", 0, false, true)]);
}

#[tokio::test]
async fn every_law_refuses_as_it_says() {
    // At which second each request comes, and whether it passes.
    let table: [(&str, &[(u64, bool)]); 6] = [
        (r#"{ "algorithm": "fixed" }"#, &[(5, true), (6, true), (14, false), (15, true), (16, true), (17, false)]),
        (r#"{ "algorithm": "aligned" }"#, &[(5, true), (6, true), (9, false), (10, true), (11, true), (12, false)]),
        (
            r#"{ "algorithm": "sliding-log" }"#,
            &[(5, true), (9, true), (14, false), (15, true), (16, false), (19, true)],
        ),
        (
            r#"{ "algorithm": "sliding-counter" }"#,
            &[(8, true), (9, true), (10, false), (15, true), (16, false), (20, true)],
        ),
        (
            r#"{ "algorithm": "token-bucket", "burst": 3 }"#,
            &[(0, true), (0, true), (0, true), (1, false), (5, true), (6, false)],
        ),
        (r#"{ "algorithm": "gcra" }"#, &[(0, true), (4, false), (5, true), (6, false), (10, true), (11, false)]),
    ];
    for (law, requests) in table {
        let mut limit: Value = serde_json::from_str(law).unwrap();
        limit["name"] = "pulls".into();
        limit["allow"] = "2/10s".into();
        let hub = with_limits(json!([limit])).await;
        let mut now = 0;
        for (at, passes) in requests {
            hub.clock().advance(seconds(at - now));
            now = *at;
            let status = ask(&hub, &format!("GET {MANIFEST}"), &[]).await.status;
            assert_eq!(status == 200, *passes, "{law} at {at} s: {status}");
        }
    }
}

#[tokio::test]
async fn keys_are_counted_apart() {
    let hub = with_limits(json!([
        { "name": "by-proxy", "by": "forwarded-for", "allow": "1/1h", "counts": { "ping": "get" } },
        { "name": "by-repository", "by": "repository", "allow": "1/1h", "counts": { "tags": "get" } },
        { "name": "by-authorization", "by": "authorization", "allow": "1/1h", "counts": { "catalog": "get" } },
    ]))
    .await;
    check(
        &hub,
        &[
            ("GET /v2/", &[("x-forwarded-for", "192.0.2.1, 10.0.0.1")], 200, &[]),
            ("GET /v2/", &[("x-forwarded-for", "192.0.2.1")], 429, &[]),
            ("GET /v2/", &[("x-forwarded-for", "2001:db8:1:2:3::4")], 200, &[]),
            ("GET /v2/", &[("x-forwarded-for", "2001:db8:1:2:ffff::")], 429, &[]),
            ("GET /v2/", &[], 200, &[]),
            ("GET /v2/harness/ci-addon/tags/list", &[], 200, &[]),
            ("GET /v2/harness/ci-addon/tags/list", &[], 429, &[]),
            ("GET /v2/another/tags/list", &[], 404, &[]),
            ("GET /v2/_catalog", &[("authorization", "Bearer a")], 200, &[]),
            ("GET /v2/_catalog", &[("authorization", "Bearer a")], 429, &[]),
            ("GET /v2/_catalog", &[("authorization", "Bearer b")], 200, &[]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_refused_request_counts_or_extends_where_the_limit_says_so() {
    let of = async |refused: &str| {
        let hub = with_limits(json!([{ "name": "pulls", "allow": "1/10s", "refused": refused }])).await;
        let get = format!("GET {MANIFEST}");
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(ask(&hub, &get, &[]).await.status);
            hub.clock().advance(seconds(6));
        }
        statuses
    };
    // At 0, 6 and 12 seconds.
    assert_eq!(of("free").await, [200, 429, 200]);
    assert_eq!(of("counts").await, [200, 429, 429]);
    assert_eq!(of("extends").await, [200, 429, 429]);
}

#[tokio::test]
async fn failed_logins_lead_to_a_ban_and_one_that_succeeds_is_forgiven() {
    let gitlab = start(json!({
        "auth": "bearer", "accounts": [{ "name": "ci", "password": "secret" }],
        "limits": [{
            "name": "logins", "counts": { "token": "any" }, "only": "failed-logins", "allow": "3/3min", "ban": "1h",
            "forgiven-by-success": true, "answer": "gitlab-ban",
        }],
    }))
    .await;
    let wrong: &[(&str, &str)] = &[("authorization", "Basic Y2k6d3Jvbmc=")];
    let right: &[(&str, &str)] = &[("authorization", "Basic Y2k6c2VjcmV0")];
    let log_in = async |with| ask(&gitlab, "GET /token?service=registry", with).await.status;
    assert_eq!([log_in(wrong).await, log_in(wrong).await, log_in(right).await], [401, 401, 200]);
    assert_eq!([log_in(wrong).await, log_in(wrong).await, log_in(wrong).await], [401, 401, 401]);
    assert_eq!([log_in(wrong).await, log_in(right).await], [403, 403]);
    gitlab.clock().advance(seconds(3599));
    assert_eq!(log_in(right).await, 403);
    gitlab.clock().advance(seconds(1));
    assert_eq!(log_in(right).await, 200);
}

#[tokio::test]
async fn an_index_costs_nothing_by_architecture_and_a_half_by_the_count_of_2020() {
    let units = async |units: &str| {
        let hub = start(json!({
            "limits": [{ "name": "pulls", "allow": "10/6h", "units": units, "headers": "docker-hub" }],
            "images": [{ "name": "team/app:1", "layers": ["1KiB"], "platforms": ["linux/amd64", "linux/arm64"] }],
        }))
        .await;
        let index = ask(&hub, "GET /v2/team/app/manifests/1", &[]).await;
        let first = index.header("ratelimit-remaining").to_owned();
        let child = index.json()["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let child = ask(&hub, &format!("GET /v2/team/app/manifests/{child}"), &[]).await;
        [first, child.header("ratelimit-remaining").to_owned()]
    };
    assert_eq!(units("each").await, ["9;w=21600", "8;w=21600"]);
    assert_eq!(units("half").await, ["9;w=21600", "9;w=21600"]);
    assert_eq!(units("per-architecture").await, ["10;w=21600", "9;w=21600"]);
}

#[tokio::test]
async fn bytes_are_charged_when_they_are_sent() {
    let hub = start(json!({
        "limits": [{ "name": "egress", "of": "bytes", "counts": { "blob": "get" }, "allow": "3KiB/1h", "answer": "ecr" }],
        "images": [{ "name": "team/app:1", "layers": ["2KiB"] }],
    }))
    .await;
    let manifest = ask(&hub, "GET /v2/team/app/manifests/1", &[]).await.json();
    let layer = format!("GET /v2/team/app/blobs/{}", manifest["layers"][0]["digest"].as_str().unwrap());
    // A layer is a tar, larger than what is in it: the second one goes beyond the rest, and is still sent.
    assert_eq!(statuses(&hub, &layer, 3).await, [200, 200, 429]);
    hub.clock().advance(seconds(3600));
    assert_eq!(statuses(&hub, &layer, 1).await, [200]);
}

#[tokio::test]
async fn no_more_than_so_many_exchanges_are_under_way_at_once() {
    let hub = start(json!({
        "limits": [{ "name": "open", "of": "concurrency", "counts": { "blob": "get" }, "allow": 2 }],
        "images": [{ "name": "team/app:1", "layers": ["64MiB"] }],
    }))
    .await;
    let manifest = ask(&hub, "GET /v2/team/app/manifests/1", &[]).await.json();
    let layer = format!("GET /v2/team/app/blobs/{}", manifest["layers"][0]["digest"].as_str().unwrap());
    // The bodies are larger than what sockets hold, so they stay under way until they are read or given up.
    let first = common::request(&hub, &layer, &[]).send().await.unwrap();
    let second = common::request(&hub, &layer, &[]).send().await.unwrap();
    assert_eq!([first.status().as_u16(), second.status().as_u16()], [200, 200]);
    assert_eq!(ask(&hub, &layer, &[]).await.status, 429);
    assert_eq!(first.bytes().await.unwrap().len(), second.content_length().unwrap() as usize);
    // The registry learns of the end a moment after the client has read it.
    let mut status = 429;
    for _ in 0..100 {
        status = common::request(&hub, &layer, &[]).send().await.unwrap().status().as_u16();
        if status == 200 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(status, 200);
    drop(second);
}

#[tokio::test]
async fn what_is_exempt_is_told_nothing() {
    let hub = with_limits(json!([
        { "name": "pulls", "allow": "1/6h", "headers": "docker-hub", "exempt": { "repositories": ["harness/*"] } },
    ]))
    .await;
    let get = format!("GET {MANIFEST}");
    check(&hub, &[(&get, &[], 200, &["no ratelimit-"]), (&get, &[], 200, &["no ratelimit-"])]).await;
}

#[tokio::test]
async fn headers_come_in_each_style() {
    let styles: [(&str, &[&str]); 4] = [
        (
            "docker-hub",
            &["ratelimit-limit: 2;w=60", "ratelimit-remaining: 1;w=60", "docker-ratelimit-source: 127.0.0.1"],
        ),
        ("draft", &["ratelimit-limit: 2\n", "ratelimit-remaining: 1\n", "ratelimit-reset: 60\n"]),
        (
            "gitlab",
            &[
                "ratelimit-observed: 1\n",
                "ratelimit-reset: 1767225660\n",
                "ratelimit-resettime: Thu, 01 Jan 2026 00:01:00 GMT",
                "ratelimit-name: pulls",
            ],
        ),
        ("x-ratelimit", &["x-ratelimit-limit: 2\n", "x-ratelimit-remaining: 1\n", "x-ratelimit-reset: 1767225660\n"]),
    ];
    let get = format!("GET {MANIFEST}");
    for (style, texts) in styles {
        let hub = with_limits(json!([{ "name": "pulls", "allow": "2/1min", "headers": style }])).await;
        check(&hub, &[(&get, &[], 200, texts)]).await;
        let hub =
            with_limits(json!([{ "name": "pulls", "allow": "2/1min", "headers": style, "headers-on": "refusal" }]))
                .await;
        check(&hub, &[(&get, &[], 200, &["no ratelimit-"]), (&get, &[], 200, &[]), (&get, &[], 429, &["ratelimit-"])])
            .await;
    }
}

#[tokio::test]
async fn a_retry_after_has_the_form_that_the_limit_says() {
    let forms = [
        ("seconds", "retry-after: 50\n"),
        ("http-date", "retry-after: Thu, 01 Jan 2026 00:01:00 GMT"),
        ("epoch", "retry-after: 1767225660\n"),
        ("soon", "retry-after: soon\n"),
    ];
    let get = format!("GET {MANIFEST}");
    for (form, text) in forms {
        let hub = with_limits(json!([{ "name": "pulls", "allow": "1/1min", "retry-after": form }])).await;
        assert_eq!(statuses(&hub, &get, 1).await, [200]);
        hub.clock().advance(seconds(10));
        check(&hub, &[(&get, &[], 429, &[text])]).await;
    }
}

#[tokio::test]
async fn limits_and_accounts_change_while_it_runs_and_what_was_used_is_put_back() {
    let hub = start(json!({
        "preset": "dockerhub", "limit": "2/6h", "accounts": [{ "name": "ci", "password": "secret" }],
        "images": [{ "name": IMAGE, "layers": ["2KiB"] }],
    }))
    .await;
    let get = format!("GET {MANIFEST}");
    let token = format!("Bearer {}", token(&hub, "repository:harness/ci-addon:pull", None).await);
    let with: &[(&str, &str)] = &[("authorization", &token)];
    assert_eq!(ask(&hub, &get, with).await.status, 200);
    let usage = serde_json::to_string(&hub.limit_usage()).unwrap();
    assert_eq!(ask(&hub, &get, with).await.status, 200);
    assert_eq!(ask(&hub, &get, with).await.status, 429);
    hub.restore_limit_usage(&serde_json::from_str(&usage).unwrap());
    assert_eq!(ask(&hub, &get, with).await.header("ratelimit-remaining"), "0;w=21600");

    let mut limits = hub.limits();
    limits[0].burst = Some(1);
    let errors = hub.set_limits(&limits).unwrap_err();
    assert_eq!(errors[0].to_string(), "limits[0].burst: only `token-bucket` and `gcra` have a burst");
    assert_eq!(hub.limits()[0].burst, None);
    hub.reset();
    assert_eq!(ask(&hub, &get, with).await.header("ratelimit-remaining"), "1;w=21600");
}

#[tokio::test]
async fn a_proxy_asks_its_upstream_for_what_it_lacks_and_words_the_refusal_itself() {
    let images = json!([{ "name": "a/b:1", "layers": ["1KiB"] }, { "name": "a/c:1", "layers": ["1KiB"] }]);
    let table: [(&str, u16, &str); 6] = [
        ("as-it-is", 429, "unauthenticated pull rate limit"),
        ("stale", 429, "TOO_MANY_REQUEST"),
        ("manifest-unknown", 404, "MANIFEST_UNKNOWN"),
        ("blob-unknown", 404, "MANIFEST_UNKNOWN"),
        ("denied", 403, "DENIED"),
        ("cache-rule", 429, "cache rule"),
    ];
    for (refusal, status, text) in table {
        let upstream = json!({ "limit": "1/6h", "refusal": refusal });
        let proxy = start(json!({ "upstream": upstream, "images": images })).await;
        check(
            &proxy,
            &[
                ("GET /v2/a/b/manifests/1", &[], 200, &[]),
                ("GET /v2/a/b/manifests/1", &[], 200, &[]),
                ("HEAD /v2/a/c/manifests/1", &[], 200, &[]),
                ("GET /v2/a/c/manifests/1", &[], status, &[text]),
            ],
        )
        .await;
        let counted = common::exchanges(&proxy).pop().unwrap().counted.unwrap();
        assert!(counted.refused && &*counted.limit_name == "upstream", "{counted:?}");
    }
}

#[test]
fn the_same_limits_can_be_asked_without_http() {
    let config: RegistryConfig = serde_json::from_value(json!({ "preset": "dockerhub", "limit": "1/6h" })).unwrap();
    let accounting = Accounting::of(&config).unwrap();
    let repository = "library/alpine".parse().unwrap();
    let charge = Charge {
        endpoint: EndpointKind::Manifest,
        method: http::Method::GET,
        repository: Some(&repository),
        account: None,
        source: [192, 0, 2, 1].into(),
        connection: 1,
        is_challenged: false,
        is_index: false,
        n_bytes: 500,
    };
    let begin = Clock::DEFAULT_START;
    assert_eq!(accounting.ask(&charge, begin).used, ["anonymous"]);
    let refused = accounting.ask(&charge, after(begin, seconds(60))).refused.unwrap();
    assert_eq!((refused.limit.as_str(), refused.status, refused.wait), ("anonymous", 429, seconds(6 * 3600 - 60)));
    assert_eq!(accounting.ask(&charge, after(begin, seconds(6 * 3600))).refused, None);
}

#[test]
fn limits_that_contradict_themselves_are_refused_with_a_hint() {
    let wrong = |limit: Value| {
        let config: RegistryConfig = serde_json::from_value(json!({ "limits": [limit] })).unwrap();
        let errors = config.check().unwrap_err();
        assert!(errors.iter().all(|error| error.hint.is_some()), "{errors:?}");
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let table = [
        (json!({ "name": "A b", "allow": "1/s" }), "limits[0].name: a limit's name has small letters, digits and `-`"),
        (json!({ "name": "a", "allow": 10 }), "limits[0].allow: in which time is missing"),
        (
            json!({ "name": "a", "allow": "1/s", "of": "concurrency" }),
            "limits[0].allow: how many may be under way at once has no window",
        ),
        (
            json!({ "name": "a", "allow": "1/s", "burst": 2 }),
            "limits[0].burst: only `token-bucket` and `gcra` have a burst",
        ),
        (
            json!({ "name": "a", "allow": "1/s", "algorithm": "aligned", "refused": "extends" }),
            "limits[0].refused: windows of the clock cannot begin anew",
        ),
        (
            json!({ "name": "a", "allow": "1/s", "who": "anonymous", "by": "account" }),
            "limits[0].by: who has no account is not counted by account",
        ),
        (
            json!({ "name": "a", "allow": "1/s", "who": "accounts", "before-auth": true }),
            "limits[0].before-auth: who asks is not known yet",
        ),
        (
            json!({ "name": "a", "allow": "1/s", "answer": "dockerhub-abus" }),
            "limits[0].answer: no dialect `dockerhub-abus`",
        ),
    ];
    for (limit, told) in table {
        assert_eq!(wrong(limit.clone()), told, "{limit}");
    }
}
