//! How long a page of a list of 100,000 connectors takes, over one connection that is kept open. Target: 20 ms.
//!
//! Beside it: the same of 100 connectors, which tells what the answer itself costs.

use std::{io, net::SocketAddr, time::Duration};

use benches::{Cost, KeepAlive, api_request, cpu_time, criterion, docker_connector, now, runtime, say, start_platform};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use mock_harness::{MockHarness, account::ConnectorDraft};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const N_CONNECTORS: [u32; 2] = [100, 100_000];
/// One in so many has another URL, tags of its own, and "rare" in its name.
const RARE: u32 = 1000;

fn lists(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("harness_lists");
    for n_connectors in N_CONNECTORS {
        let platform = runtime.block_on(start_with(n_connectors));
        let at = platform.address();
        let last = n_connectors / 50 - 1;
        let deep = format!("pageIndex={last}&pageSize=50");
        let all = json!({ "filterType": "Connector" });
        let pages = [
            ("first page", String::new(), all.clone()),
            ("last page", deep, all.clone()),
            ("a page of 100 by type and status", String::from("pageSize=100"), by_kind()),
            ("by tag", String::new(), json!({ "filterType": "Connector", "tags": { "tier": "rare" } })),
            ("by identifier", String::new(), json!({ "filterType": "Connector", "connectorIdentifiers": ["mirror0"] })),
            ("search, one in 1,000", String::from("searchTerm=RARE"), all.clone()),
            ("search, nothing", String::from("searchTerm=nobody-has-this"), all),
        ];
        for (name, query, filter) in pages {
            let path = format!("/gateway/ng/api/connectors/listV2?{query}");
            let request = api_request(at, "POST", &path, &filter);
            measure(&mut group, &runtime, (name, n_connectors), at, &request);
        }
        let request = api_request(at, "GET", "/gateway/ng/api/connectors", &Value::Null);
        measure(&mut group, &runtime, ("GET, 100 a page", n_connectors), at, &request);
    }
    group.finish();
}

fn measure(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    runtime: &Runtime,
    (name, n_connectors): (&str, u32),
    at: SocketAddr,
    request: &str,
) {
    let mut cost = Cost::default();
    group.bench_function(BenchmarkId::new(name, n_connectors), |b| {
        b.iter_custom(|n| {
            let before = cpu_time();
            let took = runtime.block_on(ask(at, request, n)).expect("every list is answered");
            cost.add_since(before, n);
            took
        });
    });
    if let Some(ms) = cost.seconds_per(1e3) {
        say(&format!("{name} of {n_connectors}: {ms:.2} CPU ms, the client's included\n"));
    }
}

/// What every connector is, so that the filter has to look at all of them and lets all of them through.
fn by_kind() -> Value {
    json!({
        "filterType": "Connector",
        "types": ["DockerRegistry"],
        "categories": ["ARTIFACTORY"],
        "connectivityStatuses": ["PENDING", "UNKNOWN"],
    })
}

async fn start_with(n_connectors: u32) -> MockHarness {
    let platform = start_platform().await;
    let start = testbed::Clock::DEFAULT_START;
    for number in 0..n_connectors {
        let mut body = docker_connector(&format!("mirror{number}"), "internal images come from the mirror");
        if number % RARE == 0 {
            body["connector"]["name"] = json!(format!("A rare mirror {number}"));
            body["connector"]["tags"] = json!({ "tier": "rare" });
        }
        let draft = ConnectorDraft::read(&body).expect("a connector");
        platform.account().create_connector(draft, start).expect("it is new");
    }
    platform
}

async fn ask(at: SocketAddr, request: &str, n: u64) -> io::Result<Duration> {
    let mut client = KeepAlive::open_for(at, String::from(request)).await?;
    let begin = now();
    for _ in 0..n {
        client.exchange().await?;
    }
    Ok(begin.elapsed())
}

criterion_group! { name = benches; config = criterion(); targets = lists }
criterion_main!(benches);
