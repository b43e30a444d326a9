//! The API's description, OpenAPI 3.1, from where its parts are decided: the operations from `model::access`, the
//! answers from what serde makes of them, the bodies of requests from the code that reads them, statuses from `edge`.
//! What is written here by hand is which operation has which of these, and a sentence on each.
//!
//! `infra/openapi.json` is the result together with examples that a test records (`tests/tests/e2e/openapi`).

mod describe;
mod example;
mod operations;
mod schemas;

use bifrost::model::access::Operation;
use serde_json::{Map, Value, json};

pub use example::Example;
use schemas::Schemas;

/// The whole description.
pub fn document(examples: &[Example]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for operation in Operation::ALL {
        let mut description = operations::describe(*operation, &mut schemas)
            .refused_by_the_table(*operation)
            .into_json(*operation);
        let recorded = examples.iter().filter(|example| example.operation == *operation);
        recorded.for_each(|example| example.add_to(&mut description));
        let path = paths.entry(operation.path()).or_insert_with(|| json!({}));
        path[operation.method().to_ascii_lowercase()] = description;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bifrost Integrations",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Organizations' connections to external APIs, always with a fresh token.",
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.into_components(),
            "securitySchemes": {"key": {
                "type": "http", "scheme": "bearer", "bearerFormat": "bfk_<id>_<secret>",
                "description": "A key from POST /keys, or the root key that was made when the stack was deployed; or, where the stack names an OpenID Connect issuer, the token of someone who signed in there.",
            }},
        },
    })
}

/// The name of an operation in the description: its function's, where that has no other.
pub fn operation_id(operation: Operation) -> String {
    let name = format!("{operation:?}");
    let mut id = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !id.is_empty() {
            id.push('-');
        }
        id.push(c.to_ascii_lowercase());
    }
    id
}

const INTRODUCTION: &str = "\
JSON in and out, field names in snake_case, times RFC 3339 in UTC, ids UUID. \
`scope` says whose data a request is about: `global` (the platform) or an organization's id; left out, the caller's own.

What goes wrong is answered as RFC 9457 has it, `application/problem+json`, with a `code` for programs, and a `fix` for \
people. What the gateway answers by itself (no key 401, unknown key 403, no such route 404, too large 413, too many \
requests 429, timed out 503) is `{\"message\": ...}` in `application/json`.";
