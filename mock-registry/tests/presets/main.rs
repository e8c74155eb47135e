//! Every preset on the wire, byte by byte: its challenge, its token, what it lets through, each refusal, and that it lets through
//! again when its time has come. The table below says what to ask; what comes back is one snapshot for each preset, which is
//! to be read against facts/registry before it is accepted.

mod client;
mod table;
mod wire;

use std::fmt::Write as _;

use mock_registry::{Algorithm, Allow, LimitConfig, MockRegistry, Preset, Protocol, preset_names};
use serde_json::json;
use testbed::{diagnostic::Source, yaml};

use client::Client;
use table::{ROWS, Row};

/// Up to how many requests a limit is used up on the wire; what allows more is told that it is used up.
const MAX_REQUESTS: u64 = 250;

#[test]
fn every_preset_and_every_limit_has_a_row() {
    let rows: Vec<_> = ROWS.iter().map(|row| row.preset).collect();
    assert_eq!(rows, preset_names(), "the presets of the table in their order, and all presets");
    for row in ROWS {
        let preset = Preset::find(row.preset).unwrap();
        // What holds over HTTP/2 alone is its HTTP/1.1 half with other numbers.
        let limits = preset.limits().filter(|limit| limit.protocol != Some(Protocol::Http2));
        let limits: Vec<_> = limits.map(|limit| limit.name.as_str()).collect();
        let asked: Vec<_> = row.limits.iter().map(|(limit, ..)| *limit).collect();
        assert_eq!(asked, limits, "{}: the limits of the table, and those in force", row.preset);
    }
}

#[tokio::test]
async fn every_preset_answers_as_it_did() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for row in ROWS {
        let mut told = beginning(row).await;
        for (limit, who, request) in row.limits {
            told += &refusal(row.preset, limit, *who, request).await;
        }
        if is_proxy(row.preset) {
            told += &upstream(row).await;
        }
        settings.bind(|| insta::assert_snapshot!(row.preset, told));
    }
}

/// The challenge, the token, and a pull.
async fn beginning(row: &Row) -> String {
    let registry = start(row.preset).await;
    let client = Client::new(&registry).await;
    let mut told = format!("--- challenge\n{}", client.challenge);
    if client.asks_for_token() {
        let token = client.ask(None, "GET token").await;
        let _ = write!(told, "--- token\n{}", token.without_token());
    }
    let pull = client.ask(row.puller, &format!("GET /v2/{}team/app/manifests/1", row.path)).await;
    let _ = write!(told, "--- pull of {}\n{}", row.puller.unwrap_or("nobody"), pull.without_body());
    told
}

