//! The document says what the API does.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

/// A path of the document with something that is there in the place of each name.
fn filled_in(path: &str) -> String {
    path.replace("{name}", "dockerhub")
        .replace("{rule}", "rule-1")
        .replace("{limit}", "anonymous")
        .replace("{image}", "library/alpine:3")
        .replace("{account}", "ci")
}

fn world() -> World {
    let world = World::start(&[
        "--preset",
        "dockerhub=127.0.0.1:0",
        "--image",
        "library/alpine:3=1KiB",
        "--account",
        "ci:hunter2",
    ]);
    world.told(&["rules", "add", "{when: {manifest: get}, then: {answer: {status: 503}}}"]);
    world
}

#[tokio::test]
async fn every_operation_of_the_document_answers_as_it_says() {
    let world = world();
    let document = world.get("/v1/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let schema_of = |schema: &Value| {
        let mut schema = schema.clone();
        schema["components"] = document["components"].clone();
        jsonschema::validator_for(&schema).unwrap()
    };
    let mut n_operations = 0;
    let mut told = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            n_operations += 1;
            let method: Method = method.to_uppercase().parse().unwrap();
            told.push(Value::from(format!("{method} {path}")));
            let responses = operation["responses"].as_object().unwrap();
            let (done, response) = responses.iter().find(|(status, _)| *status != "default").unwrap();
            // What is wrong is refused in the form of errors; what takes no body is done.
            let body = operation.get("requestBody").map(|_| "17");
            let (status, answer) = world.ask(method.clone(), &filled_in(path), body).await;
            let schema = match body {
                Some(_) => {
                    assert_eq!(status, 422, "{method} {path}: {answer}");
                    &responses["default"]["content"]["application/json"]["schema"]
                }
                None => {
                    assert_eq!(status.to_string(), *done, "{method} {path}: {answer}");
                    &response["content"]["application/json"]["schema"]
                }
            };
            let wrong: Vec<_> = schema_of(schema).iter_errors(&answer).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{method} {path}: {wrong:?}: {answer}");
            // Whatever was removed is needed again.
            if method == Method::DELETE || path == "/v1/reset" {
                world.told(&["reset"]);
                world.told(&["images", "add", "library/alpine:3=1KiB"]);
                world.told(&["rules", "add", "{name: rule-1, when: {manifest: get}, then: {answer: {status: 503}}}"]);
            }
        }
    }
    assert!(n_operations > 30, "{n_operations}");
    assert_eq!(world.get("/v1").await["endpoints"], Value::from(told));
}

#[tokio::test]
async fn what_can_be_sent_is_described() {
    let document = world().get("/v1/openapi.json").await;
    let schema = |path: &str, method: &str| {
        let mut schema =
            document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"].clone();
        schema["components"] = document["components"].clone();
        jsonschema::validator_for(&schema).unwrap()
    };
    let clock = schema("/v1/clock", "post");
    for (body, is_right) in [
        (json!({ "advance": "6h" }), true),
        (json!({ "freeze": true }), true),
        (json!({ "auto-advance": false }), true),
        (json!({ "freeze": true, "advance": "6h" }), false),
        (json!({ "leap": "6h" }), false),
    ] {
        assert_eq!(clock.is_valid(&body), is_right, "{body}");
    }
    let rule = schema("/v1/registries/{name}/rules", "post");
    assert!(rule.is_valid(&json!({ "when": { "manifest": "get" }, "then": { "answer": { "status": 503 } } })));
    assert!(!rule.is_valid(&json!({ "wen": {} })));
    let parameters = document["paths"]["/v1/journal"]["get"]["parameters"].as_array().unwrap();
    let names: Vec<_> = parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["actor", "endpoint", "status", "principal", "source", "since", "limit", "follow", "as"]);
}
