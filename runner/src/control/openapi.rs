//! `/v1/openapi.json`: the API, described from the types that read and write its bodies.

use axum::{extract::State, response::Response};
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    body::ok,
    error::ErrorBody,
    server::{App, resources},
};

type Describe = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
pub(super) struct Operation {
    pub(super) method: &'static str,
    about: &'static str,
    query: Option<Describe>,
    body: Option<Describe>,
    status: StatusCode,
    answer: Describe,
    /// Further types that the answer may have.
    also: &'static [&'static str],
}

impl Operation {
    /// `method`, which answers with an `A`.
    pub(super) fn new<A: JsonSchema>(method: &'static str, about: &'static str) -> Self {
        Self { method, about, query: None, body: None, status: StatusCode::OK, answer: describe::<A>, also: &[] }
    }

    /// It is sent a `B`.
    pub(super) fn body<B: JsonSchema>(self) -> Self {
        Self { body: Some(describe::<B>), ..self }
    }

    /// It understands the fields of `Q` in the query.
    pub(super) fn query<Q: JsonSchema>(self) -> Self {
        Self { query: Some(describe::<Q>), ..self }
    }

    /// It answers 201.
    pub(super) fn creates(self) -> Self {
        Self { status: StatusCode::CREATED, ..self }
    }

    /// Its answer may also have one of these types.
    pub(super) fn or(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }
}

pub(super) async fn get(State(_): State<App>) -> Response {
    ok(&document())
}

fn describe<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn document() -> Value {
    let at_home = |settings: &mut SchemaSettings| settings.definitions_path = "/components/schemas".into();
    let mut generator = SchemaSettings::draft2020_12().with(at_home).into_generator();
    let failure = generator.subschema_for::<ErrorBody>();
    let mut paths = Map::new();
    for resource in resources() {
        let path = resource.path.replace("{*", "{");
        let parameters: Vec<_> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        let mut item = Map::new();
        if !parameters.is_empty() {
            item.insert(String::from("parameters"), Value::from(parameters));
        }
        for operation in &resource.operations {
            item.insert(operation.method.to_lowercase(), operation.to_json(&mut generator, &failure));
        }
        paths.insert(path, Value::Object(item));
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "pullrig control API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Asks and changes a world that `pullrig serve --control` keeps up.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        // On loopback without a token nothing is needed.
        "security": [{}, { "token": [] }],
    })
}

impl Operation {
    fn to_json(&self, generator: &mut SchemaGenerator, failure: &Schema) -> Value {
        let mut content = Map::new();
        content.insert(String::from("application/json"), json!({ "schema": (self.answer)(generator) }));
        for also in self.also {
            content.insert(String::from(*also), json!({ "schema": { "type": "string" } }));
        }
        let mut operation = json!({
            "summary": self.about,
            "responses": {
                self.status.as_str(): { "description": "Done.", "content": content },
                "default": { "description": "Refused.", "content": { "application/json": { "schema": failure } } },
            },
        });
        if let Some(body) = self.body {
            let content = json!({ "application/json": { "schema": body(generator) } });
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
        if let Some(query) = self.query {
            operation["parameters"] = query_parameters(&query(generator), generator).into();
        }
        operation
    }
}

/// The fields of a schema, each as a parameter.
fn query_parameters(schema: &Schema, generator: &mut SchemaGenerator) -> Vec<Value> {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next());
    // Its fields are told here, so it need not stand among the bodies.
    let schema = name.and_then(|name| generator.definitions_mut().remove(name)).unwrap_or_default();
    let fields = schema["properties"].as_object().cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({ "name": name, "in": "query", "description": about, "schema": schema })
    };
    fields.into_iter().map(parameter).collect()
}