/// Uses up one limit of a registry of its own, is refused, and passes when the window is over.
async fn refusal(preset: &str, name: &str, who: Option<&str>, request: &str) -> String {
    let registry = start(preset).await;
    let limit = registry.limits().into_iter().find(|limit| limit.name == name).unwrap();
    let client = Client::new(&registry).await;
    let first = client.ask(who, request).await;
    let mut told =
        format!("--- limit {name}: {request} of {}\nfirst: {}\n", who.unwrap_or("nobody"), first.status_line);
    if limit.before_auth || limit.allow.units().is_some_and(|units| units > MAX_REQUESTS) {
        use_up(&registry, &limit);
    }
    let mut refused = None;
    for _ in 0..=2 * MAX_REQUESTS {
        let answer = client.ask(who, request).await;
        if answer.status_line != first.status_line {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap_or_else(|| panic!("{preset}: `{name}` refuses nothing"));
    let window = limit.ban.or(limit.allow.window()).unwrap();
    registry.clock().advance(window);
    client.forget_tokens();
    let again = client.ask(who, request).await;
    let _ = writeln!(told, "{refused}after {}: {}", testbed::duration::print(window), again.status_line);
    assert_eq!(again.status_line, first.status_line, "{preset}: `{name}`\n{told}");
    told
}

/// Uses up the upstream of a proxy: a manifest that is cached, one that is not, and a blob.
async fn upstream(row: &Row) -> String {
    let registry = start(row.preset).await;
    let client = Client::new(&registry).await;
    let pull = async |name: &str| client.ask(row.puller, &format!("GET /v2/team/{name}/manifests/1")).await;
    let mut told = String::from("--- upstream\n");
    let mut refused = None;
    for n in 0..N_IMAGES {
        let name = format!("image-{n}");
        let answer = pull(&name).await;
        if answer.status_line != "HTTP/1.1 200 OK" {
            refused = Some((n, name, answer));
            break;
        }
    }
    let (n, name, refused) = refused.unwrap_or_else(|| panic!("{}: the upstream refuses nothing", row.preset));
    let _ = write!(told, "after {n} manifests:\n{refused}");
    let _ = writeln!(told, "what is cached: {}", pull("image-0").await.status_line);
    let plain = start_with_images("generic", true).await;
    let layer = Client::new(&plain).await.layer(&format!("/v2/team/{name}"), None).await;
    let blob = client.ask(row.puller, &format!("GET /v2/team/{name}/blobs/{layer}")).await;
    let _ = writeln!(told, "a blob of what is not: {}", blob.status_line);
    registry.clock().advance(std::time::Duration::from_secs(6 * 60 * 60));
    client.forget_tokens();
    let again = pull(&name).await;
    let _ = writeln!(told, "after 6h: {}", again.status_line);
    assert_eq!(again.status_line, "HTTP/1.1 200 OK", "{}", row.preset);
    told
}

/// One more than any upstream lets through.
const N_IMAGES: u64 = 201;

fn is_proxy(preset: &str) -> bool {
    let preset = Preset::find(preset).unwrap();
    preset.n_limits() > preset.limits().count()
}

async fn start(preset: &str) -> MockRegistry {
    start_with_images(preset, is_proxy(preset)).await
}

async fn start_with_images(preset: &str, has_many: bool) -> MockRegistry {
    let mut images = vec![json!({ "name": "team/app:1", "layers": ["2KiB"] })];
    if has_many {
        images.extend((0..N_IMAGES).map(|n| json!({ "name": format!("team/image-{n}:1"), "layers": ["2KiB"] })));
    }
    let mut config = json!({ "preset": preset, "images": images });
    let told = Preset::find(preset).unwrap().describe();
    if told.sections.iter().any(|section| section.title == "challenge" && section.statements.len() > 1) {
        config["accounts"] = json!([{ "name": "ci", "password": "secret" }]);
    }
    let config = yaml::from_str(&Source::new("registry", config.to_string())).unwrap();
    MockRegistry::builder("hub").config(config).start().await.unwrap()
}

/// Lets everything that a limit allows be used, without as many requests.
fn use_up(registry: &MockRegistry, limit: &LimitConfig) {
    let mut usage = serde_json::to_value(registry.limit_usage()).unwrap();
    let Allow::Rate { units, window } = limit.allow else { panic!("{} has no window", limit.name) };
    let debt = || {
        let capacity = match limit.algorithm {
            Algorithm::Gcra => limit.burst.unwrap_or(0) + 1,
            _ => limit.burst.unwrap_or(units),
        };
        json!([0, capacity * u64::try_from(window.as_micros()).unwrap()])
    };
    for (law, keys) in usage[&limit.name]["keys"].as_object_mut().unwrap() {
        for (_, used) in keys["of_key"].as_object_mut().unwrap() {
            match law.as_str() {
                "fixed" => used["used"] = units.into(),
                "meter" => used["debt"] = debt(),
                "log" => {
                    used["entries"][0][1] = units.into();
                    used["n_units"] = units.into();
                }
                law => panic!("nothing in the table is counted by {law}"),
            }
        }
    }
    registry.restore_limit_usage(&serde_json::from_value(usage).unwrap());
}
