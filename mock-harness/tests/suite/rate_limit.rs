//! The API's own limits, and rules that play a gateway in trouble.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::{net::Vantage, rule::Rule};

use crate::rig::{Rig, client, config};

const LIST: &str = "/ng/api/connectors?accountIdentifier=acme";

async fn get(rig: &Rig, key: &str) -> reqwest::Response {
    let url = format!("{}{LIST}", rig.harness.url());
    client().get(url).header("x-api-key", key).send().await.unwrap()
}

#[tokio::test]
async fn a_key_has_its_requests_in_each_window_of_policy_time() {
    let keys = json!([{ "token": "pat.acme.a.b" }, { "token": "pat.acme.c.d" }]);
    let limits = json!({ "per-key": "3/min" });
    let rig = Rig::start(config(json!({ "api-keys": keys, "api-limits": limits }))).await;
    for _ in 0..3 {
        assert_eq!(get(&rig, "pat.acme.a.b").await.status(), 200);
        rig.clock.advance(Duration::from_secs(10));
    }
    let refused = get(&rig, "pat.acme.a.b").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers().get("retry-after"), None);
    assert_eq!(refused.headers()["content-type"], "text/html; charset=UTF-8");
    let page = "<!doctype html><meta charset=\"utf-8\"><meta name=viewport content=\"width=device-width, \
                initial-scale=1\"><title>429</title>429 Too Many Requests";
    assert_eq!(refused.text().await.unwrap(), page);
    assert_eq!(get(&rig, "pat.acme.c.d").await.status(), 200, "another key");
    rig.clock.advance(Duration::from_secs(29));
    assert_eq!(get(&rig, "pat.acme.a.b").await.status(), 429);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(get(&rig, "pat.acme.a.b").await.status(), 200, "the first has left the window");
    assert_eq!(get(&rig, "pat.acme.a.b").await.status(), 429, "the second has not");
    let journal: Vec<_> = rig.journal.entries().iter().map(|entry| entry.event.to_string()).collect();
    assert_eq!(journal.iter().filter(|event| event.contains("429")).count(), 3, "{journal:?}");
    assert!(!journal.join("\n").contains("pat.acme"), "{journal:?}");
}

#[tokio::test]
async fn an_address_has_its_requests_whatever_the_key() {
    let behaviour = json!({ "rate-limit-body": "text" });
    let limits = json!({ "per-address": "2/10s", "per-key": "1000/min" });
    let rig = Rig::start(config(json!({ "api-limits": limits, "behaviour": behaviour }))).await;
    assert_eq!(get(&rig, "no.such.key").await.status(), 401);
    assert_eq!(get(&rig, rig.key.as_deref().unwrap()).await.status(), 200);
    let refused = get(&rig, rig.key.as_deref().unwrap()).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.text().await.unwrap(), "Too Many requests. Throttled. Max QPS: 0");
    let names = testbed::net::Names::default();
    names.add("app.harness.io", rig.harness.address());
    let elsewhere = "127.0.0.77".parse().unwrap();
    let elsewhere = Vantage::in_world("elsewhere", Some(elsewhere), None, &names, &rig.journal).unwrap();
    let url = format!("https://app.harness.io{LIST}").parse().unwrap();
    let request = elsewhere.request(reqwest::Method::GET, &url).unwrap();
    let answer = request.header("x-api-key", rig.key.as_deref().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "another address");
}

#[tokio::test]
async fn without_limits_nobody_is_refused() {
    let rig = Rig::start(config(json!({}))).await;
    for _ in 0..50 {
        assert_eq!(rig.ask("GET", LIST, "").await.0, 200);
    }
}

#[test]
fn a_limit_that_is_none_is_refused_where_it_is_read() {
    for (limits, complaint) in [
        (json!({ "per-key": "0/min" }), "a limit of 0 pulls would refuse every pull"),
        (json!({ "per-key": "many" }), "is not of the form"),
        (json!({ "per-address": "1/fortnight" }), "is unknown"),
    ] {
        let read: Result<mock_harness::PlatformConfig, _> = serde_json::from_value(json!({ "api-limits": limits }));
        assert!(read.unwrap_err().to_string().contains(complaint), "{limits}");
    }
}

async fn under(then: Value) -> Rig {
    let rig = Rig::start(config(json!({}))).await;
    let rule: Rule =
        serde_json::from_value(json!({ "name": "trouble", "when": { "api": "any" }, "then": then })).unwrap();
    assert_eq!(rule.problems(testbed::rule::RuleFor::Api), []);
    rig.harness.rules().add(rule);
    rig
}

fn last(rig: &Rig) -> String {
    rig.journal.entries().last().unwrap().event.to_string()
}

#[tokio::test]
async fn a_gateway_in_trouble_is_played_by_rules() {
    let ask = async |rig: &Rig| {
        let url = format!("{}{LIST}", rig.harness.url());
        let request = client().get(url).header("x-api-key", rig.key.as_deref().unwrap());
        request.timeout(Duration::from_millis(300)).send().await
    };
    let rig = under(json!("close")).await;
    let error = ask(&rig).await.unwrap_err();
    assert!(!error.is_timeout(), "{error:?}");
    assert!(last(&rig).contains("no answer"), "{}", last(&rig));

    let rig = under(json!("no-answer")).await;
    assert!(ask(&rig).await.unwrap_err().is_timeout());
    assert!(last(&rig).contains("no answer"), "{}", last(&rig));

    let rig = under(json!({ "raw": "HTTP/1.1 502 Oops\r\ncontent-length: 2\r\n\r\nno" })).await;
    let answer = ask(&rig).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (502, "no"));
    assert!(last(&rig).contains("502"), "{}", last(&rig));

    let rig = under(json!({ "redirect": { "to": "https://login.harness.test{target}", "status": 302 } })).await;
    let answer = client_that_stays().get(format!("{}{LIST}", rig.harness.url())).send().await.unwrap();
    assert_eq!(answer.headers()["location"], format!("https://login.harness.test{LIST}"));

    let rig = under(json!([
        { "answer": { "status": 503, "body": "later" } },
        { "headers": { "set": { "retry-after": "7" }, "remove": ["date"] } },
    ]))
    .await;
    let answer = ask(&rig).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"7".parse().unwrap()));
    assert_eq!(answer.headers().get("date"), None);

    let rig = under(json!({ "headers": { "set": { "content-length": "3" } } })).await;
    assert_eq!(ask(&rig).await.unwrap().text().await.unwrap(), "{\"s");
}

fn client_that_stays() -> reqwest::Client {
    let tls = testbed::tls::client_config(&[]).unwrap();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}
